"""dongfeng convert to .onnx: what is written and said, and what is refused."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

from caffe_zoo.cards import CARDS
from converters import save_weights, to_torch, weights_of
from prototxt_gen import NetParameter, generate, write_prototxt
from prototxt_gen.text import parse_text
from tests.caffe_zoo.commands.conftest import OLD
from tests.filling import fill_weights

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

PROGRAM = Path(__file__).parents[2] / "converters" / "onnx" / "caffe2onnx_program.py"


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
    assert "pip install caffe2onnx==2.0.1" in fault("convert", *files, "--backend", "caffe2onnx")
    assert "for --backend caffe2onnx alone" in fault("convert", *files, "--backend-python", "python")
    assert "found --dynamic" in fault("convert", *files, "--backend", "caffe2onnx", "--dynamic", "batch")
    for option in (
        ["--dynamic", "batch"], ["--card", "df1"], ["--backend", "caffe2onnx"], ["--backend-python", "python"]
    ):  # fmt: skip
        assert "is for writing .onnx alone" in fault("convert", prototxt, weights, tmp_path / "a.h5", *option)
    assert "--unmerged is for" in fault("convert", prototxt, weights, tmp_path / "a.h5", "--unmerged")
    other = generate("s8-8_b16_c4", input_shape=(1, 3, 32, 32))
    write_prototxt(other, prototxt)
    assert "weights do not fit" in fault("convert", *files)
    assert output.read_bytes() == b"old"
    assert {path.name for path in tmp_path.iterdir()} == {"net.prototxt", "net.caffemodel", "net.onnx"}


def test_another_backend(run, files, tmp_path):
    program = tmp_path / "env" / "python"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, str(PROGRAM), "well"])} "$@"\n', "utf-8")
    program.chmod(0o755)
    text = """
    layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 4 dim: 4 } } }
    layer { name: "fc" type: "InnerProduct" bottom: "data" top: "y" inner_product_param { num_output: 5 } }
    layer { name: "relu" type: "ReLU" bottom: "y" top: "y" }
    """
    net = parse_text(text, NetParameter())
    write_prototxt(net, files[0])
    save_weights(fill_weights(net), files[1], net)
    options = ("--backend", "caffe2onnx", "--backend-python", program)
    said = run("convert", *files, *options, "--input-shape", "4,3,4,4").splitlines()
    assert said == [
        f"{files[2]}: 3 nodes, 3 constants, 247 numbers", "  input data: 4 x 3 x 4 x 4", "  output y: 4 x 5"
    ]  # fmt: skip
    assert "agrees with onnxruntime" in run("verify", *files[:2], "--against", files[2], "--input-shape", "4,3,4,4")
