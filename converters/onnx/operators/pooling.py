"""MaxPool, AveragePool, LpPool, and pooling of the whole map.

Caffe's Pooling has two axes, pads both sides alike, rounds sizes up unless `round_mode` says otherwise, and has no
dilation. Other numbers of axes are pooled one after another, since maxima and means are. Windows that Caffe does not
have are written by the nearest that it has and a cut; where there are none, maxima pool the windows' numbers, which
a linear map lays side by side, and means are linear maps themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from math import prod
from typing import Literal, TypeAlias

import numpy as np

from converters.onnx.moving import views
from converters.onnx.network import Network
from converters.onnx.operators.readers import OPERATORS, Call
from converters.onnx.operators.windows import Axis, cut, spatial, unpadded, window_axes, write_steps
from converters.onnx.values import Constant, Tensor
from prototxt_gen.errors import NetworkError, need
from prototxt_gen.layers.pooling import pooled_sizes
from prototxt_gen.layers.windows import Windows, spatial_options
from prototxt_gen.stock import MOST_FACTORS, along_axes

Method: TypeAlias = Literal["MAX", "AVE"]
Pair: TypeAlias = Callable[[Tensor, "list[Axis]", str], Tensor]


@OPERATORS.register("MaxPool")
def max_pool(call: Call, net: Network) -> Tensor:
    """The largest number of each window (ONNX: MaxPool). Padding is never the largest."""
    need(len(call.node.outputs) < 2 or not call.node.outputs[1], "its second output: Caffe counts places in each plane")
    bottom, axes = _windows(call, net)
    inner, windows = unpadded(net, bottom, axes)
    # A border of zeros changes no maximum where there is nothing below 0, as behind ReLU.
    if inner is not bottom and _is_positive(net, inner) and _all_meet(windows):
        bottom, axes = inner, windows

    def pair(value: Tensor, two: list[Axis], suffix: str) -> Tensor:
        held = _held(two, "MAX", net.options.round_mode)
        if held is None:
            picks = {place: _side_by_side(axis) for place, axis in enumerate(two, 2) if _must_gather(axis)}
            value = write_steps(net, value, along_axes(value.shape, picks), "windows", last=False)
            two = [_gathered(axis) if _must_gather(axis) else axis for axis in two]
            held = _held(two, "MAX", net.options.round_mode)
            assert held is not None
        return _pooling(net, value, two, "MAX", held, suffix)

    return _by_pairs(net, bottom, axes, pair)


@OPERATORS.register("AveragePool")
def average_pool(call: Call, net: Network) -> Tensor:
    """The mean of each window (ONNX: AveragePool), over the numbers in the map, or in it and its padding."""
    padded = bool(call.attribute("count_include_pad", 0))
    bottom, axes = _windows(call, net)
    if padded:
        axes = [replace(axis, counted=(axis.begin, axis.margin)) for axis in axes]
    bottom, axes = unpadded(net, bottom, axes)
    if any(axis.dilation > 1 or not _is_mean(axis, net.options.round_mode) for axis in axes):
        matrices = {place: _taps(axis) / _divisors(axis)[:, None] for place, axis in enumerate(axes, 2)}
        return write_steps(net, bottom, along_axes(bottom.shape, matrices), "mean")

    def pair(value: Tensor, two: list[Axis], suffix: str) -> Tensor:
        held = _held(two, "AVE", net.options.round_mode)
        assert held is not None
        pads, firsts, _, _ = held
        factors = np.ones(())
        for axis, pad, first in zip(two, pads, firsts, strict=True):
            # Caffe counts its padding, and nothing behind it (Caffe: pooling_layer.cpp).
            caffes = _divisors(replace(axis, begin=pad, outputs=first + axis.outputs, counted=(pad, pad)))[first:]
            factors = factors[..., None] * (caffes / _divisors(axis))
        exact = bool((factors == 1).all())
        made = _pooling(net, value, two, "AVE", held, suffix if exact else f"{suffix}_mean" if suffix else "mean")
        return made if exact else scaled(net, made, factors, suffix)

    return _by_pairs(net, bottom, axes, pair)


@OPERATORS.register("LpPool")
def lp_pool(call: Call, net: Network) -> Tensor:
    """The p-norm of each window (ONNX: LpPool): powers, their sum by a linear map, its root."""
    norm = call.attribute("p", 2)
    bottom, axes = _windows(call, net)
    value = _powers(net, bottom, norm)
    sums = along_axes(bottom.shape, {place: _taps(axis) for place, axis in enumerate(axes, 2)})
    return _root(net, write_steps(net, value, sums, "sum", last=norm == 1), norm, 1)


@OPERATORS.register("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
def global_pool(call: Call, net: Network) -> Tensor:
    """The mean, the largest number or the p-norm of each map (ONNX: GlobalAveragePool, ...)."""
    bottom = call.tensor(0)
    axes = len(bottom.shape) - 2
    need(axes > 0, f"an input of {bottom.shape}, without a map")
    method: Method = "MAX" if call.operator == "GlobalMaxPool" else "AVE"
    norm = call.attribute("p", 2) if call.operator == "GlobalLpPool" else 0
    value = _powers(net, bottom, norm) if norm else bottom
    if axes != 2:
        value = _reshape(net, value, (0, 0, *([1, -1] if axes == 1 else [bottom.shape[2], -1])), "map")
    param = {"pool": method, "global_pooling": True}
    made = net.layer("Pooling", [value], suffix="mean" if norm else "" if axes == 2 else "pool", pooling_param=param)
    if norm:
        made = _root(net, made, norm, prod(bottom.shape[2:]), last=axes == 2)
    return made if axes == 2 else _reshape(net, made, (0, 0, *(1,) * axes), "")


def scaled(net: Network, value: Tensor, factors: Constant, suffix: str) -> Tensor:
    """The value's maps times one map of factors."""
    param = {"axis": 2, "num_axes": factors.ndim}
    return net.layer("Scale", [value], blobs=[factors], suffix=suffix, fixed=True, scale_param=param)


