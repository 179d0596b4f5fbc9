"""Layers that many operators are written with: Power, sums and products that broadcast, limits, maps along an axis.

Each function adds layers to what the current node becomes and returns the last one's top. ONNX broadcasts as numpy
does; Caffe's Scale and Bias take factors and summands that lie on a run of axes, Eltwise takes equal shapes only.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from math import inf
from typing import Any, TypeAlias

import numpy as np

from converters.onnx.moving import views
from converters.onnx.network import Network
from converters.onnx.operators.readers import Call
from converters.onnx.values import Constant, Tensor, ValueOf
from prototxt_gen.errors import UnsupportedError, need
from prototxt_gen.layers import Shape


def float_array(value: Any) -> Constant:
    """A constant as float32, which is all that Caffe's blobs hold. UnsupportedError for complex numbers and text."""
    array = np.asarray(value)
    need(array.dtype.kind in "biuf", f"a constant of type {array.dtype}, expected numbers")
    with np.errstate(over="ignore"):
        return array.astype(np.float32)


def number_of(value: Constant) -> float | None:
    """The number of a constant that has only one, else None."""
    return float(float_array(value).reshape(())) if np.size(value) == 1 else None


def is_whole(value: ValueOf) -> bool:
    """Whether ONNX has whole numbers, or truth values, here."""
    return value.whole if isinstance(value, Tensor) else np.asarray(value).dtype.kind in "biu"


def marked(value: Tensor, whole: bool) -> Tensor:
    """The tensor, known to hold whole numbers or not."""
    return value if value.whole == whole else dataclasses.replace(value, whole=whole)


def broadcast_shape(*shapes: Shape) -> Shape:
    """The shape that these broadcast to. UnsupportedError where they do not."""
    try:
        return tuple(int(size) for size in np.broadcast_shapes(*shapes))
    except ValueError:
        raise UnsupportedError(f"shapes that do not broadcast: {', '.join(map(str, shapes))}") from None


# --- shapes


def reshaped(net: Network, x: Tensor, shape: Shape, suffix: str = "reshaped") -> Tensor:
    """The tensor in another shape, as a view; `suffix` is for the layer that writes it, should one be needed."""
    return x if x.shape == shape else _named(net, views.reshaped(net, x, shape, f"shape {shape}"), suffix)


def expanded(net: Network, x: Tensor, shape: Shape, suffix: str = "tiled") -> Tensor:
    """The tensor repeated where `shape` is longer, as numpy's broadcast_to: a view."""
    return x if x.shape == shape else _named(net, views.expanded(net, x, shape, f"repeated to {shape}"), suffix)


def _named(net: Network, x: Tensor, suffix: str) -> Tensor:
    if x.view is None or not suffix:
        return x
    return dataclasses.replace(x, view=dataclasses.replace(x.view, stem=f"{net.stem}/{suffix}"))


def upright(x: Tensor) -> tuple[Tensor, tuple[int, ...]]:
    """A tensor, and the order in which its axes are those of x: the blob where x is a transposition, else x itself."""
    order = views.axis_order(x) if x.view is not None else None
    return (x, tuple(range(len(x.shape)))) if order is None else (views.base(x), order)


def turned(net: Network, x: Tensor, order: Sequence[int]) -> Tensor:
    """The tensor with its axes in another order, as a view."""
    return x if list(order) == sorted(order) else views.transposed(net, x, order, f"axes {tuple(order)}")


def turned_back(order: Sequence[int]) -> tuple[int, ...]:
    """The order that undoes an order."""
    return tuple(int(place) for place in np.argsort(order))


def pointwise(reader: PointReader) -> PointReader:
    """The reader of an operator that changes each number of its first input alone: it is applied below a view."""

    @functools.wraps(reader)
    def read(call: Call, net: Network) -> Tensor:
        x = call.tensor(0)
        if x.view is None:
            return reader(call, net)
        blob, wrap = views.through(net, x)
        return wrap(reader(dataclasses.replace(call, inputs=(blob, *call.inputs[1:])), net))

    return read


