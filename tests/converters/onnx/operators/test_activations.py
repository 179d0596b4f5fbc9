from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.converters.onnx.operators.checking import check, node, normal, refused, types

SHAPES = ((2, 3, 4, 5), (3,), (2, 4), (1, 2, 3, 2, 2))

# Operator, attributes, opset, layers in stock Caffe, layers in one before 2018.
UNARY: list[tuple[str, dict[str, Any], int, str, str | None]] = [
    ("Relu", {}, 17, "ReLU", None),
    ("LeakyRelu", {"alpha": 0.2}, 17, "ReLU", None),
    ("Elu", {"alpha": 0.7}, 17, "ELU", None),
    ("Selu", {}, 17, "ELU Power", None),
    ("Celu", {}, 17, "ELU", None),
    ("Celu", {"alpha": 0.5}, 17, "Power ELU Power", None),
    ("Sigmoid", {}, 17, "Sigmoid", None),
    ("HardSigmoid", {}, 17, "Power Clip", "Power ReLU Power Power Eltwise Power"),
    ("HardSwish", {}, 17, "Power Clip Eltwise", "Power ReLU Power Power Eltwise Power Eltwise"),
    ("Mish", {}, 18, "BNLL TanH Eltwise", None),
    ("Softplus", {}, 17, "BNLL", None),
    ("Softsign", {}, 17, "AbsVal Power Eltwise", None),
    ("Tanh", {}, 17, "TanH", None),
    ("Gelu", {"approximate": "tanh"}, 20, "Power Eltwise TanH Power Eltwise", None),
    ("Exp", {}, 17, "Exp", None),
    ("Abs", {}, 17, "AbsVal", None),
    ("Neg", {}, 17, "Power", None),
    ("Sign", {}, 17, "Threshold Power Threshold Eltwise", None),
    ("ThresholdedRelu", {"alpha": 0.3}, 17, "Threshold Eltwise", None),
]


@pytest.mark.parametrize(("operator", "attributes", "opset", "layers", "older"), UNARY)
def test_layers_of_an_activation_compute_the_same(operator, attributes, opset, layers, older):
    for number, shape in enumerate(SHAPES):
        x = {"x": 2 * normal(*shape, seed=number)}
        net = check(node(operator, "x", **attributes), x, opset=opset)
        assert sorted(types(net)) == sorted(layers.split())
        net = check(node(operator, "x", **attributes), x, opset=opset, round_mode=False)
        assert sorted(types(net)) == sorted((older or layers).split())


@pytest.mark.parametrize("operator", ["Log", "Sqrt", "Reciprocal"])
def test_functions_of_positive_numbers(operator):
    for shape in SHAPES:
        check(node(operator, "x"), {"x": np.abs(normal(*shape)) + 0.2})


@pytest.mark.parametrize("attributes", [{}, {"lambd": 0.3, "bias": 0.3}, {"lambd": 0.0, "bias": -0.5}])
def test_shrink(attributes):
    check(node("Shrink", "x", **attributes), {"x": normal(2, 3, 4)})


@pytest.mark.parametrize(
    ("low", "high", "layers", "fork", "older"),
    [
        (0, 6, "Clip", "ReLU6", "ReLU Power Power Eltwise Power"),
        (-1, 1, "Clip", "Clip", "Power Eltwise Power Power Eltwise Power"),
        (0, None, "ReLU", "ReLU", "ReLU"),
        (0.5, None, "Clip", "Clip", "Power Eltwise"),
        (None, 0.5, "Clip", "Clip", "Power Power Eltwise Power"),
        (1, -1, "Power", "Power", "Power"),
        (-3.4028234663852886e38, 3.4028234663852886e38, "Split", "Split", "Split"),
        (None, None, "Split", "Split", "Split"),
    ],
)
def test_clip_by_inputs_and_attributes_in_each_dialect(low, high, layers, fork, older):
    x = {"x": 4 * normal(2, 3, 4, 5)}
    limits = {"low": low, "high": high}
    constants = {name: np.float32(limit) for name, limit in limits.items() if limit is not None}
    inputs = " ".join(["x", *(name if name in constants else "-" for name in limits)])
    given = {"min": low, "max": high}
    attributes = {name: float(limit) for name, limit in given.items() if limit is not None}
    for options, wanted in (({}, layers), ({"dialect": "fork"}, fork), ({"round_mode": False}, older)):
        assert sorted(types(check(node("Clip", inputs), x, constants, **options))) == sorted(wanted.split())
        if low is None or high is None or low <= high:  # onnxruntime takes no other attributes
            check(node("Clip", "x", **attributes), x, opset=7, **options)


