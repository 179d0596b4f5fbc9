"""Nodes of constants are computed as onnxruntime computes them, within bounds of memory, and never wrap around."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from converters.onnx.models.budget import Budget  # noqa: E402
from converters.onnx.models.folding import can_fold, folded  # noqa: E402
from converters.onnx.models.model import model_of  # noqa: E402
from prototxt_gen.errors import UnsupportedError  # noqa: E402
from tests.converters.onnx.operators.checking import close, expected, model, node  # noqa: E402
from tests.work import at_most  # noqa: E402

RANDOM = np.random.default_rng(3)
WHOLE = np.array([[7, -7, 3], [0, 2, -5]])
REAL = RANDOM.normal(size=(2, 3)).astype(np.float32)
MORE = RANDOM.normal(size=(3, 2)).astype(np.float32)


def fold(one, *inputs, opset=17, budget=None):
    found = model_of(model(one, {}, {f"c{place}": value for place, value in enumerate(inputs)}, opset=opset))
    assert can_fold(found.nodes[0])
    values = [found.constants.get(name) for name in found.nodes[0].inputs]
    return folded(found.nodes[0], values, opset, budget or Budget(10**6))


CASES = {
    "add": (node("Add", "c0 c1"), WHOLE, np.array([1, 2, 3])),
    "truncated division": (node("Div", "c0 c1"), WHOLE, np.array([2, -2, -2])),
    "remainder": (node("Mod", "c0 c1"), WHOLE, np.array([2, -2, -2])),
    "where": (node("Where", "c0 c1 c2"), WHOLE > 0, WHOLE, np.array(9)),
    "equal": (node("Equal", "c0 c1"), WHOLE, np.array([7, -7, -5])),
    "greater or equal": (node("GreaterOrEqual", "c0 c1"), REAL, REAL[:1]),
    "concat": (node("Concat", "c0 c1", axis=-1), WHOLE, WHOLE),
    "gather": (node("Gather", "c0 c1", axis=1), REAL, np.array([[2, -1], [0, 1]])),
    "slice": (node("Slice", "c0 c1 c2 c3 c4"), REAL, np.array([-1]), np.array([-9]), np.array([1]), np.array([-2])),
    "split": (node("Split", "c0 c1", "y z", axis=1), REAL, np.array([1, 2])),
    "squeeze": (node("Squeeze", "c0"), REAL[:1]),
    "unsqueeze": (node("Unsqueeze", "c0 c1"), REAL, np.array([0, -1])),
    "reshape": (node("Reshape", "c0 c1"), REAL, np.array([0, -1, 1])),
    "transpose": (node("Transpose", "c0", perm=[1, 0]), REAL),
    "expand": (node("Expand", "c0 c1"), REAL[:, :1], np.array([4, 1, 3])),
    "tile": (node("Tile", "c0 c1"), REAL, np.array([2, 1])),
    "constant of shape": (node("ConstantOfShape", "c0"), np.array([2, 3])),
    "range": (node("Range", "c0 c1 c2"), np.array(9), np.array(-2), np.array(-3)),
    "real range": (node("Range", "c0 c1 c2"), np.float32(0), np.float32(1), np.float32(0.25)),
    "cast": (node("Cast", "c0", to=7), REAL * 9),
    "to half": (node("Cast", "c0", to=10), REAL * 9),
    "floor": (node("Floor", "c0"), REAL * 9),
    "round": (node("Round", "c0"), np.array([0.5, 1.5, -2.5, 2.4], np.float32)),
    "sum": (node("ReduceSum", "c0 c1", keepdims=0), WHOLE, np.array([1])),
    "product": (node("ReduceProd", "c0"), WHOLE[:1]),
    "norm": (node("ReduceL2", "c0", axes=[1]), REAL),
    "matmul": (node("MatMul", "c0 c1"), REAL, MORE),
    "gemm": (node("Gemm", "c0 c1 c2", transA=1, transB=1, alpha=0.5, beta=2.0), REAL, MORE, np.float32([1, 2, 3])),
    "dequantised": (node("DequantizeLinear", "c0 c1 c2", axis=0), WHOLE.astype(np.int8), REAL[:, 0], np.int8([1, 2])),
    "quantised": (node("QuantizeLinear", "c0 c1 c2"), REAL, np.float32(0.01), np.int8(3)),
    "pad": (node("Pad", "c0 c1"), REAL, np.array([1, 0, 0, 2])),
    "not zero": (node("NonZero", "c0"), WHOLE),
    "one hot": (node("OneHot", "c0 c1 c2"), np.array([0, 2]), np.array(4), np.array([0, 1], np.float32)),
    "scattered": (node("ScatterND", "c0 c1 c2"), REAL, np.array([[1]]), REAL[:1]),
    "sums so far": (node("CumSum", "c0 c1"), REAL, np.array(1)),
    "triangle": (node("Trilu", "c0"), REAL),
    "largest": (node("ArgMax", "c0", axis=1, keepdims=0), REAL),
    "k largest": (node("TopK", "c0 c1", "y z", axis=1), REAL, np.array([2])),
    "clip": (node("Clip", "c0 - c1"), REAL, np.float32(0.25)),
    "power": (node("Pow", "c0 c1"), WHOLE, np.array(3)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_as_onnxruntime_computes_it(name):
    one, *inputs = CASES[name]
    # onnxruntime wants an input: the constant is given to it as one.
    arrays = {f"c{place}": np.asarray(value) for place, value in enumerate(inputs)}
    wanted = expected(model(one, arrays), arrays)
    found = fold(one, *inputs)
    close(found, [top.astype(np.float32) if top.dtype == np.float16 else top for top in wanted])
    assert [top.dtype.kind for top in found] == [top.dtype.kind for top in wanted]


@pytest.mark.parametrize("value", [3, [1, 2], 0.5, np.arange(6).reshape(2, 3)])
def test_constants_of_every_spelling(value):
    if isinstance(value, np.ndarray):
        one = node("Constant", "", value=onnx.numpy_helper.from_array(value))
    else:
        kind = "float" if isinstance(value, float) else "ints" if isinstance(value, list) else "int"
        one = node("Constant", "", **{f"value_{kind}": value})
    np.testing.assert_array_equal(fold(one)[0], value)


@pytest.mark.parametrize("opset, one, inputs", [
    (11, node("Squeeze", "c0", axes=[0]), [REAL[:1]]),
    (11, node("Split", "c0", "y z", axis=1, split=[1, 2]), [REAL]),
    (9, node("Slice", "c0", starts=[1], ends=[3], axes=[1]), [REAL]),
    (7, node("Clip", "c0", min=0.0, max=0.5), [REAL]),
    (7, node("ReduceSum", "c0", axes=[1], keepdims=0), [REAL]),
    (7, node("Unsqueeze", "c0", axes=[0, 3]), [REAL]),
    (11, node("Pad", "c0 c1"), [REAL, np.array([1, 0, 0, 2])]),
])  # fmt: skip
def test_older_opsets(opset, one, inputs):
    arrays = {f"c{place}": value for place, value in enumerate(inputs)}
    close(fold(one, *inputs, opset=opset), expected(model(one, arrays, opset=opset), arrays))


HUGE = np.array([2**20, 2**20])
LARGE = [
    (node("ConstantOfShape", "c0"), [HUGE]),
    (node("Expand", "c0 c1"), [np.float32(1), HUGE]),
    (node("Tile", "c0 c1"), [REAL, HUGE]),
    (node("Range", "c0 c1 c2"), [np.array(0), np.array(2**40), np.array(1)]),
    (node("Range", "c0 c1 c2"), [np.float32(0), np.float32(1), np.float32(1e-30)]),
    (node("Add", "c0 c1"), [np.zeros((2**12, 1)), np.zeros((1, 2**12))]),
    (node("Pad", "c0 c1"), [REAL, np.array([0, 0, 2**40, 0])]),
    (node("MatMul", "c0 c1"), [np.zeros((2**12, 1)), np.zeros((1, 2**12))]),
    (node("Gemm", "c0 c1", transA=1), [np.zeros((1, 2**12)), np.zeros((1, 2**12))]),
    (node("Gather", "c0 c1"), [np.zeros((1, 2**12)), np.zeros(2**12, np.int64)]),
    (node("GatherND", "c0 c1"), [np.zeros((1, 2**12)), np.zeros((2**12, 1), np.int64)]),
    (node("OneHot", "c0 c1 c2"), [np.array([0, 2]), np.array(2**40), np.array([0, 1])]),
]


@pytest.mark.parametrize("one, inputs", LARGE, ids=lambda value: getattr(value, "op_type", ""))
def test_what_grows_beyond_the_file_is_refused_before_it_is_made(one, inputs):
    budget = Budget(10**6)
    tracemalloc.start()
    try:
        with at_most(1_000), pytest.raises(UnsupportedError, match="more than a file of this size may make"):
            fold(one, *inputs, budget=budget)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    assert budget.numbers == 10**6


def test_many_small_constants_come_to_an_end_as_well():
    budget = Budget(25)
    for _ in range(2):
        fold(node("ConstantOfShape", "c0"), np.array([3, 4]), budget=budget)
    with pytest.raises(UnsupportedError, match="takes 12 numbers"):
        fold(node("ConstantOfShape", "c0"), np.array([3, 4]), budget=budget)


@pytest.mark.parametrize("one, inputs", [
    (node("Mul", "c0 c1"), [np.array([2**40]), np.array([2**40])]),
    (node("Add", "c0 c1"), [np.array([2**63 - 1]), np.array([1])]),
    (node("Sub", "c0 c1"), [np.array([-(2**63)]), np.array([1])]),
    (node("Mul", "c0 c1"), [np.array([2**20], np.int32), np.array([2**20], np.int32)]),
    (node("ReduceProd", "c0"), [np.array([2**21] * 3)]),
    (node("ReduceSum", "c0"), [np.array([2**62, 2**62])]),
    (node("Pow", "c0 c1"), [np.array([10]), np.array([30])]),
    (node("Pow", "c0 c1"), [np.array([10]), np.array([2**62])]),
    (node("Sub", "c0 c1"), [np.array([3], np.uint8), np.array([5], np.uint8)]),
])  # fmt: skip
def test_whole_numbers_never_wrap_around(one, inputs):
    with pytest.raises(UnsupportedError, match="its whole numbers leave"):
        fold(one, *inputs)


def test_large_whole_numbers_that_fit_are_computed():
    assert fold(node("Mul", "c0 c1"), np.array([2**31]), np.array([2**31]))[0] == 2**62
    assert fold(node("Add", "c0 c1"), np.array([2**63 - 2]), np.array([1]))[0] == 2**63 - 1
    assert fold(node("ReduceProd", "c0", keepdims=0), np.array([0, 2**62, 2**62]))[0] == 0


@pytest.mark.parametrize("one, inputs", [
    (node("Reshape", "c0 c1"), [REAL, np.array([4, 4])]),
    (node("Add", "c0 c1"), [REAL, MORE]),
    (node("Concat", "c0 c1", axis=5), [REAL, REAL]),
    (node("Gather", "c0 c1", axis=9), [REAL, np.array([0])]),
    (node("Gather", "c0 c1"), [REAL, np.array([17])]),
    (node("Div", "c0 c1"), [WHOLE, np.array([[1, 1], [1, 1]])]),
    (node("Range", "c0 c1 c2"), [np.array(0), np.array(1), np.array(0)]),
    (node("Range", "c0 c1 c2"), [np.array([0, 1]), np.array(1), np.array(0)]),
    (node("MatMul", "c0 c1"), [REAL, REAL]),
    (node("Gemm", "c0 c1"), [REAL[0], REAL]),
    (node("ConstantOfShape", "c0"), [np.array([-1, 3])]),
    (node("Cast", "c0", to=8), [REAL]),
    (node("Unsqueeze", "c0 c1"), [REAL, np.array([9, 9])]),
])  # fmt: skip
def test_inputs_that_do_not_fit_are_refused(one, inputs):
    with pytest.raises(UnsupportedError):
        fold(one, *inputs)


@pytest.mark.parametrize("operator", ["RandomNormal", "RandomUniformLike", "If", "Loop", "Conv", "Resize"])
def test_other_operators_are_not_computed(operator):
    assert not can_fold(model_of(model(node(operator, "c0"), {}, {"c0": REAL})).nodes[0])
