"""Pooling and SPP, with Caffe's windows.

Every pooling is written with paddings stated before and behind the map and sizes that round down, which has one meaning
everywhere; `ceil_mode` only where no window could begin in the padding. With the paddings of `_ends` the sizes are
Caffe's for a map of any size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.onnx.layers.emitters import EMITTERS, FLOAT, Layer
from prototxt_gen.errors import UnsupportedError
from prototxt_gen.layers import Shape
from prototxt_gen.layers.layer_types import count
from prototxt_gen.layers.pooling import pooled_sizes, spp_windows, windows
from prototxt_gen.layers.windows import Windows
from prototxt_gen.passes.phase import stated_phase

_LOWEST = float(np.finfo(np.float32).min)


@EMITTERS.register("Pooling")
def pooling(layer: Layer) -> None:
    """Caffe: pooling_layer.cpp, pooling_layer.cu (STOCHASTIC)."""
    options = layer.parameter.pooling_param
    method = _method(layer, options)
    if options.global_pooling and len(layer.tops) == 1:
        _whole(layer, method, layer.tops[0])
        return
    window = windows(layer.parameter, layer.row.bottom_shapes[0])
    _pool(layer, method, window, options.round_mode == options.CEIL, layer.tops, "")


def _method(layer: Layer, options: Any) -> str:
    """MAX, AVE or STOCHASTIC; UnsupportedError for what is drawn at random."""
    if options.pool == options.STOCHASTIC and stated_phase(layer.parameter) == "TRAIN":
        raise UnsupportedError("STOCHASTIC with phase TRAIN draws numbers at random, which no ONNX operator does")
    names: dict[int, str] = {options.MAX: "MAX", options.AVE: "AVE", options.STOCHASTIC: "STOCHASTIC"}
    return names[options.pool]


def _whole(layer: Layer, method: str, top: str | None) -> str:
    """One number for each channel."""
    bottom = layer.bottoms[0]
    if method == "STOCHASTIC":
        means = [layer.node("GlobalAveragePool", [value]) for value in (bottom, layer.node("Mul", [bottom, bottom]))]
        return _weighted(layer, means[0], means[1], top)
    return layer.node("GlobalMaxPool" if method == "MAX" else "GlobalAveragePool", [bottom], top)


def _pool(layer: Layer, method: str, window: Windows, ceil: bool, tops: Sequence[str], what: str) -> str:
    """Nodes that pool the bottom by these windows, into `tops` or, without any, a value that is returned.

    A second top is the mask of MAX. `what` begins the names of constants.
    """
    sizes = layer.row.bottom_shapes[0][2:]
    ends = _ends(layer, window, ceil)
    made = pooled_sizes(sizes, window, floor=not ceil)
    fixed = zip(sizes, window.pad, ends, window.kernel, window.stride, strict=True)
    held = [(size + pad + end - kernel) // stride + 1 for size, pad, end, kernel, stride in fixed]
    missing = tuple(number - inside for number, inside in zip(made, held, strict=True))
    # Without padding a stride above the kernel may lead behind the map, where Caffe leaves what it begins with.
    beside = any(missing)
    inner = [layer.value(name) for name in ("pooled", "places")[: len(tops) or 1]] if beside or not tops else tops
    if method == "MAX":
        _maximum(layer, window, ends, inner)
    elif method == "AVE":
        _mean(layer, layer.bottoms[0], window, ends, inner[0], what)
    else:
        squares = layer.node("Mul", [layer.bottoms[0]] * 2)
        means = [_mean(layer, value, window, ends, None, what) for value in (layer.bottoms[0], squares)]
        _weighted(layer, means[0], means[1], inner[0])
    if not beside:
        return inner[0]
    if method == "AVE":
        whole = _padded(layer, inner[0], (0, 0, *missing), 0.0, what)
        divisor = layer.constant(_behind(made, missing, window, sizes), f"{what}divisor")
        return layer.node("Div", [whole, divisor], *tops)
    for value, top, number in zip(inner, tops, (_LOWEST if method == "MAX" else 0.0, -1.0), strict=False):
        _padded(layer, value, (0, 0, *missing), number, what, top)
    return tops[0]


def _ends(layer: Layer, window: Windows, ceil: bool) -> Shape:
    """The padding behind the map with which sizes that round down are those of Caffe's windows that meet the map.

    Sizes that round up have up to a stride less one more, and a window that begins in this padding is left out: so the
    last one ends within a kernel less one of the map. That holds for a map of any size. Where the size is fixed it is
    what the last window needs, or the padding stated, with which the size is the same.
    """
    if not ceil:
        return window.pad
    ends = []
    sizes = layer.row.bottom_shapes[0][2:]
    for size, kernel, stride, pad in zip(sizes, window.kernel, window.stride, window.pad, strict=True):
        end = min(pad + stride - 1, kernel - 1)
        if not layer.open_axes & {2, 3} or stride == 1:
            last = (size + pad + end - kernel) // stride * stride
            end = max(pad, last + kernel - size - pad)
        ends.append(end)
    return tuple(ends)


def _maximum(layer: Layer, window: Windows, ends: Shape, tops: Sequence[str]) -> None:
    attributes: dict[str, Any] = {"kernel_shape": window.kernel, "strides": window.stride}
    pads = (*window.pad, *ends)
    sizes = layer.row.bottom_shapes[0][2:]
    fixed = zip(window.pad, window.stride, window.kernel, sizes, strict=True)
    # No window begins in the padding; and OpenVINO refuses a kernel larger than the padded map.
    if ends != window.pad and all(
        pad + stride <= kernel and (layer.open_axes & {2, 3} or kernel <= size + 2 * pad)
        for pad, stride, kernel, size in fixed
    ):
        pads, attributes["ceil_mode"] = window.pad * 2, 1
    attributes["pads"] = pads if any(pads) else None
    if len(tops) == 1:
        layer.node("MaxPool", [layer.bottoms[0]], tops[0], **attributes)
        return
    places = layer.value("places")
    layer.nodes("MaxPool", [layer.bottoms[0]], [tops[0], places], **attributes)
    # ONNX counts places through the whole batch, Caffe within a plane.
    if layer.open_axes & {2, 3}:
        plane = layer.node("ReduceProd", [layer.node("Shape", [layer.bottoms[0]], start=2)], keepdims=0)
    else:
        plane = layer.constant(count(sizes), "plane")
    layer.node("Cast", [layer.node("Mod", [places, plane])], tops[1], to=FLOAT)


def _mean(layer: Layer, value: str, window: Windows, ends: Shape, top: str | None, what: str) -> str:
    """Means over what the windows cover of the map and its stated padding.

    Numbers in the stated padding count, those behind it do not: where windows reach there, the stated padding becomes a
    part of the map.
    """
    attributes: dict[str, Any] = {"kernel_shape": window.kernel, "strides": window.stride}
    if ends == window.pad:
        if any(ends):
            attributes.update(pads=window.pad * 2, count_include_pad=1)
        return layer.node("AveragePool", [value], top, **attributes)
    rest = tuple(end - pad for end, pad in zip(ends, window.pad, strict=True))
    if any(window.pad):
        value = _padded(layer, value, window.pad * 2, 0.0, what)
    return layer.node("AveragePool", [value], top, pads=(0, 0, *rest), **attributes)


def _padded(layer: Layer, value: str, pads: Shape, number: float, what: str, top: str | None = None) -> str:
    edges = [0, 0, *pads[:2], 0, 0, *pads[2:]]
    constants = [layer.constant(edges, f"{what}pads"), layer.constant(number, f"{what}padding")]
    return layer.node("Pad", [value, *constants], top)


def _behind(made: Shape, missing: Shape, window: Windows, sizes: Shape) -> NDArray[Any]:
    """What Caffe divides the sum of a window behind the map by, which is 0 or less; 1 for windows that meet the map."""
    lengths = []
    for number, kernel, stride, size in zip(made, window.kernel, window.stride, sizes, strict=True):
        starts = np.arange(number) * stride
        lengths.append(np.minimum(starts + kernel, size) - starts)
    divisor = np.multiply.outer(*lengths).astype(np.float32)
    divisor[: made[0] - missing[0], : made[1] - missing[1]] = 1
    return divisor


def _weighted(layer: Layer, mean: str, squares: str, top: str | None) -> str:
    """The mean of a window's numbers weighted by themselves, 0 where their sum is not above 0."""
    zero = layer.constant(0.0, "zero")
    positive = layer.node("Greater", [mean, zero])
    return layer.node("Where", [positive, layer.node("Div", [squares, mean]), zero], top)


@EMITTERS.register("SPP")
def spp(layer: Layer) -> None:
    """Levels of 1, 4, 16, ... bins, flattened and joined; a single level keeps four axes. Caffe: spp_layer.cpp."""
    options = layer.parameter.spp_param
    method = _method(layer, options)
    if options.pyramid_height == 1:
        _whole(layer, method, layer.tops[0])
        return
    sizes = layer.row.bottom_shapes[0][2:]
    levels = [_whole(layer, method, None)]
    for level in range(1, options.pyramid_height):
        levels.append(_pool(layer, method, spp_windows(level, sizes), True, (), f"level{level}."))
    layer.node("Concat", [layer.node("Flatten", [level], axis=1) for level in levels], layer.tops[0], axis=1)
