"""Interp and Upsample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.onnx.layers.emitters import EMITTERS, Layer, on_four_axes
from prototxt_gen.layers.layer_types import legacy_shape

_LAST = np.iinfo(np.int64).max


@EMITTERS.register("Interp")
def interp(layer: Layer) -> None:
    """Sources: interp_layer.cpp and interp.cpp of the DeepLab fork; a second bottom: the PSPNet fork."""
    options, top = layer.parameter.interp_param, layer.row.top_shapes[0]
    sizes = legacy_shape(layer.row.bottom_shapes[0], "bottom[0]")
    value = on_four_axes(layer, layer.bottoms[0])
    if options.pad_beg or options.pad_end:
        edges = [-options.pad_beg] * 2, [options.pad_end or _LAST] * 2, [2, 3]
        named = zip(edges, ("starts", "ends", "axes"), strict=True)
        value = layer.node("Slice", [value, *(layer.constant(edge, name) for edge, name in named)])
        sizes = (*sizes[:2], *(size + options.pad_beg + options.pad_end for size in sizes[2:]))
    if not layer.open_axes:
        wanted = ["", layer.constant(list(top), "sizes")]
    elif not layer.open_axes & {2, 3}:
        wanted = [layer.constant(scales(sizes, top), "scales")]
    else:
        batch = layer.node("Shape", [value], start=0, end=2)
        wanted = ["", layer.node("Concat", [batch, _open_sizes(layer, value)], axis=0)]
    layer.node(
        "Resize", [value, "", *wanted], layer.tops[0], mode="linear", coordinate_transformation_mode="align_corners"
    )


def _open_sizes(layer: Layer, value: str) -> str:
    """Height and width of the top, for a map of any size."""
    options = layer.parameter.interp_param
    if len(layer.bottoms) == 2:
        axes = len(layer.row.bottom_shapes[1])
        found = [layer.node("Shape", [layer.bottoms[1]], start=2)] if axes > 2 else []
        missing = [layer.constant([1] * (4 - max(axes, 2)), "ones")] if axes < 4 else []
        return layer.node("Concat", [*found, *missing], axis=0) if len(found + missing) > 1 else (found + missing)[0]
    shrinks, zooms = options.HasField("shrink_factor"), options.HasField("zoom_factor")
    if shrinks == zooms and options.HasField("height") and options.HasField("width"):
        return layer.constant([options.height, options.width], "sizes")
    gaps = layer.node("Shape", [value], start=2)
    one = layer.constant([1], "one")
    gaps = layer.node("Sub", [gaps, one])
    if shrinks and options.shrink_factor > 1:
        gaps = layer.node("Div", [gaps, layer.constant([options.shrink_factor], "shrink_factor")])
    if zooms and options.zoom_factor > 1:
        gaps = layer.node("Mul", [gaps, layer.constant([options.zoom_factor], "zoom_factor")])
    return layer.node("Add", [gaps, one])


def scales(sizes: Sequence[int], wanted: Sequence[int]) -> NDArray[Any]:
    """The least float32 factors with which height and width, multiplied and rounded down, become those of `wanted`.

    Both products, in float32 and in float64, are found in runtimes. Batch and channels stay.
    """
    factors = [np.float32(1)] * 2
    for size, want in zip(sizes[2:], wanted[2:], strict=True):
        factor = np.float32(want / size)
        while np.float32(size) * factor < want or size * float(factor) < want:
            factor = np.nextafter(factor, np.float32(np.inf))
        factors.append(factor)
    return np.array(factors, np.float32)


@EMITTERS.register("InterpHalfPixel")
def interp_half_pixel(layer: Layer) -> None:
    """Source: ncnn's interp.cpp."""
    options = layer.parameter.interp_param
    bottom, top = layer.row.bottom_shapes[0], layer.row.top_shapes[0]
    if layer.open_axes & {2, 3} and (options.height or options.width):
        batch = layer.node("Shape", layer.bottoms, start=0, end=2)
        sized = layer.constant([options.height, options.width], "sizes")
        wanted = ["", layer.node("Concat", [batch, sized], axis=0)]
    elif layer.open_axes:
        wanted = [layer.constant(scales(bottom, top), "scales")]
    else:
        wanted = ["", layer.constant(list(top), "sizes")]
    layer.node(
        "Resize", [layer.bottoms[0], "", *wanted], layer.tops[0], mode="linear",
        coordinate_transformation_mode="half_pixel",
    )  # fmt: skip


@EMITTERS.register("Upsample")
def upsample(layer: Layer) -> None:
    """Each pixel `scale` times on both axes (forks for YOLO: upsample_layer.cpp)."""
    factor = layer.parameter.upsample_param.scale
    wanted = layer.constant(np.array([1, 1, factor, factor], np.float32), "scales")
    modes = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    layer.node("Resize", [layer.bottoms[0], "", wanted], layer.tops[0], **modes)