def _windows(call: Call, net: Network) -> tuple[Tensor, list[Axis]]:
    bottom = views.as_map(net, call.tensor(0))
    axes = len(bottom.shape) - 2
    need(axes > 0, f"an input of {bottom.shape}, without a map")
    need(call.attribute("kernel_shape") is not None, "no kernel_shape")
    kernel, dilations = spatial(call, "kernel_shape", axes), spatial(call, "dilations", axes)
    made = window_axes(call, bottom.shape[2:], kernel, bool(call.attribute("ceil_mode", 0)))
    if call.attribute("auto_pad", "NOTSET").startswith("SAME"):
        dilated = any(size > 1 and step > 1 for size, step in zip(kernel, dilations, strict=True))
        # A padding of -1, halved, is none.
        short = any(axis.end < -1 for axis in made)
        need(not dilated and not short, "auto_pad with dilations, or strides longer than the windows: runtimes differ")
    return bottom, made


def _powers(net: Network, value: Tensor, norm: int) -> Tensor:
    need(norm > 0, f"p {norm}")
    if norm % 2:
        value = net.layer("AbsVal", [value], suffix="abs")
    return value if norm == 1 else net.layer("Power", [value], suffix="power", power_param={"power": norm})


def _root(net: Network, value: Tensor, norm: int, scale: float, last: bool = True) -> Tensor:
    param = {name: number for name, number in (("power", 1 / norm), ("scale", scale)) if number != 1}
    return net.layer("Power", [value], suffix="" if last else "root", power_param=param) if param else value


def _reshape(net: Network, value: Tensor, sizes: Sequence[int], suffix: str) -> Tensor:
    return net.layer("Reshape", [value], suffix=suffix, reshape_param={"shape": {"dim": list(sizes)}})


def _by_pairs(net: Network, bottom: Tensor, axes: list[Axis], pair: Pair) -> Tensor:
    """Pools any number of axes by pooling two: a line is a map of height 1, further axes follow one by one."""
    if len(axes) == 2:
        return pair(bottom, axes, "")
    _, channels, *sizes = bottom.shape
    if len(axes) == 1:
        line = Axis(1, 1, 1, 1, 0, 1)
        made = pair(_reshape(net, bottom, (0, 0, 1, -1), "map"), [line, *axes], "pool")
        return _reshape(net, made, (0, 0, -1), "")
    turns = [[place, place + 1] for place in (len(axes) - 2,)] + [[place] for place in range(len(axes) - 2)]
    value = bottom
    for turn in turns:
        if all(axes[place].trivial for place in turn):
            continue
        before = channels * prod(sizes[: turn[0]])
        rest = [sizes[turn[1]]] if len(turn) == 2 else [prod(sizes[turn[0] + 1 :])]
        value = _reshape(net, value, (0, before, sizes[turn[0]], *rest), f"map_{turn[0]}")
        two = [axes[place] for place in turn]
        if len(turn) == 1:
            two.append(Axis(rest[0], 1, 1, 1, 0, rest[0]))
        value = pair(value, two, f"pool_{turn[0]}")
        for place in turn:
            sizes[place] = axes[place].outputs
    return _reshape(net, value, (0, channels, *sizes), "")


Held: TypeAlias = tuple[tuple[int, ...], tuple[int, ...], bool, tuple[int, ...]]
"""Padding; how many windows come before the operator's; whether sizes round down; the sizes of Caffe's map."""


