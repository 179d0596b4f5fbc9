"""Interp, Upsample, and InterpHalfPixel, a type of our own that Caffe does not have.

`interp_sizes` and `half_pixel_sizes` are their rules for sizes.
"""

from __future__ import annotations

from collections.abc import Sequence

from prototxt_gen.layers.layer_types import LayerShape, Shape, check_in_place, layer_type, legacy_shape, require
from prototxt_gen.proto import LayerParameter


def interp_sizes(layer: LayerParameter, bottoms: Sequence[Shape]) -> Shape:
    """Height and width of an Interp's top (DeepLab and DF forks: interp_layer.cpp).

    The size comes from a shrink_factor or a zoom_factor where only one is stated, else from height and width where
    both are, else the part of the map that the pads leave is shrunk and then zoomed. A zoom by z puts z - 1 positions
    between two of the map. PSPNet's fork takes a second bottom of the wanted size instead.
    """
    options, bottom = layer.interp_param, legacy_shape(bottoms[0], "bottom[0]")
    for field in ("pad_beg", "pad_end"):
        require(getattr(options, field) <= 0, f"interp_param.{field}", getattr(options, field), "0 or less: it crops")
    sizes = tuple(size + options.pad_beg + options.pad_end for size in bottom[2:])
    require(all(size > 0 for size in sizes), "interp_param.pad_beg", f"{sizes} left of {bottom[2:]}", "1 or more")
    shrinks, zooms = options.HasField("shrink_factor"), options.HasField("zoom_factor")
    sized = options.HasField("height") and options.HasField("width")
    if len(bottoms) == 2:
        stated = [name for name in ("height", "width", "zoom_factor", "shrink_factor") if options.HasField(name)]
        require(not stated, "interp_param", ", ".join(stated), "no size beside a second bottom")
        made = legacy_shape(bottoms[1], "bottom[1]")[2:]
    elif sized and shrinks == zooms:
        made = (options.height, options.width)
    else:
        require(shrinks or zooms, "interp_param", "no size", "shrink_factor, zoom_factor, or height and width")
        made = sizes
        if shrinks:
            require(options.shrink_factor >= 1, "interp_param.shrink_factor", options.shrink_factor, "1 or more")
            made = tuple((size - 1) // options.shrink_factor + 1 for size in made)
        if zooms:
            require(options.zoom_factor >= 1, "interp_param.zoom_factor", options.zoom_factor, "1 or more")
            made = tuple(size + (size - 1) * (options.zoom_factor - 1) for size in made)
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
    options = layer.interp_param
    for field in ("zoom_factor", "shrink_factor"):
        require(getattr(options, field) >= 1, f"interp_param.{field}", getattr(options, field), "1 or more")
    if options.height or options.width:
        made: Shape = (options.height, options.width)
    else:
        # ncnn's versions round a remainder in different ways.
        whole = not any(size * options.zoom_factor % options.shrink_factor for size in bottom[2:])
        require(whole, "interp_param.shrink_factor", options.shrink_factor, f"a divisor of the map's {bottom[2:]}")
        made = tuple(size * options.zoom_factor // options.shrink_factor for size in bottom[2:])
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
    options, bottom = layer.interp_param, bottoms[0]
    require(len(bottom) == 4, "bottom[0]", f"shape {bottom}", "4 axes")
    for field in ("pad_beg", "pad_end"):
        require(not getattr(options, field), f"interp_param.{field}", getattr(options, field), "0: nothing is cropped")
    return LayerShape((bottom[:2] + half_pixel_sizes(layer, bottom),))


@layer_type(
    "Upsample",
    options=("upsample_param",),
    source="upsample_layer.cpp",
    does="of forks for YOLO: each pixel `scale` times on both axes",
    differs="SegNet's layer of this name, which takes a mask",
)
def upsample(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """Height and width times a whole factor (forks for YOLO: upsample_layer.cpp)."""
    bottom, scale = bottoms[0], layer.upsample_param.scale
    require(len(bottom) == 4, "bottom[0]", f"shape {bottom}", "4 axes")
    require(scale > 0, "upsample_param.scale", scale, "1 or more")
    top = (*bottom[:2], bottom[2] * scale, bottom[3] * scale)
    check_in_place(layer, bottom, top)
    return LayerShape((top,))