PointReader: TypeAlias = "Callable[[Call, Network], Tensor]"


# --- numbers by themselves


def powered(
    net: Network, x: Tensor, power: float = 1, *, scale: float = 1, shift: float = 0, suffix: str = ""
) -> Tensor:
    """(shift + scale * x) ^ power (Caffe: power_layer.cpp)."""
    stated = {"power": (power, 1), "scale": (scale, 1), "shift": (shift, 0)}
    options = {name: value for name, (value, default) in stated.items() if value != default}
    return net.layer("Power", [x], suffix=suffix, power_param=options) if options else x


def negated(net: Network, x: Tensor, suffix: str = "negated") -> Tensor:
    """-x."""
    return powered(net, x, scale=-1, suffix=suffix)


def filled(net: Network, x: Tensor, value: float, suffix: str = "constant") -> Tensor:
    """A blob of x's shape that holds one number. A Power by 0 does not look at x (Caffe: power_layer.cpp)."""
    return net.layer("Power", [x], suffix=suffix, power_param={"scale": 0, "shift": value})


def clipped(net: Network, x: Tensor, low: float = -inf, high: float = inf, suffix: str = "") -> Tensor:
    """At least `low`, at most `high`, which wins where it is the lower one, as ONNX's Clip has it.

    Caffe's Clip came with round_mode; before it a maximum with a constant is made of Power and Eltwise, exactly.
    """
    if low > high:
        return filled(net, x, high, suffix)
    if low == 0 and high == inf:
        return net.layer("ReLU", [x], suffix=suffix)
    if (low, high) == (0, 6) and net.options.dialect == "fork":
        return net.layer("ReLU6", [x], suffix=suffix)
    if (low, high) == (-inf, inf):
        return x
    if net.options.round_mode:
        return net.layer("Clip", [x], suffix=suffix, clip_param={"min": low, "max": high})
    y = x
    if low == 0:
        y = net.layer("ReLU", [y], suffix="relu")
    elif low != -inf:
        limit = filled(net, x, low, "low")
        y = net.layer(
            "Eltwise", [y, limit], suffix=suffix if high == inf else "above", eltwise_param={"operation": "MAX"}
        )
    if high != inf:
        limit = filled(net, x, -high, "high")
        y = negated(net, y)
        y = net.layer("Eltwise", [y, limit], suffix="below", eltwise_param={"operation": "MAX"})
        y = negated(net, y, suffix)
    return y


# --- sums and products


def affine(
    net: Network, x: Tensor, scale: Constant | None = None, shift: Constant | None = None, suffix: str = ""
) -> Tensor:
    """Scale * x + shift, either of which is any constant that broadcasts with x: Power, Scale or Bias."""
    given = {name: float_array(value) for name, value in (("scale", scale), ("shift", shift)) if value is not None}
    shape = broadcast_shape(x.shape, *(value.shape for value in given.values()))
    if x.view is not None:
        lean = views.unrepeated(net, x)
        if lean.shape != x.shape and broadcast_shape(lean.shape, *(value.shape for value in given.values())) != shape:
            return expanded(net, affine(net, lean, scale, shift, suffix), shape)
        if shape == x.shape:
            blob, wrap = views.through(net, x)
            moved = {name: views.below(x, value) for name, value in given.items()} if blob.blob == x.blob else {}
            if moved and all(moved[name].size <= value.size for name, value in given.items()):
                return wrap(affine(net, blob, moved.get("scale"), moved.get("shift"), suffix))
            x = net.plain(x)
    lined = {name: _lean(value, len(shape)) for name, value in given.items()}
    if all(value.size == 1 for value in lined.values()):
        numbers = {name: float(value.reshape(())) for name, value in lined.items()}
        y = powered(net, x, scale=numbers.get("scale", 1), shift=numbers.get("shift", 0), suffix=suffix)
        return expanded(net, y, shape)
    y = expanded(net, x, shape)
    axes = [axis for axis in range(len(shape)) if any(value.shape[axis] > 1 for value in lined.values())]
    start, stop = min(axes), max(axes) + 1
    blobs = {
        name: np.broadcast_to(value.reshape(tuple(value.shape[start:stop])), shape[start:stop])
        for name, value in lined.items()
    }
    stated = {"axis": start, "num_axes": stop - start}
    options: dict[str, Any] = {name: value for name, value in stated.items() if value != 1}
    if "scale" not in blobs:
        return net.layer("Bias", [y], blobs=[blobs["shift"]], suffix=suffix, bias_param=options)
    if "shift" in blobs:
        options["bias_term"] = True
    return net.layer("Scale", [y], blobs=list(blobs.values()), suffix=suffix, scale_param=options)


