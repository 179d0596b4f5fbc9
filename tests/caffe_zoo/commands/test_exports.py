"""dongfeng convert to .onnx: what is written and said, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from caffe_zoo.cards import CARDS
from converters import save_weights, to_torch, weights_of
from prototxt_gen import generate, write_prototxt
from tests.caffe_zoo.commands.conftest import OLD

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")


@pytest.fixture
def files(tmp_path):
    """A small network in files, with batch norm, and where to write."""
    net = generate("s8-8_b8_c4", input_shape=(1, 3, 32, 32))
    write_prototxt(net, tmp_path / "net.prototxt")
    save_weights(weights_of(to_torch(net)), tmp_path / "net.caffemodel", net)
    return tmp_path / "net.prototxt", tmp_path / "net.caffemodel", tmp_path / "net.onnx"


def kinds(path):
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    return {node.op_type for node in model.graph.node}


def test_a_network_and_its_weights_become_one_file(run, files):
    said = run("convert", *files).splitlines()
    assert said[0].startswith(f"{files[2]}: ") and " nodes, " in said[0]
    assert said[1:] == ["  input data: 1 x 3 x 32 x 32", "  output fc: 1 x 4"]
    assert "BatchNormalization" not in kinds(files[2])
    assert "agrees with onnxruntime" in run("verify", *files[:2], "--against", files[2])


def test_batch_norm_may_be_kept_and_sizes_left_open(run, files):
    said = run("convert", *files, "--unmerged", "--dynamic", "batch")
    assert "  input data: batch x 3 x 32 x 32\n  output fc: batch x 4\n" in said
    assert "BatchNormalization" in kinds(files[2])
    assert "agrees with onnxruntime" in run("verify", *files[:2], "--against", files[2])
    session = runtime.InferenceSession(str(files[2]), providers=["CPUExecutionProvider"])
    assert session.run(None, {"data": np.zeros((5, 3, 32, 32), np.float32)})[0].shape == (5, 4)


def test_input_shape(run, files):
    assert "  input data: 2 x 3 x 32 x 32\n" in run("convert", *files, "--input-shape", "2,3,32,32")


def test_weights_of_any_format(run, files, tmp_path):
    run("convert", *files)
    expected = files[2].read_bytes()
    for suffix in (".safetensors", ".caffemodel.h5", ".pt"):
        run("convert", *files[:2], tmp_path / f"w{suffix}")
        run("convert", files[0], tmp_path / f"w{suffix}", tmp_path / "again.onnx")
        if suffix != ".pt":  # there the statistics come divided by their factor
            assert (tmp_path / "again.onnx").read_bytes() == expected


@pytest.mark.parametrize("age", OLD)
def test_old_files(run, old_pair, tmp_path, age):
    run("convert", *old_pair(age)[:2], tmp_path / "net.onnx")
    assert kinds(tmp_path / "net.onnx") == {"Conv", "Flatten", "Gemm"}


def test_a_card_goes_into_the_metadata(run, files):
    run("convert", *files, "--card", "df1")
    found = {entry.key: entry.value for entry in onnx.load(files[2]).metadata_props}
    assert found["network"] == "df1" and found["licence"] == CARDS["df1"].licence
    assert json.loads(found["preprocessing"])["data"]["mean"] == list(CARDS["df1"].preprocessing.mean)


def test_faults_are_one_line_and_leave_the_old_file(fault, files, tmp_path):
    prototxt, weights, output = files
    output.write_bytes(b"old")
    assert "layer 'fc' (InnerProduct): its blobs" in fault("convert", *files, "--dynamic", "sizes")
    assert ".onnx needs the network: dongfeng convert NET.prototxt" in fault("convert", weights, output)
    assert "--stock, --phase and --dialect are for" in fault("convert", *files, "--dialect", "bvlc")
    assert "is an input that is only read" in fault("convert", prototxt, output, output)
    assert "cannot be read" in fault("convert", prototxt, tmp_path / "absent.caffemodel", output)
    for option in (["--dynamic", "batch"], ["--card", "df1"]):
        assert "is for writing .onnx alone" in fault("convert", prototxt, weights, tmp_path / "a.h5", *option)
    assert "--unmerged is for" in fault("convert", prototxt, weights, tmp_path / "a.h5", "--unmerged")
    other = generate("s8-8_b16_c4", input_shape=(1, 3, 32, 32))
    write_prototxt(other, prototxt)
    assert "weights do not fit" in fault("convert", *files)
    assert output.read_bytes() == b"old"
    assert {path.name for path in tmp_path.iterdir()} == {"net.prototxt", "net.caffemodel", "net.onnx"}