@pytest.mark.parametrize(
    ("shape", "slope", "layers"),
    [
        ((2, 3, 4, 5), (3, 1, 1), "PReLU"),
        ((2, 3, 4, 5), (1,), "PReLU"),
        ((2, 3), (3,), "PReLU"),
        ((2, 3, 4, 5), (5,), "ReLU Power ReLU Power Scale Eltwise"),
        ((2, 3, 4, 5), (3, 4, 5), "ReLU Power ReLU Power Scale Eltwise"),
        ((2, 3, 4, 5), (4, 1), "ReLU Power ReLU Power Scale Eltwise"),
        ((2, 3, 4, 5, 2), (3, 1, 1, 1), "ReLU Power ReLU Power Scale Eltwise"),
        ((2, 3, 4, 5, 2), (1,), "ReLU"),
        ((4,), (4,), "ReLU Power ReLU Power Scale Eltwise"),
    ],
)
def test_prelu_with_slopes_of_any_shape(shape, slope, layers):
    net = check(node("PRelu", "x s"), {"x": normal(*shape)}, {"s": normal(*slope, seed=1)})
    assert sorted(types(net)) == sorted(layers.split())


def test_prelu_with_slopes_that_the_network_computes():
    x, slopes = normal(2, 3, 4, 5), normal(2, 3, 1, 1, seed=1)
    check(node("PRelu", "x s"), {"x": x, "s": slopes}, by=[np.where(x > 0, x, slopes * x)])


@pytest.mark.parametrize("operator", ["Relu", "HardSwish", "Abs", "Neg"])
def test_an_activation_of_a_transposed_tensor_adds_no_layers_for_that(operator):
    nodes = [
        node("Transpose", "x", "nhwc", perm=[0, 2, 3, 1]),
        node(operator, "nhwc", "active"),
        node("Transpose", "active", perm=[0, 3, 1, 2]),
    ]
    x = {"x": normal(2, 3, 4, 5)}
    assert types(check(nodes, x)) == types(check(node(operator, "x"), x))


def test_slopes_follow_a_transposed_tensor():
    nodes = [
        node("Transpose", "x", "nhwc", perm=[0, 2, 3, 1]),
        node("PRelu", "nhwc s", "active"),
        node("Transpose", "active", perm=[0, 3, 1, 2]),
    ]
    assert types(check(nodes, {"x": normal(2, 3, 4, 5)}, {"s": normal(3)})) == ["PReLU"]


def test_gelu_by_erf_only_where_its_tanh_form_is_asked_for():
    x = {"x": normal(2, 3, 4)}
    refused(node("Gelu", "x"), x, opset=20, match="no erf.*only if asked for")
    check(node("Gelu", "x"), x, opset=20, limit=5e-4, gelu="tanh")


@pytest.mark.parametrize("operator", ["Erf", "Floor", "Round", "Sin"])
def test_what_no_layers_make_is_refused(operator):
    refused(node(operator, "x"), {"x": normal(2, 3)}, match=f"{operator}.*Caffe has no")


@pytest.mark.parametrize("choice", [True, False])
def test_where_by_a_constant_takes_one_of_the_two(choice):
    x, y = normal(2, 3, 4), normal(3, 1, seed=1)
    by = [np.broadcast_to(x if choice else y, x.shape)]
    check([node("Where", "c a b", "w"), node("Relu", "w")], {"a": x, "b": y}, {"c": choice}, by=[np.maximum(by[0], 0)])


def test_a_computed_choice_is_refused():
    nodes = [node("GreaterOrEqual", "x c", "above"), node("Where", "above x c")]
    refused(nodes, {"x": normal(2, 3)}, {"c": np.float32(0.5)}, match="(?s)truth values.*a choice between two values")
    refused(node("Greater", "x z"), {"x": normal(2, 3), "z": normal(2, 3)}, match="compares with one number")


def test_a_choice_by_factors_of_0_and_1():
    """As tf2onnx writes tf.where: both values, each times its truth value."""
    nodes = [node("Greater", "x c", "above"), node("Not", "above", "below"), node("Cast", "above", "a", to=1)]
    nodes += [
        node("Cast", "below", "b", to=1),
        node("Mul", "a x", "ax"),
        node("Mul", "b z", "bz"),
        node("Add", "ax bz"),
    ]
    inputs = {"x": normal(2, 3, 4), "z": normal(2, 3, 4, seed=1)}
    assert "Threshold" in types(check(nodes, inputs, {"c": np.float32(0.3)}))


@pytest.mark.parametrize("operator", ["Greater", "Less"])
def test_a_comparison_with_a_number_is_a_threshold(operator):
    nodes = [node(operator, "x c", "above"), node("Cast", "above", "gate", to=1), node("Mul", "x gate")]
    x = np.float32([[0.5, 0.6, 0.4, -0.5, 0]])
    assert "Threshold" in types(check(nodes, {"x": x}, {"c": np.float32(0.5)}))
