"""Operators that sum, average or take the greatest over axes: ReduceMean, ReduceMax and their like."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from converters.onnx.network import Network
from converters.onnx.operators.blocks import (
    along,
    difference,
    marked,
    negated,
    powered,
    product,
    reshaped,
    total,
    turned,
    upright,
)
from converters.onnx.operators.readers import OPERATORS, Call
from converters.onnx.values import Tensor
from prototxt_gen.errors import UnsupportedError, need
from prototxt_gen.layers import Shape


def kept(shape: Shape, axes: Sequence[int]) -> Shape:
    """The shape with ones in the place of the axes."""
    return tuple(1 if axis in axes else size for axis, size in enumerate(shape))


def summed(
    net: Network, x: Tensor, axes: Sequence[int], *, mean: bool = False, squares: bool = False, factor: float = 1
) -> Tensor:
    """The sum, or mean, of the numbers, or of their squares, times a factor, over axes that stay with size 1.

    Over the map's axes of four it is Pooling, over the last axes Reduction, over others a Convolution by ones.
    """
    axes = [axis for axis in axes if x.shape[axis] > 1]
    shape = kept(x.shape, axes)
    numbers = prod(x.shape[axis] for axis in axes)
    share = factor / numbers if mean else factor
    start = len(x.shape) - len(axes)
    if axes and axes == list(range(start, len(x.shape))) and (squares or not _is_map(x, axes)):
        options: dict[str, Any] = {"operation": "SUMSQ" if squares else "SUM", "axis": start, "coeff": share}
        return reshaped(net, net.layer("Reduction", [x], suffix="sum", reduction_param=_lean(options)), shape)
    if squares:
        x = powered(net, x, 2, suffix="squares")
    if not axes:
        return powered(net, x, scale=factor, suffix="factor")
    if _is_map(x, axes):
        y = net.layer("Pooling", [x], suffix="mean", pooling_param={"pool": "AVE", **_window(x, axes)})
        return powered(net, y, scale=share * numbers, suffix="factor")
    run = _last_run(axes)
    rest = [axis for axis in axes if axis not in run]
    size = prod(x.shape[axis] for axis in run)
    y = reshaped(net, x, (*x.shape[: run[0]], size, *x.shape[run[-1] + 1 :]))
    matrix = np.full((1, size), share, np.float32)
    y = reshaped(net, along(net, y, run[0], matrix, suffix="sum", fixed=True), kept(x.shape, run))
    return summed(net, y, rest)


def _lean(options: dict[str, Any]) -> dict[str, Any]:
    defaults = {"operation": "SUM", "axis": 0, "coeff": 1}
    return {name: value for name, value in options.items() if value != defaults[name]}


def _is_map(x: Tensor, axes: Sequence[int]) -> bool:
    return len(x.shape) == 4 and min(axes, default=0) >= 2


def _window(x: Tensor, axes: Sequence[int]) -> dict[str, Any]:
    """The window of a Pooling over some of the map's axes."""
    if all(axis in axes or x.shape[axis] == 1 for axis in (2, 3)):
        return {"global_pooling": True}
    return {"kernel_h": x.shape[2] if 2 in axes else 1, "kernel_w": x.shape[3] if 3 in axes else 1}


def _last_run(axes: Sequence[int]) -> list[int]:
    """The last axes of these that lie side by side."""
    start = len(axes) - 1
    while start and axes[start - 1] == axes[start] - 1:
        start -= 1
    return list(axes[start:])


def greatest(net: Network, x: Tensor, axes: Sequence[int]) -> Tensor:
    """The greatest over axes that stay with size 1: a Pooling over them, side by side as the height of a map."""
    axes = [axis for axis in axes if x.shape[axis] > 1]
    if not axes:
        return x
    if _is_map(x, axes):
        return net.layer("Pooling", [x], suffix="max", pooling_param={"pool": "MAX", **_window(x, axes)})
    run = _last_run(axes)
    y = reshaped(net, x, _columns(x.shape, run))
    y = net.layer("Pooling", [y], suffix="max", pooling_param={"pool": "MAX", "kernel_h": y.shape[2], "kernel_w": 1})
    return greatest(net, reshaped(net, y, kept(x.shape, run)), [axis for axis in axes if axis not in run])


def _columns(shape: Shape, run: Sequence[int]) -> Shape:
    """Four axes, of which the third has the numbers of the axes `run`."""
    before, inside, behind = shape[: run[0]], shape[run[0] : run[-1] + 1], shape[run[-1] + 1 :]
    return (shape[0] if before else 1, prod(before[1:]), prod(inside), prod(behind))


def multiplied(net: Network, x: Tensor, axes: Sequence[int]) -> Tensor:
    """The product over axes that stay with size 1: slices, multiplied."""
    axes = [axis for axis in axes if x.shape[axis] > 1]
    if not axes:
        return x
    run = _last_run(axes)
    size = prod(x.shape[axis] for axis in run)
    y = reshaped(net, x, (*x.shape[: run[0]], size, *x.shape[run[-1] + 1 :]))
    parts = net.tops("Slice", [y], size, suffix="parts", slice_param={"axis": run[0]})
    y = net.layer("Eltwise", parts, suffix="product", eltwise_param={"operation": "PROD"})
    return multiplied(net, reshaped(net, y, kept(x.shape, run)), [axis for axis in axes if axis not in run])