def _lean(value: Constant, axes: int) -> Constant:
    """The constant on `axes` axes, without repetitions: an axis along which it does not change has size 1.

    A constant on one axis alone stays as it is: it is a vector of factors, even if they are equal.
    """
    value = value.reshape((1,) * (axes - value.ndim) + value.shape)
    if sum(value.shape[axis] > 1 for axis in range(axes)) > 1:
        for axis in (0, *range(axes - 1, 0, -1)):
            first = value.take([0], axis)
            if np.array_equal(np.broadcast_to(first, value.shape), value):
                value = first
    return value


def product(net: Network, a: ValueOf, b: ValueOf, suffix: str = "") -> Tensor:
    """A * b."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return _joined(net, a, b, "Scale", suffix)
    x, factor = (a, b) if isinstance(a, Tensor) else (b, a)
    assert isinstance(x, Tensor) and not isinstance(factor, Tensor)
    return affine(net, x, scale=factor, suffix=suffix)


def total(net: Network, a: ValueOf, b: ValueOf, suffix: str = "") -> Tensor:
    """A + b."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return _joined(net, a, b, "Bias", suffix)
    x, summand = (a, b) if isinstance(a, Tensor) else (b, a)
    assert isinstance(x, Tensor) and not isinstance(summand, Tensor)
    return affine(net, x, shift=summand, suffix=suffix)


def difference(net: Network, a: ValueOf, b: ValueOf, suffix: str = "") -> Tensor:
    """A - b."""
    if not isinstance(b, Tensor):
        assert isinstance(a, Tensor)
        return affine(net, a, shift=-float_array(b), suffix=suffix)
    if not isinstance(a, Tensor):
        return affine(net, b, scale=np.float32(-1), shift=a, suffix=suffix)
    if a.shape == b.shape:
        blobs, wrap = views.common(net, [a, b])
        return wrap(weighted_sum(net, blobs, [1, -1], suffix))
    return total(net, a, negated(net, b), suffix)


def weighted_sum(net: Network, terms: Sequence[Tensor], factors: Sequence[float], suffix: str = "") -> Tensor:
    """The sum of tensors of one shape, each times its factor."""
    options: dict[str, Any] = (
        {} if all(factor == 1 for factor in factors) else {"eltwise_param": {"coeff": list(factors)}}
    )
    return net.layer("Eltwise", terms, suffix=suffix, **options)


def largest(net: Network, terms: Sequence[Tensor], suffix: str = "") -> Tensor:
    """The greatest of the tensors, which broadcast."""
    shape = broadcast_shape(*(term.shape for term in terms))
    same = [expanded(net, term, shape) for term in terms]
    if len(same) == 1:
        return same[0]
    blobs, wrap = views.common(net, same)
    return wrap(net.layer("Eltwise", blobs, suffix=suffix, eltwise_param={"operation": "MAX"}))


