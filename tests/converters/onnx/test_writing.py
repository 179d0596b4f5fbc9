"""ONNX files: what is in them, weights beside them, and that a fault leaves the old ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from converters import export_onnx
from converters.engines.onnxruntime import open_onnx
from converters.onnx import writing
from converters.onnx.exporting import to_graph, to_model
from prototxt_gen.errors import FileError, NotInstalledError, UnsupportedError
from tests.converters.onnx.checking import net_of, onnx, runtime

ROOT = Path(__file__).resolve().parents[3]
NET = net_of(
    """layer { name: "c" type: "Convolution" bottom: "x" top: "y" convolution_param { num_output: 40 kernel_size: 3 } }
    layer { name: "d" type: "Convolution" bottom: "y" top: "z" convolution_param { num_output: 4 kernel_size: 1 } }""",
    x=(1, 3, 8, 8),
)
NUMBERS = np.random.default_rng(0)
WEIGHTS = {
    "c": [NUMBERS.normal(size=(40, 3, 3, 3)).astype(np.float32), NUMBERS.normal(size=40).astype(np.float32)],
    "d": [NUMBERS.normal(size=(4, 40, 1, 1)).astype(np.float32), NUMBERS.normal(size=4).astype(np.float32)],
}


def run(model):
    session = runtime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": np.ones((1, 3, 8, 8), np.float32)})[0]


def test_the_file_is_the_model(tmp_path):
    export_onnx(NET, WEIGHTS, tmp_path / "net.onnx")
    model = onnx.load(tmp_path / "net.onnx")
    assert model == to_model(NET, WEIGHTS)
    assert model.SerializeToString() == onnx.load_from_string(model.SerializeToString()).SerializeToString()
    found = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for layer, blobs in WEIGHTS.items():
        for blob, name in zip(blobs, ("weight", "bias"), strict=True):
            np.testing.assert_array_equal(found[f"{layer}.{name}"], blob)


def test_weights_of_large_models_lie_beside(tmp_path, monkeypatch):
    expected = run(to_graph(NET, WEIGHTS).to_bytes())
    monkeypatch.setattr(writing, "MOST_BYTES", 4000)
    path = tmp_path / "große netze.onnx"
    export_onnx(NET, WEIGHTS, path)
    assert {file.name for file in tmp_path.iterdir()} == {path.name, f"{path.name}.data"}
    onnx.checker.check_model(str(path), full_check=True)
    np.testing.assert_array_equal(run(str(path)), expected)
    assert open_onnx(path, ["y"]).run({"x": np.ones((1, 3, 8, 8), np.float32)})["y"].shape == (1, 40, 6, 6)
    model = onnx.load(path, load_external_data=False)
    beside = {
        tensor.name: {entry.key: entry.value for entry in tensor.external_data} for tensor in model.graph.initializer
    }
    assert beside["c.weight"] == {"location": f"{path.name}.data", "offset": "0", "length": str(4 * 40 * 27)}
    assert not beside["c.bias"] and path.stat().st_size < 4000


@pytest.mark.parametrize("most", [writing.MOST_BYTES, 4000])
def test_a_fault_leaves_the_old_files(tmp_path, monkeypatch, most):
    path, beside = tmp_path / "net.onnx", tmp_path / "net.onnx.data"
    path.write_bytes(b"old")
    beside.write_bytes(b"older")
    monkeypatch.setattr(writing, "MOST_BYTES", most)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(FileError, match=r"net\.onnx(\.data)?: cannot be written: No space"):
            export_onnx(NET, WEIGHTS, path)
    with pytest.raises(UnsupportedError):
        export_onnx(net_of('layer { name: "d" type: "Dropout" bottom: "x" top: "y" phase: TRAIN }', x=(1, 2)), {}, path)
    assert (path.read_bytes(), beside.read_bytes()) == (b"old", b"older")
    assert {file.name for file in tmp_path.iterdir()} == {path.name, beside.name}


def test_folders_that_are_none(tmp_path):
    with pytest.raises(FileError, match="no-folder"):
        export_onnx(NET, WEIGHTS, tmp_path / "no-folder" / "net.onnx")
    with pytest.raises(FileError, match=tmp_path.name):
        export_onnx(NET, WEIGHTS, tmp_path)


def test_onnx_may_be_absent(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(NotInstalledError, match=r"dongfeng\[onnx\]"):
        export_onnx(NET, WEIGHTS, tmp_path / "net.onnx")


def test_neither_torch_nor_onnx_is_imported_early(tmp_path):
    code = """
import sys
from converters import export_onnx
assert not {"torch", "onnx"} & set(sys.modules)
from prototxt_gen import generate
from prototxt_gen.trace import trace
import numpy as np
net = generate("s8-8_b8_c4", input_shape=(1, 3, 32, 32))
weights = {row.name: [np.ones(shape, np.float32) for shape in row.blob_shapes] for row in trace(net) if row.blob_shapes}
export_onnx(net, weights, "net.onnx", outputs=["conv1"])
assert "onnx" in sys.modules and "torch" not in sys.modules
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "net.onnx").exists()
