"""int8 by onnxruntime: numbers are rounded as the calibration's ranges say, and by nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from converters import make_engine, to_torch, weights_of
from prototxt_gen import generate
from prototxt_gen.errors import CaffeError, NetworkError
from tests.quantised import CONV, IDENTITY, SOFTMAX, pixels

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def int8(net, weights, *calibration, **options):
    engine = make_engine("onnxruntime", 1, precision="int8", calibration=[{"x": one} for one in calibration], **options)
    return engine.load(net, weights)


def test_numbers_are_rounded_in_the_range_of_all_inputs_of_the_calibration(net_of):
    """256 steps from 0 to 2.55 are 0.01 each; what is beyond the range is at its end."""
    net = net_of(CONV, x=(1, 2, 1, 4))
    session = int8(net, IDENTITY, pixels(0, 0, 0, 1), pixels(0, 0, 2.55, 0))
    (found,) = session.run({"x": pixels(0.014, 0.876, 2.54, 7)}).values()
    np.testing.assert_allclose(found, pixels(0.01, 0.88, 2.54, 2.55), atol=1e-6)


def test_one_large_number_makes_all_others_coarse(net_of):
    net = net_of(CONV, x=(1, 2, 1, 4))
    session = int8(net, IDENTITY, pixels(0, 0, 0, 255))
    (found,) = session.run({"x": pixels(0.014, 0.876, 2.54, 7)}).values()
    np.testing.assert_allclose(found, pixels(0, 1, 3, 7), atol=1e-5)


def test_weights_have_a_scale_for_each_output(net_of):
    """With one scale for both, the second weight would be 0: it is less than half of 100 / 127."""
    net = net_of(CONV, x=(1, 2, 1, 1))
    weights = {"c": [np.diag([100, 0.1]).astype(np.float32).reshape(2, 2, 1, 1)]}
    top = np.array([0.01, 10], np.float32).reshape(1, 2, 1, 1)
    (found,) = int8(net, weights, top, top * 0).run({"x": top}).values()
    assert found.ravel()[1] == pytest.approx(1, rel=0.01)


def test_layers_that_stay_in_floating_point_are_named(net_of):
    net = net_of(CONV + SOFTMAX, x=(1, 2, 1, 2))
    session = int8(net, IDENTITY, pixels(0, 2.55))
    assert session.in_float == ("prob",)
    (found,) = session.run({"x": pixels(0, 1)}).values()
    np.testing.assert_allclose(found, np.full((1, 2, 1, 2), 0.5), atol=1e-6)
    assert int8(net_of(CONV, x=(1, 2, 1, 2)), IDENTITY, pixels(0, 1)).in_float == ()


@pytest.mark.parametrize("batch", [1, 3])
def test_a_network_with_its_batch_norm_gives_nearly_its_scores_the_same_each_time(batch):
    torch.manual_seed(0)
    net = generate("s8-16_b16_b32x2_c10", input_shape=(1, 3, 32, 32))
    weights = weights_of(to_torch(net))
    images = np.random.default_rng(0).normal(size=(20, 3, 32, 32)).astype(np.float32)
    calibration = [{"data": one[None]} for one in images]
    made = [make_engine("onnxruntime", 1, precision="int8", calibration=calibration) for _ in range(2)]
    first, second = (engine.load(net, weights).run({"data": images[:batch]})["fc"] for engine in made)
    np.testing.assert_array_equal(first, second)
    expected = make_engine("onnxruntime", 1).load(net, weights).run({"data": images[:batch]})["fc"]
    off = np.abs(first - expected).max() / np.abs(expected).max()
    assert 1e-4 < off < 0.1
    assert np.corrcoef(first.ravel(), expected.ravel())[0, 1] > 0.99


def test_times_of_two_calibrations_have_two_targets(net_of):
    targets = [
        make_engine("onnxruntime", 1, precision="int8", calibration=[{"x": pixels(0, end)}]).target for end in (1, 2)
    ]
    assert targets[0]["precision"] == "int8" and targets[0]["calibration"]["images"] == 1
    assert targets[0]["calibration"]["method"].startswith("min-max; uint8 activations")
    assert targets[0] != targets[1]
    net = net_of(CONV, x=(1, 2, 1, 2))
    assert int8(net, IDENTITY, pixels(0, 1)).time() > 0


def test_inputs_of_another_size_are_named(net_of):
    with pytest.raises(NetworkError, match=r"calibration\[0\]: x: found \(1, 2, 1, 3\), expected \(1, 2, 1, 2\)"):
        int8(net_of(CONV, x=(1, 2, 1, 2)), IDENTITY, pixels(0, 1, 2))


def test_without_a_calibration_it_says_what_is_missing():
    with pytest.raises(CaffeError, match="engine onnxruntime: precision int8: found no calibration, expected inputs"):
        make_engine("onnxruntime", precision="int8")
