"""Nodes whose inputs are all constants, computed while a network is read: shape arithmetic, and weights made of others.

The numbers are those of onnx.reference, ONNX's own definition of its operators. Only operators are computed whose
result can be measured beforehand, so that a small file cannot ask for much memory or time.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from converters.onnx.models.budget import Budget
from converters.onnx.models.model import Node
from converters.onnx.values import Constant
from prototxt_gen.errors import UnsupportedError, need

_MOST_WORK = 2**35
_MOST_STEPS = 2**20

# Those that onnx.reference computes number by number.
_SLOW = frozenset(
    {"Compress", "CumSum", "GatherElements", "GatherND", "OneHot", "ScatterElements", "ScatterND", "TopK"}
)

# The result has at most as many numbers as all inputs together. Softmax is not here: onnx.reference knows only its
# meaning since opset 13.
_NO_LARGER = """
Abs Acos Acosh ArgMax ArgMin Asin Asinh Atan Atanh Cast CastLike Ceil Celu Clip Compress Concat Cos Cosh CumSum
DepthToSpace DequantizeLinear Elu Erf Exp Flatten Floor HardSigmoid HardSwish Identity IsInf IsNaN LeakyRelu Log
Mish Neg Not QuantizeLinear Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean
ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Round ScatterElements ScatterND Selu Shape Sigmoid
Sign Sin Sinh Size Slice Softplus Softsign SpaceToDepth Split Sqrt Squeeze Tan Tanh ThresholdedRelu TopK
Transpose Trilu Unsqueeze
""".split()  # noqa: SIM905  # as a list it would take a hundred lines

# Inputs are broadcast to one shape.
_BROADCAST = """
Add And BitShift BitwiseAnd BitwiseOr BitwiseXor Div Equal Greater GreaterOrEqual Less LessOrEqual Max Mean Min Mod Mul
Or PRelu Pow Sub Sum Where Xor
""".split()  # noqa: SIM905

# Whole numbers that grow: numpy would wrap them around without a word.
_GROWING: Mapping[str, Callable[..., Any]] = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mul": operator.mul,
    "Pow": operator.pow,
    "ReduceSum": np.sum,
    "ReduceProd": np.prod,
}


def can_fold(node: Node) -> bool:
    """Whether the node is computed here when its inputs are constants."""
    return not node.domain and (node.operator == "Constant" or node.operator in _SIZES)


def folded(node: Node, inputs: Sequence[Constant | None], opset: int, budget: Budget) -> list[Constant]:
    """The node's outputs. UnsupportedError where it cannot be computed, where the result is too large, and where whole
    numbers leave their type's range.
    """
    if node.operator == "Constant":
        return [_constant(node)]
    given = [value for value in inputs if value is not None]
    try:
        steps = sum(value.size for value in given)
        need(node.operator not in _SLOW or steps <= _MOST_STEPS, f"takes {steps:,} numbers, too many to do so here")
        budget.take(_SIZES[node.operator](node, given))
        _check_range(node.operator, given)
        made = _computed(node, inputs, opset)
    except UnsupportedError:
        raise
    except Exception as fault:  # numpy and onnx.reference have many kinds for inputs that do not fit
        why = str(fault).partition("\n")[0][:200] or type(fault).__name__
        raise UnsupportedError(f"cannot be computed from its constants: {why}") from fault
    need(all(isinstance(one, (np.ndarray, np.generic)) for one in made), "makes something else than tensors")
    arrays = [np.asarray(one) for one in made]
    need(all(array.dtype.kind in "fiub" for array in arrays), "makes numbers of a type that no blob of Caffe can hold")
    return [array.astype(np.float32) if array.dtype == np.float16 else array for array in arrays]


def _constant(node: Node) -> Constant:
    """ONNX: Constant, whose value is one of several attributes."""
    for name, value in node.attributes.items():
        if name == "value" and isinstance(value, np.ndarray):
            return value
        if name in ("value_float", "value_floats"):
            return np.array(value, np.float32)
        if name in ("value_int", "value_ints"):
            return np.array(value, np.int64)
    raise UnsupportedError("found no tensor or number, expected one as its value")


def _computed(node: Node, inputs: Sequence[Constant | None], opset: int) -> Sequence[Any]:
    from onnx import TensorProto, helper
    from onnx.reference import ReferenceEvaluator

    if node.operator == "Range":  # there a loop in Python
        start, limit, delta = (value.reshape(())[()] for value in inputs if value is not None)
        return [start + np.arange(max(0, int(np.ceil((limit - start) / delta))), dtype=start.dtype) * delta]
    names = ["" if value is None else f"x{place}" for place, value in enumerate(inputs)]
    outputs = [f"y{place}" if name else "" for place, name in enumerate(node.outputs)]
    attributes = {name: _message(value) for name, value in node.attributes.items()}
    proto = helper.make_node(node.operator, names, outputs, **attributes)

    def declared(texts: Sequence[str]) -> list[Any]:
        return [helper.make_tensor_value_info(text, TensorProto.UNDEFINED, None) for text in texts if text]

    graph = helper.make_graph([proto], "node", declared(names), declared(outputs))
    if node.operator == "DequantizeLinear":  # which means the same in all opsets, and has no form before 19 there
        opset = max(opset, 19)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    feeds = {f"x{place}": value for place, value in enumerate(inputs) if value is not None}
    with np.errstate(all="ignore"):
        found = iter(ReferenceEvaluator(model).run(None, feeds))
    return [next(found) if name else np.zeros(0, np.float32) for name in outputs]


def _message(value: Any) -> Any:
    from onnx import numpy_helper

    return numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value


def _check_range(name: str, inputs: Sequence[Constant]) -> None:
    """UnsupportedError where whole numbers leave int64 or whatever type they have."""
    if name not in _GROWING or not inputs or inputs[0].dtype.kind not in "iu" or not all(one.size for one in inputs):
        return
    limits = np.iinfo(inputs[0].dtype)
    exact = [np.abs(one.astype(np.float64)) for one in inputs[: 1 if name.startswith("Reduce") else 2]]
    # An upper bound in floats first, since exact numbers of any size are slow.
    if name in ("Add", "Sub"):
        bound = exact[0].max() + exact[1].max()
    elif name == "Mul":
        bound = exact[0].max() * exact[1].max()
    elif name == "ReduceSum":
        bound = exact[0].sum()
    elif name == "ReduceProd":
        bound = np.prod(np.maximum(exact[0], 1))
    else:
        bound = np.maximum(exact[0].max(), 1) ** exact[1].max() if exact[1].max() < 2**10 else np.inf
    if bound < limits.max / 2 and not (name == "Sub" and limits.min == 0):
        return
    need(sum(one.size for one in inputs) <= 2**16 and np.isfinite(bound), "its whole numbers leave their range")
    numbers = [one.astype(object) for one in inputs]
    if name.startswith("Reduce"):
        made = np.array([_GROWING[name](numbers[0])], object)
    else:
        made = np.asarray(_GROWING[name](numbers[0], numbers[1]), object).reshape(-1)
    if min(made) < limits.min or max(made) > limits.max:
        raise UnsupportedError(f"its whole numbers leave the range of {inputs[0].dtype.name}: no shape is that large")


# ------------------------------------------------------------------------------------ how many numbers a result has

Measure = Callable[[Node, Sequence[Constant]], int]


def _no_larger(node: Node, inputs: Sequence[Constant]) -> int:
    return sum(max(one.size, 1) for one in inputs)


def _broadcast(node: Node, inputs: Sequence[Constant]) -> int:
    return prod(np.broadcast_shapes(*(one.shape for one in inputs)))


def _sizes(array: Constant) -> list[int]:
    need(array.size <= 64, f"found {array.size} numbers, expected a shape")
    return [int(number) for number in array.reshape(-1)]


def _filled(node: Node, inputs: Sequence[Constant]) -> int:
    return prod(max(size, 0) for size in _sizes(inputs[0]))


def _expanded(node: Node, inputs: Sequence[Constant]) -> int:
    shape = _sizes(inputs[1])
    need(all(0 <= size <= 2**31 for size in shape), f"found shape {shape}, expected sizes of 0 to 2^31")
    return prod(np.broadcast_shapes(inputs[0].shape, tuple(shape)))


def _tiled(node: Node, inputs: Sequence[Constant]) -> int:
    return inputs[0].size * prod(max(size, 0) for size in _sizes(inputs[1]))


def _padded(node: Node, inputs: Sequence[Constant]) -> int:
    shape = inputs[0].shape
    pads = _sizes(inputs[1]) if len(inputs) > 1 else [int(pad) for pad in node.attributes.get("pads", ())]
    return prod(size + abs(max(pads, key=abs, default=0)) * 2 for size in shape)


def _ranged(node: Node, inputs: Sequence[Constant]) -> int:
    start, limit, delta = (float(one.reshape(())) for one in inputs)
    need(bool(np.isfinite([start, limit, delta]).all()) and delta != 0, "found a step of 0, or no finite numbers")
    return max(0, int((limit - start) / delta) + 1)


def _gathered(node: Node, inputs: Sequence[Constant]) -> int:
    data, indices = inputs[0], inputs[1]
    axis = node.attributes.get("axis", 0)
    need(-data.ndim <= axis < data.ndim, f"axis: found {axis}, expected an axis of shape {data.shape}")
    return indices.size * prod(size for place, size in enumerate(data.shape) if place != axis % data.ndim)


def _gathered_elements(node: Node, inputs: Sequence[Constant]) -> int:
    return inputs[1].size


def _gathered_nd(node: Node, inputs: Sequence[Constant]) -> int:
    return prod(inputs[1].shape[:-1]) * prod(inputs[0].shape[1:])


def _multiplied(node: Node, inputs: Sequence[Constant]) -> int:
    one, other = inputs[0].shape or (1,), inputs[1].shape or (1,)
    batch = prod(np.broadcast_shapes(one[:-2], other[:-2]))
    return _of_product(batch * prod(one[-2:-1]), one[-1], other[-1] if len(other) > 1 else 1)


def _affine(node: Node, inputs: Sequence[Constant]) -> int:
    need(inputs[0].ndim == inputs[1].ndim == 2, "found inputs that are no matrices")
    one, other = inputs[0].shape, inputs[1].shape
    rows, shared = reversed(one) if node.attributes.get("transA") else one
    return _of_product(rows, shared, other[0] if node.attributes.get("transB") else other[1])


def _of_product(rows: int, shared: int, columns: int) -> int:
    need(rows * shared * columns <= _MOST_WORK, "multiplies matrices that are too large to do so here")
    return rows * columns


def _one_hot(node: Node, inputs: Sequence[Constant]) -> int:
    return inputs[0].size * max(0, int(inputs[1].reshape(-1)[0]))


def _places(node: Node, inputs: Sequence[Constant]) -> int:
    return inputs[0].size * inputs[0].ndim


_SIZES: Mapping[str, Measure] = {
    **dict.fromkeys(_NO_LARGER, _no_larger),
    **dict.fromkeys(_BROADCAST, _broadcast),
    "ConstantOfShape": _filled,
    "Expand": _expanded,
    "EyeLike": _no_larger,
    "Gather": _gathered,
    "GatherElements": _gathered_elements,
    "GatherND": _gathered_nd,
    "Gemm": _affine,
    "MatMul": _multiplied,
    "NonZero": _places,
    "OneHot": _one_hot,
    "Pad": _padded,
    "Range": _ranged,
    "Tile": _tiled,
}
"""Operator -> a bound for the numbers in its result."""
