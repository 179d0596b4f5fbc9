"""InterpHalfPixel, a layer type that no Caffe has: bilinear resizing that samples at pixel centres, as ncnn does."""

from __future__ import annotations

from collections.abc import Sequence

from prototxt_gen.proto import LayerParameter
from prototxt_gen.shapes.rules import LayerShape, Shape, require, shape_rule


@shape_rule("InterpHalfPixel")
def interp_half_pixel(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The size is interp_param's height and width, else the map's times zoom_factor, divided by shrink_factor.

    Caffe's Interp lays corner on corner instead, and its factors count the gaps between pixels (ncnn: interp.cpp).
    """
    param, bottom = layer.interp_param, bottoms[0]
    require(len(bottom) == 4, "bottom[0]", f"shape {bottom}", "4 axes")
    for field in ("pad_beg", "pad_end"):
        require(not getattr(param, field), f"interp_param.{field}", getattr(param, field), "0: nothing is cropped")
    for field in ("zoom_factor", "shrink_factor"):
        require(getattr(param, field) >= 1, f"interp_param.{field}", getattr(param, field), "1 or more")
    made = tuple(size * param.zoom_factor // param.shrink_factor for size in bottom[2:])
    # Of what is left over ncnn's versions make different things.
    whole = not any(size * param.zoom_factor % param.shrink_factor for size in bottom[2:])
    if param.height or param.width:
        made, whole = (param.height, param.width), True
    require(whole, "interp_param.shrink_factor", param.shrink_factor, f"a divisor of the map's {bottom[2:]}")
    require(all(size > 0 for size in made), "interp_param", f"an output of {made}", "1 or more on both axes")
    return LayerShape((bottom[:2] + made,))
