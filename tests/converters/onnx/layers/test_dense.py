"""InnerProduct and Embed in ONNX against to_torch."""

from __future__ import annotations

import numpy as np
import pytest

from tests.converters.onnx.checking import check_layer, operators

NUMBERS = np.random.default_rng(0)


def normal(*shape):
    return NUMBERS.normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(2, 6), (2, 3, 4), (2, 3, 4, 5), (1, 3, 2, 2, 2)])
@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("bias", ["true", "false"])
@pytest.mark.parametrize("transpose", ["true", "false"])
def test_inner_product(shape, axis, bias, transpose):
    if axis == 2 and len(shape) == 2:
        axis = -2
    inputs = int(np.prod(shape[axis:]))
    weight = normal(7, inputs)
    blobs = [weight.T.copy() if transpose == "true" else weight, normal(7)][: 1 + (bias == "true")]
    text = f"num_output: 7 axis: {axis} bias_term: {bias} transpose: {transpose}"
    found = check_layer(f'type: "InnerProduct" inner_product_param {{ {text} }}', blobs, x=normal(*shape))
    if axis % len(shape) == 1:
        assert operators(found) == (["Gemm"] if len(shape) == 2 else ["Flatten", "Gemm"])


@pytest.mark.parametrize("shape", [(5,), (2, 3), (2, 1, 4)])
@pytest.mark.parametrize("bias", ["true", "false"])
def test_embed(shape, bias):
    x = NUMBERS.integers(0, 6, shape) + np.where(NUMBERS.random(shape) > 0.5, 0.75, 0)  # Caffe cuts the fraction
    blobs = [normal(6, 3), normal(3)][: 1 + (bias == "true")]
    text = f"num_output: 3 input_dim: 6 bias_term: {bias}"
    check_layer(f'type: "Embed" embed_param {{ {text} }}', blobs, x=x.astype(np.float32))
