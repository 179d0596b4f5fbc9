"""The engine `onnxruntime`: batches in pieces, and ONNX files of others."""

from __future__ import annotations

import numpy as np
import pytest

from converters import make_engine
from prototxt_gen.errors import FileError, FormatError, NetworkError

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


def test_a_batch_without_a_place_in_the_output_is_refused(net_of):
    net = net_of('layer { name: "l" type: "EuclideanLoss" bottom: "x" bottom: "t" top: "loss" }', x=(2, 3), t=(2, 3))
    session = make_engine("onnxruntime").load(net, {})
    x = np.ones((2, 3), np.float32)
    assert session.run({"x": x, "t": 0 * x})["loss"] == pytest.approx(1.5)
    with pytest.raises(NetworkError, match="batch 2 times"):
        session.run({"x": np.ones((4, 3), np.float32), "t": np.zeros((4, 3), np.float32)})
