"""The engine `onnxruntime`: batches in pieces, and ONNX files of others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from converters import make_engine
from prototxt_gen import generate
from prototxt_gen.errors import FileError, FormatError, NetworkError, UnsupportedError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from converters.engines.onnxruntime import open_onnx  # noqa: E402


def write_onnx(path, shape=(1, 3)):
    """y = relu(x), z = -y."""
    make = onnx.helper.make_tensor_value_info
    nodes = [onnx.helper.make_node("Relu", ["x"], ["y"]), onnx.helper.make_node("Neg", ["y"], ["z"])]
    value = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(nodes, "g", [make("x", value, shape)], [make("z", value, None)])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


def test_a_file_gives_its_outputs_and_the_values_within_that_are_asked_for(tmp_path):
    session = open_onnx(write_onnx(tmp_path / "net.onnx", ("n", 3)), tops=["y", "z", "nowhere"])
    assert session.inputs == {"x": (0, 3)} and session.outputs == ("z", "y")
    found = session.run({"x": np.array([[-1, 0, 2]], np.float32)})
    assert found["y"].tolist() == [[0, 0, 2]] and found["z"].tolist() == [[0, 0, -2]]


def test_files_that_are_none(tmp_path):
    (tmp_path / "bad.onnx").write_bytes(b"no graph")
    with pytest.raises(FormatError, match=r"bad\.onnx"):
        open_onnx(tmp_path / "bad.onnx")
    with pytest.raises(FileError, match=r"none\.onnx"):
        open_onnx(tmp_path / "none.onnx")


LOSS = 'layer { name: "l" type: "EuclideanLoss" bottom: "x" bottom: "t" top: "loss" }'
# Caffe refuses another batch at a Reshape that states it.
FIXED = 'layer { name: "r" type: "Reshape" bottom: "x" top: "y" reshape_param { shape { dim: 2 dim: 3 } } }'


def test_any_batch_runs_where_the_network_allows_it(net_of):
    net = net_of(LOSS, x=(2, 3), t=(2, 3))
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    for batch in (1, 2, 5):
        given = {"x": x[:batch], "t": 0 * x[:batch]}
        expected = make_engine("torch").load(net, {}).run(given)
        assert make_engine("onnxruntime").load(net, {}).run(given)["loss"] == pytest.approx(expected["loss"])


def test_else_a_multiple_of_its_batch_runs_in_pieces(net_of):
    session = make_engine("onnxruntime").load(net_of(FIXED, x=(2, 3)), {})
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    np.testing.assert_array_equal(session.run({"x": x})["y"], x)
    with pytest.raises(UnsupportedError, match="onnxruntime cannot run it"):
        session.run({"x": x[:3]})


def test_a_batch_without_a_place_in_the_output_is_refused(net_of):
    net = net_of(f"{FIXED} {LOSS}".replace('"x" bottom: "t"', '"y" bottom: "t"'), x=(2, 3), t=(2, 3))
    session = make_engine("onnxruntime").load(net, {})
    x = np.ones((2, 3), np.float32)
    assert session.run({"x": x, "t": 0 * x})["loss"] == pytest.approx(1.5)
    with pytest.raises(NetworkError, match="batch 2 times"):
        session.run({"x": np.ones((4, 3), np.float32), "t": np.zeros((4, 3), np.float32)})


def test_no_torch_is_needed_with_weights():
    code = """
import sys
import numpy as np
from converters import make_engine
from prototxt_gen import generate
from prototxt_gen import generate
from prototxt_gen.trace import trace
net = generate("s8-8_b8_c4", input_shape=(1, 3, 32, 32))
weights = {row.name: [np.ones(shape, np.float32) for shape in row.blob_shapes] for row in trace(net) if row.blob_shapes}
engine = make_engine("onnxruntime")
assert engine.load(net, weights).time() > 0 and engine.target["threads"] > 0
assert "torch" not in sys.modules and "torch" not in engine.target["versions"]
"""
    root = Path(__file__).resolve().parents[3]
    subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(root)}, check=True)


def test_threads_that_wait_leave_the_processor_to_other_sessions():
    """benchmarks/engines.py --sessions has what it brings."""
    net = generate("s4-8_b8_c5", input_shape=(1, 3, 32, 32))
    session = make_engine("onnxruntime", threads=2).load(net)
    options = session._session.get_session_options()
    assert options.get_session_config_entry("session.force_spinning_stop") == "1"
    assert options.intra_op_num_threads == 2


def test_a_step_binds_values_and_keeps_its_outputs_memory():
    net = generate("s4-8_b8_c5", input_shape=(1, 3, 32, 32))
    session = make_engine("onnxruntime", threads=1).load(net)
    blob = np.random.default_rng(0).normal(size=(1, 3, 32, 32)).astype(np.float32)
    values = session.native({"data": blob})
    assert values["data"].data_ptr() == blob.ctypes.data
    first, second = (session.step(values)[0]["fc"] for _ in range(2))
    assert first.data_ptr() == second.data_ptr()
    np.testing.assert_array_equal(second.numpy(), session.run({"data": blob})["fc"])
    pair = session.step(session.native({"data": np.concatenate([blob, -blob])}))[0]["fc"]
    assert pair.shape() == [2, 5]
    np.testing.assert_allclose(session.step(values)[0]["fc"].numpy(), pair.numpy()[:1], rtol=1e-4, atol=1e-6)