def _joined(net: Network, a: Tensor, b: Tensor, kind: str, suffix: str) -> Tensor:
    """The product (by Scale) or the sum (by Bias) of two tensors that broadcast.

    Where one has the shape of the result, the other is repeated only on axes between those that it has. Axis 0 counts
    as one that it has if it is of the batch: the layers hold for other batches then.
    """
    shape = broadcast_shape(a.shape, b.shape)
    if a.shape != b.shape:
        lean = [views.unrepeated(net, x) for x in (a, b)]
        if broadcast_shape(lean[0].shape, lean[1].shape) != shape:
            return expanded(net, _joined(net, lean[0], lean[1], kind, suffix), shape)
        a, b = lean
    axes = len(shape)
    options: dict[str, Any] = {"eltwise_param": {"operation": "PROD"}} if kind == "Scale" else {}
    if a.shape == b.shape:
        blobs, wrap = views.common(net, [a, b])
        return wrap(net.layer("Eltwise", blobs, suffix=suffix, **options))

    def missing(x: Tensor) -> int:
        own = (1,) * (axes - len(x.shape)) + x.shape
        return sum(old != new for old, new in zip(own, shape, strict=True))

    large, small = (a, b) if missing(a) <= missing(b) else (b, a)
    large = expanded(net, large, shape)
    own = (1,) * (axes - len(small.shape)) + small.shape
    if own == shape:
        return _joined(net, large, reshaped(net, small, shape), kind, suffix)
    blob, order = upright(large)
    if blob is not large:
        there = turned_back(order)
        small = turned(net, reshaped(net, small, own), there)
        return turned(net, _joined(net, blob, small, kind, suffix), order)
    options = {}
    taken = [axis for axis, size in enumerate(own) if size > 1]
    if len(small.shape) == axes and own[0] == shape[0]:
        taken.insert(0, 0)
    start, stop = (min(taken), max(taken) + 1) if taken else (0, 0)
    run = reshaped(net, small, own[start:stop])
    run = expanded(net, run, shape[start:stop])
    if run.shape == shape:
        return _joined(net, large, run, kind, suffix)
    if start != 1 and run.shape:
        options[f"{kind.lower()}_param"] = {"axis": start}
    return net.layer(kind, [large, run], suffix=suffix, **options)


def inverse(net: Network, x: Tensor, suffix: str = "inverse") -> Tensor:
    """1 / x."""
    return powered(net, x, -1, suffix=suffix)


def quotient(net: Network, a: ValueOf, b: ValueOf, suffix: str = "") -> Tensor:
    """A / b."""
    if isinstance(b, Tensor):
        if not isinstance(a, Tensor) and number_of(a) == 1:
            return expanded(net, inverse(net, b, suffix), broadcast_shape(a.shape, b.shape))
        return product(net, a, inverse(net, b), suffix)
    assert isinstance(a, Tensor)
    with np.errstate(all="ignore"):
        factor = np.float32(1) / float_array(b)
    need(bool(np.all(np.isfinite(factor))), "a division by a constant that is 0 or nearly 0")
    return affine(net, a, scale=factor, suffix=suffix)


# --- maps


def along(
    net: Network,
    x: Tensor,
    axis: int,
    matrix: Constant,
    bias: Constant | None = None,
    suffix: str = "",
    fixed: bool = False,
) -> Tensor:
    """The matrix (outputs, inputs) times x along one axis, plus a bias: InnerProduct, or Convolution with windows of 1.

    `fixed` says that the weights are not the network's own.
    """
    outputs, inputs = matrix.shape
    need(x.shape[axis] == inputs, f"a matrix for {inputs} numbers on axis {axis} of {x.shape}")
    behind = len(x.shape) - axis - 1
    blobs = [float_array(matrix), *([] if bias is None else [float_array(bias)])]
    options: dict[str, Any] = {"num_output": outputs}
    if axis != 1:
        options["axis"] = axis
    if bias is None:
        options["bias_term"] = False
    if behind == 0:
        return net.layer("InnerProduct", [x], blobs=blobs, suffix=suffix, fixed=fixed, inner_product_param=options)
    options["kernel_size"] = [1]
    blobs[0] = blobs[0].reshape(outputs, inputs, *(1,) * behind)
    return net.layer("Convolution", [x], blobs=blobs, suffix=suffix, fixed=fixed, convolution_param=options)
