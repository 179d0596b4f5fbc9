"""int8 by RKNN-Toolkit2 and its simulator: it rounds as the calibration says, and as onnxruntime's static quantisation.

What onnxruntime makes of the same networks is in tests/converters/engines/test_static_quantisation.py.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from caffe_zoo.cli import main
from converters import make_engine, save_weights, to_torch, weights_of
from prototxt_gen import generate, write_prototxt
from tests.quantised import CONV, IDENTITY, SOFTMAX, pixels
from tests.toolchains.trying import network

pytestmark = [pytest.mark.toolchains, pytest.mark.usefixtures("rknn")]


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


@pytest.mark.parametrize(("device", "float_column"), [("cpu", "float16"), ("rv1106", "torch float32")])
def test_evaluate_says_what_int8_costs(tmp_path, capsys, device, float_column):
    """Labels are what the network says in float32, so that the float columns are right throughout."""
    torch.manual_seed(0)
    net = generate("s8-16_b16_c4", input_shape=(1, 3, 16, 16))
    weights = weights_of(to_torch(net))
    write_prototxt(net, tmp_path / "net.prototxt")
    save_weights(weights, tmp_path / "net.caffemodel", net)
    lines = []
    (tmp_path / "val").mkdir()
    for number, image in enumerate(np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), np.uint8)):
        Image.fromarray(image).save(tmp_path / "val" / f"{number}.png")
        blob = (image[..., ::-1].transpose(2, 0, 1)[None] - 100).astype(np.float32) * np.float32(0.01)
        scores = make_engine("torch").load(net, weights).run({"data": blob})["fc"]
        lines.append(f"{number}.png {scores.argmax()}\n")
    (tmp_path / "val.txt").write_text("".join(lines))
    words = ["evaluate", tmp_path / "net.prototxt", "--weights", tmp_path / "net.caffemodel", "--data", tmp_path]
    words += ["--mean", "100", "--scale", "0.01", "--int8", tmp_path / "val", "--engine", "rknn"]
    assert main([*map(str, words), "--engine-device", device]) == 0
    said = capsys.readouterr().out
    assert "int8: quantized_algorithm normal, quantized_method channel, w8a8" in said
    heads, top1 = (line.split() for line in said.splitlines()[4:6])
    assert heads == [*float_column.split(), "int8", "difference"]
    assert top1[2] == "100.00%" and float(top1[3][:-1]) > 50