def log_sum_exp(net: Network, x: Tensor, axes: Sequence[int]) -> Tensor:
    """log(sum(exp(x))) over axes that stay with size 1, with the greatest taken out, so that nothing overflows."""
    top = greatest(net, x, axes)
    powers = net.layer("Exp", [difference(net, x, top, "below")], suffix="exp")
    return total(net, net.layer("Log", [summed(net, powers, axes)], suffix="log"), top, "both")


def reduced_axes(call: Call, x: Tensor) -> list[int] | None:
    """The axes of a reduction, in order; None where the node says that without axes nothing is reduced."""
    stated = call.numbers(1, "axes")
    if not stated:
        return None if call.attribute("noop_with_empty_axes", 0) else list(range(len(x.shape)))
    rank = len(x.shape)
    need(all(-rank <= axis < rank for axis in stated), f"axes {stated} of shape {x.shape}")
    return sorted({axis % rank for axis in stated})


@OPERATORS.register(
    "ReduceMean",
    "ReduceSum",
    "ReduceMax",
    "ReduceMin",
    "ReduceL1",
    "ReduceL2",
    "ReduceSumSquare",
    "ReduceLogSum",
    "ReduceLogSumExp",
    "ReduceProd",
)
def reduce(call: Call, net: Network) -> Tensor:
    """One number for all that lie on the axes; with keepdims they stay, with size 1."""
    x, kind = call.tensor(0), call.operator.removeprefix("Reduce")
    axes = reduced_axes(call, x)
    need(not (x.whole and kind not in ("Sum", "Max", "Min")), f"{kind} of whole numbers; Caffe has floats only")
    if axes is None:
        axes = []
        if kind in ("Mean", "Sum", "Max", "Min", "Prod"):
            return x
    blob, order = upright(x)
    y = turned(net, _reduced(net, blob, sorted(order[axis] for axis in axes), kind), order)
    if not call.attribute("keepdims", 1):
        y = reshaped(net, y, tuple(size for axis, size in enumerate(x.shape) if axis not in axes), "")
    return marked(y, x.whole)


def _reduced(net: Network, x: Tensor, axes: list[int], kind: str) -> Tensor:
    match kind:
        case "Mean":
            return summed(net, x, axes, mean=True)
        case "Sum":
            return summed(net, x, axes)
        case "SumSquare":
            return summed(net, x, axes, squares=True)
        case "L2":
            return powered(net, summed(net, x, axes, squares=True), 0.5)
        case "L1":
            return summed(net, net.layer("AbsVal", [x], suffix="abs"), axes)
        case "LogSum":
            return net.layer("Log", [summed(net, x, axes)])
        case "LogSumExp":
            return log_sum_exp(net, x, axes)
        case "Prod":
            return multiplied(net, x, axes)
        case "Max":
            return greatest(net, x, axes)
        case "Min":
            return negated(net, greatest(net, negated(net, x), axes), "")
    raise UnsupportedError(f"no reduction {kind}")


@OPERATORS.register("CumSum")
def cumulative_sum(call: Call, net: Network) -> Tensor:
    """The sum of the numbers up to each, along an axis: a triangular matrix."""
    x, axis = call.tensor(0), call.numbers(1)
    need(axis is not None and len(axis) == 1 and -len(x.shape) <= axis[0] < len(x.shape), f"axis {axis}")
    assert axis is not None
    place = axis[0] % len(x.shape)
    size = x.shape[place]
    x, order = upright(x)
    matrix = np.tri(size, size, -1 if call.attribute("exclusive", 0) else 0, np.float32)
    if call.attribute("reverse", 0):
        matrix = matrix[::-1, ::-1]
    return turned(net, marked(along(net, x, order[place], matrix, fixed=True), x.whole), order)


def centred(net: Network, x: Tensor, axes: Sequence[int], eps: float, *, mean: bool = True) -> Tensor:
    """(x - mean) / sqrt(variance + eps) over some axes; without `mean`, x / sqrt(mean of squares + eps).

    Over the last axes Reduction leaves those before, which Bias and Scale take from axis 0 on.
    """
    start = len(x.shape) - len(axes)
    if list(axes) != list(range(start, len(x.shape))):
        if mean:
            x = total(net, x, summed(net, x, axes, mean=True, factor=-1), "centred")
        squares = summed(net, x, axes, mean=True, squares=True)
        return product(net, x, powered(net, squares, -0.5, shift=eps, suffix="factor"), "normalized")
    axis = {"axis": start} if start else {}
    if mean:
        middle = net.layer("Reduction", [x], suffix="mean", reduction_param={"operation": "MEAN", "coeff": -1, **axis})
        x = net.layer("Bias", [x, middle], suffix="centred", bias_param={"axis": 0})
    options = {"operation": "SUMSQ", "coeff": 1 / prod(x.shape[start:]), **axis}
    variance = net.layer("Reduction", [x], suffix="variance", reduction_param=options)
    factor = powered(net, variance, -0.5, shift=eps, suffix="factor")
    return net.layer("Scale", [x, factor], suffix="normalized", scale_param={"axis": 0})
