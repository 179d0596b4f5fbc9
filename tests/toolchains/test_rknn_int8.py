"""int8 by RKNN-Toolkit2 and its simulator: it rounds as the calibration says, and as onnxruntime's static quantisation.

What onnxruntime makes of the same networks is in tests/converters/engines/test_static_quantisation.py.
"""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch

from converters import make_engine, to_torch, weights_of
from converters.engines.rknn import PYTHON
from prototxt_gen import generate
from tests.toolchains.trying import network

pytestmark = pytest.mark.skipif(not os.environ.get(PYTHON), reason=f"{PYTHON} names no Python with RKNN-Toolkit2")

CONV = """
layer { name: "c" type: "Convolution" bottom: "x" top: "y"
        convolution_param { num_output: 2 kernel_size: 1 bias_term: false } }
"""
SOFTMAX = 'layer { name: "prob" type: "Softmax" bottom: "y" top: "prob" }'
IDENTITY = {"c": [np.eye(2, dtype=np.float32).reshape(2, 2, 1, 1)]}


def pixels(*values):
    """Pixels of two channels, the same number in both: (1, 2, 1, n)."""
    return np.tile(np.array(values, np.float32), (1, 2, 1, 1))


def int8(engine, net, weights, *calibration, data="x", **options):
    made = make_engine(engine, precision="int8", calibration=[{data: one} for one in calibration], **options)
    return made.load(net, weights)


@pytest.mark.parametrize("engine", ["rknn", "onnxruntime"])
def test_numbers_are_rounded_in_the_range_of_all_inputs_of_the_calibration(engine):
    net, given = network(CONV, x=(1, 2, 1, 4)), {"x": pixels(0.014, 0.876, 2.54, 7)}
    fine = int8(engine, net, IDENTITY, pixels(0, 0, 0, 1), pixels(0, 0, 2.55, 0)).run(given)["y"]
    np.testing.assert_allclose(fine, pixels(0.01, 0.88, 2.54, 2.55), atol=1e-5)
    coarse = int8(engine, net, IDENTITY, pixels(0, 0, 0, 255)).run(given)["y"]
    np.testing.assert_allclose(coarse, pixels(0, 1, 3, 7), atol=1e-5)


def test_rows_and_columns_keep_their_places():
    counted = np.arange(12, dtype=np.float32).reshape(1, 2, 2, 3)
    found = int8("rknn", network(CONV, x=(1, 2, 2, 3)), IDENTITY, counted).run({"x": counted})["y"]
    np.testing.assert_allclose(found, counted, atol=11 / 255)


def test_a_softmax_stays_in_floating_point():
    net = network(CONV + SOFTMAX, x=(1, 2, 1, 2))
    given = np.array([0.2, 1, 0.1, 2], np.float32).reshape(1, 2, 1, 2)
    found = int8("rknn", net, IDENTITY, pixels(0, 2.55)).run({"x": given})["prob"]
    expected = torch.from_numpy(given).softmax(1).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("device", ["rk3588", "rv1106"])
@pytest.mark.parametrize("code", ["s8-16_b16_b32x2_c10", "m8_i1.8e1_i16k5e2-e2_i24e4q-e2_h32_c10"])
def test_a_network_gives_nearly_the_scores_of_float_and_those_of_onnxruntime(code, device):
    torch.manual_seed(0)
    net = generate(code, input_shape=(1, 3, 32, 32))
    module = to_torch(net).train()
    images = np.random.default_rng(0).normal(size=(24, 3, 32, 32)).astype(np.float32)
    with torch.no_grad():
        for _ in range(10):
            module(torch.from_numpy(images))
    weights, given = weights_of(module), {"data": images[:4]}
    expected = make_engine("onnxruntime").load(net, weights).run(given)["fc"]
    found, other = (
        int8(engine, net, weights, *(image[None] for image in images), data="data", **more).run(given)["fc"]
        for engine, more in (("rknn", {"device": device}), ("onnxruntime", {}))
    )
    cosine = (found * expected).sum() / np.sqrt((found**2).sum() * (expected**2).sum())
    assert 0.98 < cosine < 1
    assert 1e-3 < np.abs(found - expected).max() / np.abs(expected).max() < 0.2
    assert np.abs(found - other).max() / np.abs(expected).max() < 0.1
