"""Interp, and InterpHalfPixel, a type of our own that Caffe does not have.

`interp_sizes` and `half_pixel_sizes` are their rules for sizes.
"""

from __future__ import annotations

from collections.abc import Sequence

from prototxt_gen.layers.table import LayerShape, Shape, layer_type, legacy_shape, require
from prototxt_gen.proto import LayerParameter


def interp_sizes(layer: LayerParameter, bottoms: Sequence[Shape]) -> Shape:
    """Height and width of an Interp's top (DeepLab and DF forks: interp_layer.cpp).

    The size comes from a shrink_factor or a zoom_factor where only one is stated, else from height and width where
    both are, else the part of the map that the pads leave is shrunk and then zoomed. A zoom by z puts z - 1 positions
    between two of the map. PSPNet's fork takes a second bottom of the wanted size instead.
    """
    param, bottom = layer.interp_param, legacy_shape(bottoms[0], "bottom[0]")
    for field in ("pad_beg", "pad_end"):
        require(getattr(param, field) <= 0, f"interp_param.{field}", getattr(param, field), "0 or less: it crops")
    sizes = tuple(size + param.pad_beg + param.pad_end for size in bottom[2:])
    require(all(size > 0 for size in sizes), "interp_param.pad_beg", f"{sizes} left of {bottom[2:]}", "1 or more")
    shrinks, zooms = param.HasField("shrink_factor"), param.HasField("zoom_factor")
    sized = param.HasField("height") and param.HasField("width")
    if len(bottoms) == 2:
        stated = [name for name in ("height", "width", "zoom_factor", "shrink_factor") if param.HasField(name)]
        require(not stated, "interp_param", ", ".join(stated), "no size beside a second bottom")
        made = legacy_shape(bottoms[1], "bottom[1]")[2:]
    elif sized and shrinks == zooms:
        made = (param.height, param.width)
    else:
        require(shrinks or zooms, "interp_param", "no size", "shrink_factor, zoom_factor, or height and width")
        made = sizes
        if shrinks:
            require(param.shrink_factor >= 1, "interp_param.shrink_factor", param.shrink_factor, "1 or more")
            made = tuple((size - 1) // param.shrink_factor + 1 for size in made)
        if zooms:
            require(param.zoom_factor >= 1, "interp_param.zoom_factor", param.zoom_factor, "1 or more")
            made = tuple(size + (size - 1) * (param.zoom_factor - 1) for size in made)
    require(all(size > 0 for size in made), "interp_param", f"an output of {made}", "1 or more on both axes")
    return made


@layer_type(
    "Interp",
    options=("interp_param",),
    source="interp_layer.cpp",
    bottoms=(1, 2),
    does="every rule for sizes, a second bottom's size, cropping pads; corners aligned",
    differs="pads above 0, as in Caffe's fork",
)
def interp(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """Bilinear resizing of the map, cropped by pads of 0 or less (DeepLab and DF forks: interp_layer.cpp)."""
    made = interp_sizes(layer, bottoms)
    return LayerShape((legacy_shape(bottoms[0], "bottom[0]")[:2] + made,))


def half_pixel_sizes(layer: LayerParameter, bottom: Shape) -> Shape:
    """Height and width of an InterpHalfPixel's top (ncnn: interp.cpp).

    interp_param's height and width, else those of the map times zoom_factor, divided by shrink_factor. Caffe's Interp
    aligns corners instead, and its factors count the gaps between pixels.
    """
    param = layer.interp_param
    for field in ("zoom_factor", "shrink_factor"):
        require(getattr(param, field) >= 1, f"interp_param.{field}", getattr(param, field), "1 or more")
    if param.height or param.width:
        made: Shape = (param.height, param.width)
    else:
        # ncnn's versions round a remainder in different ways.
        whole = not any(size * param.zoom_factor % param.shrink_factor for size in bottom[2:])
        require(whole, "interp_param.shrink_factor", param.shrink_factor, f"a divisor of the map's {bottom[2:]}")
        made = tuple(size * param.zoom_factor // param.shrink_factor for size in bottom[2:])
    require(all(size > 0 for size in made), "interp_param", f"an output of {made}", "1 or more on both axes")
    return made


@layer_type(
    "InterpHalfPixel",
    options=("interp_param",),
    source="interp.cpp",
    does="not Caffe's: ncnn's resizing at pixel centres, see [weights.md](weights.md)",
    differs="pads",
)
def interp_half_pixel(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """Bilinear resizing at pixel centres, of a map on 4 axes (ncnn: interp.cpp)."""
    param, bottom = layer.interp_param, bottoms[0]
    require(len(bottom) == 4, "bottom[0]", f"shape {bottom}", "4 axes")
    for field in ("pad_beg", "pad_end"):
        require(not getattr(param, field), f"interp_param.{field}", getattr(param, field), "0: nothing is cropped")
    return LayerShape((bottom[:2] + half_pixel_sizes(layer, bottom),))
