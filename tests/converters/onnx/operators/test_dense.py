from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.converters.onnx.operators.checking import check, node, normal, refused, types


@pytest.mark.parametrize(("turned", "alpha", "beta"), list(itertools.product((0, 1), (1.0, 0.5), (1.0, 2.0))))
def test_gemm_with_weights_on_either_side_and_any_summand(turned, alpha, beta):
    weight, x = normal(4, 3, seed=1), normal(2, 3)
    for shape in ((4,), (1, 4), (2, 4), (2, 1), (1,), ()):
        constants = {"b": weight if turned else weight.T, "c": normal(*shape, seed=2)}
        net = check(node("Gemm", "x b c", transB=turned, alpha=alpha, beta=beta), {"x": x}, constants)
        if shape == (4,):
            assert types(net) == ["InnerProduct"]
    left = {"a": weight.T if turned else weight, "c": normal(4, 2, seed=2)}
    check(node("Gemm", "a x c", transA=turned, alpha=alpha, beta=beta), {"x": normal(3, 2)}, left)
    check(node("Gemm", "x b c", alpha=alpha, beta=beta), {"x": x, "c": normal(4)}, {"b": weight.T})


@pytest.mark.parametrize(
    ("x", "weight"),
    [
        ((2, 3), (3, 4)),
        ((2, 5, 3), (3, 4)),
        ((2, 2, 5, 3), (3, 4)),
        ((2, 5, 3), (3,)),
        ((2, 5, 3), (1, 3, 4)),
        ((2, 3), (1, 1, 3, 4)),
        ((3,), (3, 4)),
        ((3,), (3,)),
    ],
)
def test_matmul_with_weights_on_the_right(x, weight):
    check(node("MatMul", "x w"), {"x": normal(*x)}, {"w": normal(*weight, seed=1)})


@pytest.mark.parametrize(
    ("weight", "x"),
    [
        ((4, 3), (3, 2)),
        ((4, 3), (2, 3, 5)),
        ((4, 3), (2, 2, 3, 5)),
        ((3,), (2, 3, 5)),
        ((1, 4, 3), (3, 5)),
        ((4, 3), (3,)),
    ],
)
def test_matmul_with_weights_on_the_left(weight, x):
    check(node("MatMul", "w x"), {"x": normal(*x)}, {"w": normal(*weight, seed=1)})


@pytest.mark.parametrize("equation", ["nchw,cd->ndhw", "nchw,dc->ndhw", "nchw,wd->nchd"])
def test_einsum_of_a_tensor_and_a_matrix(equation):
    size = 3 if "c" in equation.split(",")[1].split("->")[0] else 5
    shape = (size, 2) if equation.split(",")[1][0] != "d" else (2, size)
    check(node("Einsum", "x w", equation=equation), {"x": normal(2, 3, 4, 5)}, {"w": normal(*shape, seed=1)})


@pytest.mark.parametrize(
    "before",
    [
        [node("Flatten", "x", "flat")],
        [node("Transpose", "x", "nhwc", perm=[0, 2, 3, 1]), node("Flatten", "nhwc", "flat")],
        [node("Transpose", "x", "nwhc", perm=[0, 3, 2, 1]), node("Reshape", "nwhc s", "flat")],
    ],
)
def test_weights_take_up_the_order_of_a_flattened_map(before):
    constants = {"b": normal(60, 7), "s": np.int64([0, -1])}
    net = check([*before, node("Gemm", "flat b")], {"x": normal(2, 3, 4, 5)}, constants)
    assert types(net) == ["InnerProduct"]


def test_a_linear_layer_of_channels_last_is_a_convolution():
    nodes = [
        node("Transpose", "x", "nhwc", perm=[0, 2, 3, 1]),
        node("MatMul", "nhwc w", "product"),
        node("Add", "product b", "sum"),
        node("Transpose", "sum", perm=[0, 3, 1, 2]),
    ]
    net = check(nodes, {"x": normal(2, 3, 4, 5)}, {"w": normal(3, 6), "b": normal(6)})
    assert types(net) == ["Convolution"]


def test_products_of_two_tensors_are_refused_by_name():
    tensors = {"a": normal(2, 3), "b": normal(3, 4)}
    for operator, attributes in (("MatMul", {}), ("Gemm", {}), ("Einsum", {"equation": "ab,bc->ac"})):
        refused(node(operator, "a b", **attributes), tensors, match=f"{operator}.*product of two tensors")
    refused(node("MatMul", "a w"), {"a": normal(2, 2, 3)}, {"w": normal(2, 3, 4)}, match="another matrix for each")
