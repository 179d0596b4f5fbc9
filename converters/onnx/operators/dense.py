"""Gemm, and MatMul with a constant."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from converters.onnx.moving import views
from converters.onnx.network import Network
from converters.onnx.operators.blocks import (
    affine,
    along,
    broadcast_shape,
    float_array,
    powered,
    reshaped,
    total,
    turned,
    upright,
)
from converters.onnx.operators.readers import OPERATORS, Call
from converters.onnx.values import Constant, Tensor, ValueOf
from prototxt_gen.errors import UnsupportedError, need

_TWO_TENSORS = "a product of two tensors that the network computes, as in attention; Caffe multiplies by weights only"


@OPERATORS.register("Gemm")
def gemm(call: Call, net: Network) -> Tensor:
    """Alpha * A * B + beta * C, A and B transposed where the node says so; one of them is a constant."""
    a, b = call.inputs[0], call.inputs[1]
    c = call.inputs[2] if call.has(2) else None
    if a is None or b is None:
        raise UnsupportedError("an input that is left out")
    need(len(a.shape) == len(b.shape) == 2, f"shapes {a.shape} and {b.shape}, expected 2 axes each")
    alpha, beta = np.float32(call.attribute("alpha", 1.0)), np.float32(call.attribute("beta", 1.0))
    turned_a, turned_b = bool(call.attribute("transA", 0)), bool(call.attribute("transB", 0))
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        raise UnsupportedError(_TWO_TENSORS)
    if isinstance(a, Tensor):
        need(not turned_a, "transA of a tensor that the network computes")
        x: Tensor = a
        assert not isinstance(b, Tensor)
        matrix, axis = float_array(b) if turned_b else float_array(b).T, 1
    else:
        assert isinstance(b, Tensor)
        need(not turned_b, "transB of a tensor that the network computes")
        x, matrix, axis = b, float_array(a).T if turned_a else float_array(a), 0
    matrix = matrix if alpha == 1 else matrix * alpha
    shape = (x.shape[0], matrix.shape[0]) if axis else (matrix.shape[0], x.shape[1])
    if c is None or beta == 0:
        return weighted(net, x, axis, matrix)
    if not isinstance(c, Tensor):
        bias = bias_of(c, shape, axis)
        if bias is not None:
            return weighted(net, x, axis, matrix, bias if beta == 1 else bias * beta)
        return affine(net, weighted(net, x, axis, matrix, suffix="product"), shift=float_array(c) * beta)
    y = weighted(net, x, axis, matrix, suffix="product")
    return total(net, y, powered(net, c, scale=float(beta), suffix="beta"))


def weighted(
    net: Network, x: Tensor, axis: int, matrix: Constant, bias: Constant | None = None, suffix: str = ""
) -> Tensor:
    """The matrix (outputs, inputs) times x along an axis, plus a bias.

    The weights take up the order in which a view has the numbers: of a flattened map they are those of an InnerProduct
    of the map itself, of a transposed tensor they lie along the axis that the blob has there.
    """
    places = views.flattened_order(x) if x.view is not None and axis == len(x.shape) - 1 else None
    if places is not None and len(views.base(x).shape) > 1:
        weight = np.empty_like(matrix)
        weight[:, places.reshape(-1)] = matrix
        blobs = [weight] if bias is None else [weight, bias]
        options: dict[str, Any] = {"num_output": len(matrix), **({"bias_term": False} if bias is None else {})}
        return net.layer("InnerProduct", [views.base(x)], blobs=blobs, suffix=suffix, inner_product_param=options)
    if x.view is not None:
        made = views.mapped(net, x, axis, lambda blob, place: along(net, blob, place, matrix, bias, suffix))
        if made is not None:
            return made
    blob, order = upright(x)
    return turned(net, along(net, blob, order[axis], matrix, bias, suffix), order)


def bias_of(value: Constant, shape: tuple[int, ...], axis: int) -> Constant | None:
    """The constant as one number for each place on `axis` of `shape`, if it broadcasts so."""
    own = (1,) * (len(shape) - value.ndim) + value.shape
    if len(own) > len(shape) or any(size > 1 for place, size in enumerate(own) if place != axis % len(shape)):
        return None
    return np.broadcast_to(float_array(value).reshape(-1), (shape[axis],))


@OPERATORS.register("MatMul")
def matmul(call: Call, net: Network) -> Tensor:
    """The product of a tensor and a constant, on either side. A third input is a bias that patterns.py took up."""
    a, b = call.inputs[0], call.inputs[1]
    bias = call.constant(2)
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        raise UnsupportedError(_TWO_TENSORS)
    if isinstance(a, Tensor):
        return _times_right(net, a, _one_matrix(b), bias)
    if isinstance(b, Tensor):
        need(bias is None, "a bias on the left")
        return _times_left(net, _one_matrix(a), b)
    raise UnsupportedError("an input that is left out")


def _one_matrix(value: ValueOf | None) -> Constant:
    assert value is not None and not isinstance(value, Tensor)
    need(value.ndim > 0, "a constant without axes")
    need(prod(value.shape[:-2]) == 1, f"a constant of shape {value.shape}: another matrix for each image or group")
    return float_array(value)


def _times_right(net: Network, x: Tensor, weight: Constant, bias: Constant | None) -> Tensor:
    """X (..., k) by (k, n)."""
    rank = len(x.shape)
    need(rank > 0, "a tensor without axes")
    matrix: Constant = weight.reshape(weight.shape[-2:]) if weight.ndim > 1 else weight[:, None]
    shape = (*x.shape[:-1], matrix.shape[1])
    row = None if bias is None else bias_of(bias, shape, rank - 1)
    y = weighted(net, x, rank - 1, matrix.T, row)
    if weight.ndim == 1:
        return reshaped(net, y, x.shape[:-1], "")
    y = _led(net, y, weight.ndim - (rank == 1))
    return affine(net, y, shift=bias) if bias is not None and row is None else y


def _times_left(net: Network, weight: Constant, x: Tensor) -> Tensor:
    """(m, k) by x (..., k, n)."""
    rank = len(x.shape)
    need(rank > 0, "a tensor without axes")
    matrix: Constant = weight.reshape(weight.shape[-2:]) if weight.ndim > 1 else weight[None]
    axis = max(rank - 2, 0)
    y = weighted(net, x, axis, matrix)
    if weight.ndim == 1:
        return reshaped(net, y, (*y.shape[:axis], *y.shape[axis + 1 :]), "")
    return _led(net, y, weight.ndim - (rank == 1))


def _led(net: Network, y: Tensor, rank: int) -> Tensor:
    """The tensor on at least `rank` axes, with ones in front."""
    return reshaped(net, y, broadcast_shape(y.shape, (1,) * rank), "")


@OPERATORS.register("Einsum")
def einsum(call: Call, net: Network) -> Tensor:
    """A tensor and a matrix that share one axis, as "nchw,cd->ndhw"; the new axis may stand anywhere."""
    need(len(call.inputs) == 2, f"{len(call.inputs)} operands, expected a tensor and a constant")
    equation = str(call.attribute("equation", "")).replace(" ", "")
    terms, arrow, result = equation.partition("->")
    subscripts = terms.split(",")
    plain = bool(arrow) and len(subscripts) == 2 and all(text.isalpha() for text in (*subscripts, result))
    need(plain and all(len(set(text)) == len(text) for text in (*subscripts, result)), f"the equation {equation!r}")
    constants = [place for place, value in enumerate(call.inputs) if not isinstance(value, Tensor)]
    if not constants:
        raise UnsupportedError(_TWO_TENSORS)
    x, weight = call.tensor(1 - constants[0]), call.constant(constants[0])
    of_x, of_weight = subscripts[1 - constants[0]], subscripts[constants[0]]
    shared, made = set(of_x) & set(of_weight) - set(result), set(of_weight) - set(of_x)
    fits = len(of_weight) == 2 and len(shared) == len(made) == 1 and len(of_x) == len(x.shape)
    need(fits and set(result) == set(of_x) - shared | made, f"the equation {equation!r}: expected one axis of a matrix")
    assert weight is not None
    need(weight.ndim == 2, f"a constant of shape {weight.shape} in {equation!r}")
    old, new = shared.pop(), made.pop()
    matrix = float_array(weight) if of_weight[0] == new else float_array(weight).T
    y = weighted(net, x, of_x.index(old), matrix)
    axes = of_x.replace(old, new)
    return turned(net, y, [axes.index(letter) for letter in result])