def _held(axes: list[Axis], method: Method, round_mode: bool) -> Held | None:
    """Two axes in Caffe's terms, with as little beside the wanted windows as can be; None where Caffe has none."""
    if any(axis.dilation > 1 and axis.kernel > 1 for axis in axes):
        return None
    found: list[tuple[tuple[int, int, bool], Held]] = []
    choices = [range(axis.begin, max(axis.kernel, 1), axis.stride) for axis in axes]
    sizes = tuple(axis.size for axis in axes)
    kernel, stride = tuple(axis.kernel for axis in axes), tuple(axis.stride for axis in axes)
    for pads in product(*([*choice[:2], *choice[-1:]] for choice in choices)):
        firsts = tuple((pad - axis.begin) // axis.stride for pad, axis in zip(pads, axes, strict=True))
        for floor in (False, True) if round_mode else (False,):
            try:
                made = pooled_sizes(sizes, Windows(1, kernel, stride, pads, (1, 1)), floor)
            except NetworkError:
                continue
            wanted = [first + axis.outputs for first, axis in zip(firsts, axes, strict=True)]
            if all(size >= least for size, least in zip(made, wanted, strict=True)):
                cuts = sum(first > 0 or size > least for first, size, least in zip(firsts, made, wanted, strict=True))
                found.append(((cuts, prod(made), floor), (pads, firsts, floor, made)))
    return min(found)[1] if found else None


def _is_mean(axis: Axis, round_mode: bool) -> bool:
    """Whether Caffe has the windows, each with a number: what lies wholly behind its padding it divides by nothing."""
    held = _held([axis, axis], "AVE", round_mode)
    if held is None:
        return False
    (pad, _), (first, _), _, _ = held
    windows = replace(axis, begin=pad, outputs=first + axis.outputs)
    places = _places(windows)
    return bool(((places >= -pad) & (places < axis.size + pad)).any(1).all())


def _pooling(net: Network, value: Tensor, axes: list[Axis], method: Method, held: Held, suffix: str) -> Tensor:
    pads, firsts, floor, made = held
    parts = {place: (first, axis.outputs) for place, (first, axis) in enumerate(zip(firsts, axes, strict=True), 2)}
    cuts = any(part != (0, size) for part, size in zip(parts.values(), made, strict=True))
    sizes = spatial_options(kernel_size=[axis.kernel for axis in axes], stride=[axis.stride for axis in axes], pad=pads)
    # Caffe's Pooling states one number for all axes, or one for each by name.
    sizes = {name: size[0] if isinstance(size, list) else size for name, size in sizes.items()}
    param = {"pool": method, **sizes, **({"round_mode": "FLOOR"} if floor else {})}
    name = f"{suffix}_padded" if suffix else "padded"
    top = net.layer("Pooling", [value], suffix=name if cuts else suffix, pooling_param=param)
    wanted = tuple(axis.outputs for axis in axes)
    return cut(net, top, parts, like=value if value.shape[2:] == wanted else None, suffix=suffix)


def _check_size(factors: int) -> None:
    need(factors <= MOST_FACTORS, f"windows of {factors} numbers along one axis, expected at most {MOST_FACTORS}")


def _taps(axis: Axis) -> Constant:
    """(outputs, size): 1 where a window has a number of the map."""
    _check_size(axis.outputs * axis.size)
    made = np.zeros((axis.outputs, axis.size))
    places, inside = _places(axis), _inside(axis)
    rows = np.broadcast_to(np.arange(axis.outputs)[:, None], places.shape)
    made[rows[inside], places[inside]] = 1
    return made


def _places(axis: Axis) -> Constant:
    """(outputs, kernel): where the windows' numbers lie; less than 0, or the size and more, in the padding."""
    _check_size(axis.outputs * axis.kernel)
    starts = np.arange(axis.outputs) * axis.stride - axis.begin
    return starts[:, None] + np.arange(axis.kernel) * axis.dilation


def _divisors(axis: Axis) -> Constant:
    """How many numbers of each window a mean counts."""
    places, (before, behind) = _places(axis), axis.counted
    numbers = ((places >= -before) & (places < axis.size + behind)).sum(1)
    need(bool((numbers > 0).all()), "a window without a number")
    return numbers


def _is_positive(net: Network, value: Tensor) -> bool:
    """Whether the layer that makes the blob makes nothing below 0."""
    made = next((layer for layer in reversed(net.net.layer) if value.blob in layer.top), None)
    if value.view is not None or made is None:
        return False
    if made.type == "ReLU":
        return made.relu_param.negative_slope == 0
    if made.type == "Clip":
        return made.clip_param.min >= 0
    return made.type in ("ReLU6", "Sigmoid", "Softmax")


def _all_meet(axes: Sequence[Axis]) -> bool:
    """Whether every window has a number of the map."""
    return all(bool(_inside(axis).any(1).all()) for axis in axes)


def _inside(axis: Axis) -> Constant:
    """(outputs, kernel): which of the windows' numbers are in the map."""
    places = _places(axis)
    return (places >= 0) & (places < axis.size)


def _must_gather(axis: Axis) -> bool:
    line = Axis(1, 1, 1, 1, 0, 1)
    return _held([axis, line], "MAX", True) is None


def _side_by_side(axis: Axis) -> Constant:
    """(outputs * kernel, size): the windows one after another; what lies in the padding is another number of theirs."""
    places, inside = _places(axis), _inside(axis)
    need(bool(inside.any(1).all()), "a window without a number, whose maximum Caffe has not")
    _check_size(axis.outputs * axis.kernel * axis.size)
    first = places[np.arange(axis.outputs), inside.argmax(1)]
    return np.eye(axis.size)[np.where(inside, places, first[:, None]).ravel()]


def _gathered(axis: Axis) -> Axis:
    return Axis(axis.outputs * axis.kernel, axis.kernel, axis.kernel, 1, 0, axis.outputs)
