from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

from tests.converters.onnx.operators.checking import check, node, normal, refused, types

KINDS = ("Mean", "Sum", "Max", "Min", "L1", "L2", "SumSquare", "LogSum", "LogSumExp", "Prod")


@pytest.mark.parametrize("kind", KINDS)
def test_every_choice_of_axes(kind):
    x = {"x": np.abs(normal(2, 3, 4, 5)) + 0.1 if kind == "LogSum" else normal(2, 3, 4, 5)}
    for count in (1, 2, 3):
        for number, axes in enumerate(itertools.combinations(range(4), count)):
            keepdims = number % 2
            if kind == "Sum":
                check(node("ReduceSum", "x a", keepdims=keepdims), x, {"a": np.int64(axes)})
            else:
                check(node(f"Reduce{kind}", "x", axes=list(axes), keepdims=keepdims), x)


@pytest.mark.parametrize("kind", KINDS)
def test_random_shapes(kind):
    draw = random.Random(kind)
    for _ in range(6):
        shape = [draw.choice((1, 2, 3, 4)) for _ in range(draw.randint(1, 5))]
        axes = [axis - draw.choice((0, len(shape))) for axis in range(len(shape)) if draw.random() < 0.5]
        x = {"x": np.abs(normal(*shape)) + 0.1 if kind == "LogSum" else normal(*shape)}
        constants = {"a": np.int64(axes)} if axes else {}
        check(node(f"Reduce{kind}", "x a" if axes else "x", keepdims=draw.randint(0, 1)), x, constants, opset=18)


@pytest.mark.parametrize(
    ("operator", "axes", "layers"),
    [
        ("ReduceMean", [2, 3], ["Pooling"]),
        ("ReduceMax", [2, 3], ["Pooling"]),
        ("ReduceMean", [3], ["Pooling"]),
        ("ReduceMean", [1], ["Convolution"]),
        ("ReduceL2", [1], ["Power", "Convolution", "Power"]),
    ],
)
def test_usual_forms(operator, axes, layers):
    assert types(check(node(operator, "x", axes=axes), {"x": normal(2, 3, 4, 5)})) == layers


def test_no_axes_reduce_all_or_nothing():
    x = {"x": normal(2, 3, 4)}
    check(node("ReduceMean", "x"), x, opset=18)
    nothing = node("ReduceSum", "x", "sum", noop_with_empty_axes=1)
    assert types(check([nothing, node("Relu", "sum")], x)) == ["ReLU"]


def test_large_numbers_do_not_overflow():
    check(node("ReduceLogSumExp", "x", axes=[1]), {"x": 1000 * normal(2, 3, 4)})


@pytest.mark.parametrize(("exclusive", "reverse"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_cumulative_sums(exclusive, reverse):
    for axis in range(-3, 3):
        nodes = node("CumSum", "x a", exclusive=exclusive, reverse=reverse)
        check(nodes, {"x": normal(2, 3, 4)}, {"a": np.int64(axis)})


def test_axes_beyond_the_shape_are_refused():
    refused(node("ReduceMean", "x", axes=[4]), {"x": normal(2, 3)}, match="axes \\[4\\]")
