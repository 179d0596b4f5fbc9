"""Eltwise, Scale, Bias and Reduction in ONNX against to_torch."""

from __future__ import annotations

import numpy as np
import pytest

from tests.converters.onnx.checking import check_layer, operators

NUMBERS = np.random.default_rng(0)
SHAPE = (2, 3, 4, 5)


def normal(*shape):
    return NUMBERS.normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(
    "options, count, expected",
    [
        ("", 2, "Add"),
        ("", 4, "Sum"),
        ("operation: PROD", 2, "Mul"),
        ("operation: PROD", 3, "Mul Mul"),
        ("operation: MAX", 2, "Max"),
        ("operation: MAX", 3, "Max"),
        ("coeff: 1 coeff: 1", 2, "Add"),
        ("coeff: 1 coeff: -1", 2, "Sub"),
        ("coeff: -1 coeff: 1", 2, "Mul Add"),
        ("coeff: -2 coeff: -1", 2, "Mul Sub"),
        ("coeff: 0.5 coeff: 3", 2, "Mul Mul Add"),
        ("coeff: 0 coeff: 1 coeff: -1", 3, "Mul Mul Sum"),
    ],
)
def test_eltwise(options, count, expected):
    inputs = {f"x{place}": normal(*SHAPE) for place in range(count)}
    assert operators(check_layer(f'type: "Eltwise" eltwise_param {{ {options} }}', **inputs)) == expected.split()


def test_eltwise_of_one_blob_twice(net_of):
    from tests.converters.onnx.checking import check

    check(net_of('layer { name: "l" type: "Eltwise" bottom: "x" bottom: "x" top: "y" }', x=(2, 3)))


# axis, num_axes, the shape of the factors
PLACES = [
    (1, 1, (3,)), (1, 2, (3, 4)), (1, -1, (3, 4, 5)), (0, 1, (2,)), (0, 2, (2, 3)), (0, -1, SHAPE), (2, 1, (4,)),
    (-1, 1, (5,)), (-1, -1, (5,)), (-2, 1, (4,)), (1, 0, ()), (3, 0, ()),
]  # fmt: skip


@pytest.mark.parametrize("axis, num_axes, shape", PLACES)
def test_scale_and_bias_by_blobs(axis, num_axes, shape):
    text = f"axis: {axis} num_axes: {num_axes}"
    x = normal(*SHAPE)
    one = check_layer(f'type: "Scale" scale_param {{ {text} }}', [normal(*shape)], x=x)
    both = check_layer(f'type: "Scale" scale_param {{ {text} bias_term: true }}', [normal(*shape)] * 2, x=x)
    bias = check_layer(f'type: "Bias" bias_param {{ {text} }}', [normal(*shape)], x=x)
    assert [operators(found) for found in (one, both, bias)] == [["Mul"], ["Mul", "Add"], ["Add"]]


@pytest.mark.parametrize("axis, _, shape", [place for place in PLACES if place[2]] + [(0, 1, ()), (2, 1, ())])
def test_scale_and_bias_by_two_bottoms(axis, _, shape):
    x, y = normal(*SHAPE), normal(*shape)
    check_layer(f'type: "Scale" scale_param {{ axis: {axis} }}', x=x, f=y)
    check_layer(f'type: "Scale" scale_param {{ axis: {axis} bias_term: true }}', [normal(*shape)], x=x, f=y)
    check_layer(f'type: "Bias" bias_param {{ axis: {axis} }}', x=x, f=y)


@pytest.mark.parametrize("operation", ["SUM", "ASUM", "SUMSQ", "MEAN"])
@pytest.mark.parametrize("axis", [0, 1, 2, 3, -1, -3])
@pytest.mark.parametrize("coeff", [1, -0.5])
def test_reduction(operation, axis, coeff):
    text = f"operation: {operation} axis: {axis} coeff: {coeff}"
    check_layer(f'type: "Reduction" reduction_param {{ {text} }}', x=normal(*SHAPE))
