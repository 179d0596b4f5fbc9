"""The engine `openvino`: nothing reported, no copies, no other precision, a graph for each batch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from converters import make_engine
from prototxt_gen import generate
from prototxt_gen.errors import NetworkError, UnsupportedError
from tests.filling import fill_inputs, fill_weights

pytest.importorskip("onnx")
pytest.importorskip("openvino")


@pytest.fixture(scope="module")
def session():
    net = generate("s4-8_b8_b8-16_c5", input_shape=(1, 3, 32, 32))
    return make_engine("openvino", threads=1).load(net, fill_weights(net))


@pytest.fixture(scope="module")
def blob():
    return np.random.default_rng(0).normal(size=(1, 3, 32, 32)).astype(np.float32)


def test_its_makers_hear_of_nothing():
    """OpenVINO's packages report their import by themselves, where the package for that can be imported."""
    code = """
import sys
from converters import make_engine
assert make_engine("openvino").target["threads"] > 0
assert "openvino" in sys.modules and "torch" not in sys.modules
assert not [name for name in sys.modules if name.startswith("openvino_telemetry")]
"""
    root = Path(__file__).resolve().parents[3]
    subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(root)}, check=True)


def test_outputs_are_written_into_memory_that_nobody_holds_any_more(session, blob):
    first = session.run({"data": blob})["fc"]
    place = first.ctypes.data
    kept = first[0, 1:3]  # a part holds the whole
    del first
    second = session.run({"data": 2 * blob})["fc"]
    assert second.ctypes.data != place
    values = kept.copy()
    del second
    place = session.run({"data": blob})["fc"].ctypes.data
    assert session.run({"data": 2 * blob})["fc"].ctypes.data == place
    assert np.array_equal(kept, values)


def test_a_step_takes_arrays_without_a_copy(session, blob):
    values = session.native({"data": blob})
    assert values["data"].data.ctypes.data == blob.ctypes.data
    outputs, _ = session.step(values)
    again, _ = session.step(values)
    assert outputs["fc"].data.ctypes.data == again["fc"].data.ctypes.data


def test_each_batch_has_a_graph_of_its_own_and_few_stay(session, blob):
    expected = session.run({"data": blob})["fc"].copy()
    for batch in (2, 5, 3):
        found = session.run({"data": np.repeat(blob, batch, 0)})["fc"]
        np.testing.assert_allclose(found, np.repeat(expected, batch, 0), rtol=1e-5, atol=1e-6)
    assert [shapes[0][0] for shapes in session._requests] == [1, 3]
    with pytest.raises(UnsupportedError, match=r"data: found \(1, 3, 16, 16\), expected \('N', 3, 32, 32\)"):
        session.run({"data": blob[:, :, ::2, ::2]})


def test_a_fixed_batch_runs_in_pieces(net_of):
    net = net_of(
        """layer { name: "r" type: "Reshape" bottom: "x" top: "y" reshape_param { shape { dim: 2 dim: 3 } } }
           layer { name: "l" type: "EuclideanLoss" bottom: "y" bottom: "t" top: "loss" }""",
        x=(2, 3),
        t=(2, 3),
    )
    engine = make_engine("openvino", threads=1)
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    np.testing.assert_array_equal(engine.load(net, {}, outputs=["y"]).run({"x": x})["y"], x)
    session = engine.load(net, {})
    assert session.run({"x": x[:2], "t": 0 * x[:2]})["loss"] == pytest.approx((x[:2] ** 2).sum() / 4)
    with pytest.raises(NetworkError, match="OpenVINO: found a batch 2 times the network's, but an output without a"):
        session.run({"x": x, "t": 0 * x})


def test_float32_is_float32_and_bfloat16_is_not(blob):
    net = generate("s16-32_b64_b128_c100", input_shape=(1, 3, 32, 32))
    weights, inputs = fill_weights(net), fill_inputs(net)
    exact = make_engine("torch").load(net, weights).run(inputs)["fc"]
    gaps = {}
    for precision in ("float32", "bfloat16"):
        try:
            engine = make_engine("openvino", precision=precision)
        except UnsupportedError:
            assert precision == "bfloat16"
            pytest.skip("no bfloat16 on this processor")
        assert engine.target["precision"] == precision
        gaps[precision] = np.abs(engine.load(net, weights).run(inputs)["fc"] - exact).max() / np.abs(exact).max()
    assert gaps["float32"] < 1e-5 < 1e-4 < gaps["bfloat16"] < 0.05


@pytest.mark.parametrize("device", ["cpu", "CPU", "auto", "auto:cpu", "hetero:cpu"])
def test_devices_are_called_as_openvino_calls_them(device, blob):
    engine = make_engine("openvino", threads=1, device=device)
    assert engine.target["plugin"] == device.upper()
    net = generate("s4-8_b8_c5", input_shape=(1, 3, 32, 32))
    assert engine.load(net, fill_weights(net)).time({"data": blob}) > 0
    assert engine.target["device"] == make_engine("torch").target["device"]
