from __future__ import annotations

import random

import numpy as np
import pytest

from tests.converters.onnx.operators.checking import check, node, normal, refused, types

X = (2, 3, 4, 5)


@pytest.mark.parametrize(
    ("operator", "constant", "layers"),
    [
        ("Add", (), "Power"),
        ("Mul", (1,), "Power"),
        ("Mul", (3, 1, 1), "Scale"),
        ("Add", (1, 3, 1, 1), "Bias"),
        ("Sub", (3, 1, 1), "Bias"),
        ("Div", (3, 1, 1), "Scale"),
        ("Mul", (5,), "Scale"),
        ("Add", (4, 1), "Bias"),
        ("Mul", (3, 4, 5), "Scale"),
        ("Mul", (3, 1, 5), "Scale"),
        ("Add", (2, 1, 1, 1), "Bias"),
        ("Mul", (2, 3, 4, 5), "Scale"),
    ],
)
def test_a_constant_is_one_layer(operator, constant, layers):
    c = np.abs(normal(*constant, seed=1)) + 0.5
    assert types(check(node(operator, "x c"), {"x": normal(*X)}, {"c": c})) == layers.split()
    reversed_inputs = node(operator, "c x")
    check(reversed_inputs, {"x": np.abs(normal(*X)) + 0.5}, {"c": c})


def test_a_constant_that_repeats_is_as_small_as_it_can_be():
    by_channel = np.broadcast_to(normal(3, 1, 1), (1, *X[1:]))
    net = check(node("Mul", "x c"), {"x": normal(*X)}, {"c": by_channel})
    assert net.layer[1].scale_param.num_axes == 1
    assert types(check(node("Mul", "x c"), {"x": normal(*X)}, {"c": np.full(X, 2, np.float32)})) == ["Power"]


@pytest.mark.parametrize(
    ("operator", "other", "layers"),
    [
        ("Mul", X, "Eltwise"),
        ("Add", X, "Eltwise"),
        ("Sub", X, "Eltwise"),
        ("Max", X, "Eltwise"),
        ("Min", X, "Power Power Eltwise Power"),
        ("Mul", (2, 3, 1, 1), "Flatten Scale"),
        ("Mul", (2, 1, 1, 1), "Flatten Scale"),
        ("Add", (2, 3, 1, 1), "Flatten Bias"),
        ("Sub", (2, 3, 1, 1), "Flatten Power Bias"),
        ("Div", (2, 3, 1, 1), "Flatten Power Scale"),
        ("Mul", (2, 1, 4, 5), "Tile Eltwise"),
        ("Mul", (1, 3, 1, 1), "Flatten Scale"),
        ("Mul", (4, 5), "Scale"),
    ],
)
def test_two_tensors(operator, other, layers):
    b = np.abs(normal(*other, seed=1)) + 0.5
    found = types(check(node(operator, "a b"), {"a": normal(*X), "b": b}))
    assert sorted("Flatten" if kind == "Reshape" else kind for kind in found) == sorted(layers.split())


def test_squeeze_and_excitation_is_a_scale_with_two_bottoms_at_any_batch():
    nodes = [
        node("ReduceMean", "x", "pooled", axes=[2, 3]),
        node("Conv", "pooled w", "gates"),
        node("Sigmoid", "gates", "gate"),
        node("Mul", "x gate"),
    ]
    net = check(nodes, {"x": normal(1, 3, 4, 5)}, {"w": normal(3, 3, 1, 1)})
    assert types(net) == ["Pooling", "Convolution", "Sigmoid", "Flatten", "Scale"]
    net.layer[0].input_param.shape[0].dim[0] = 4
    from converters import to_torch

    assert len(list(to_torch(net).children())) > 0  # the shapes fit


@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean", "Pow"])
def test_random_shapes_that_broadcast(operator):
    draw = random.Random(operator)
    for _ in range(12):
        shape = [draw.choice((1, 1, 2, 3, 4)) for _ in range(draw.randint(1, 5))]
        number = draw.choice((2, 3)) if operator in ("Max", "Min", "Sum", "Mean") else 2
        values = {}
        for place in range(number):
            own = [size if draw.random() < 0.6 else 1 for size in shape]
            own = own if place == 0 or draw.random() < 0.6 else own[draw.randint(0, len(own)) :]
            values[f"v{place}"] = normal(*own, seed=place)
            if operator in ("Div", "Pow"):
                values[f"v{place}"] = np.asarray(np.abs(values[f"v{place}"]) + np.float32(0.5))
        if operator == "Pow":
            values["v1"] = np.full(values["v1"].shape, draw.choice((2, 0.5, -1, 3)), np.float32)
        first = draw.choice(sorted(values)) if operator != "Pow" else "v0"
        tensors = {name: value for name, value in values.items() if name == first}
        if operator != "Pow":
            tensors |= {name: value for name, value in values.items() if draw.random() < 0.5}
        constants = {name: value for name, value in values.items() if name not in tensors}
        options = draw.choice(({}, {"dialect": "fork"}, {"round_mode": False}))
        check(node(operator, " ".join(values)), tensors, constants, **options)


@pytest.mark.parametrize(
    ("exponent", "base"), [(2, None), (0.5, None), (-1, None), (3, None), (0, None), (None, 2), (None, 0.5)]
)
def test_powers(exponent, base):
    x = {"x": np.abs(normal(2, 3, 4)) + 0.3}
    inputs, number = ("x c", exponent) if base is None else ("c x", base)
    assert types(check(node("Pow", inputs), x, {"c": np.float32(number)})) == ["Power" if base is None else "Exp"]


def test_what_has_no_exact_form_is_refused():
    tensors = {"a": normal(2, 3), "b": normal(2, 3)}
    refused(node("Pow", "a b"), tensors, match="a tensor to the power of a tensor")
    refused(node("Pow", "a c"), {"a": normal(2, 3)}, {"c": np.float32([1, 2, 3])}, match="takes one number")
    refused(node("Div", "a c"), {"a": normal(2, 3)}, {"c": np.float32(0)}, match="0 or nearly 0")
    whole = [node("ArgMax", "a", "place", axis=1), node("Div", "place c")]
    refused(whole, {"a": normal(2, 3)}, {"c": np.int64(2)}, match="whole numbers")


def test_limits_keep_small_numbers_as_they_are():
    x = np.float32([[1e-7, 3e-8, -2e-7, 5, -5]])
    check(node("Min", "x c"), {"x": x}, {"c": np.float32(1)}, round_mode=False, limit=1e-9)


def test_binary_operators_of_transposed_tensors_work_on_the_blobs():
    nodes = [
        node("Transpose", "x", "nhwc", perm=[0, 2, 3, 1]),
        node("Mul", "nhwc c", "scaled"),
        node("Add", "scaled nhwc", "sum"),
        node("ReduceMean", "sum", "mean", axes=[1, 2]),
        node("Mul", "sum mean", "gated"),
        node("Transpose", "gated", perm=[0, 3, 1, 2]),
    ]
    net = check(nodes, {"x": normal(2, 3, 4, 5)}, {"c": normal(3)})
    assert types(net) == ["Scale", "Eltwise", "Pooling", "Flatten", "Scale"]
