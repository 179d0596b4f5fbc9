"""docs/old-caffemodels.md: every command and every script on the page, run on such files."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import h5py
import numpy as np
import pytest

from caffe_zoo.cli import COMMANDS, main
from converters import save_weights, to_torch, weights_of
from converters.weights.mean import save_mean
from prototxt_gen import NetParameter, wire
from prototxt_gen.binary import from_binary, to_binary
from prototxt_gen.text import parse_text

PAGE = (Path(__file__).parents[2] / "docs" / "old-caffemodels.md").read_text("utf-8")
SECTIONS = re.split(r"\n## ", PAGE)[1:]
BLOCKS = {section.split("\n", 1)[0]: re.findall(r"```(\w+)\n(.*?)```", section, re.DOTALL) for section in SECTIONS}
OLD = """
name: "old" input: "data" input_dim: 1 input_dim: 1 input_dim: 6 input_dim: 6
layers { name: "conv" type: CONVOLUTION convolution_param { num_output: 2 kernel_size: 3 } bottom: "data" top: "conv" }
layers { name: "ip" type: INNER_PRODUCT inner_product_param { num_output: 3 } bottom: "conv" top: "ip" }
"""
NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 1 dim: 6 dim: 6 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "y" convolution_param { num_output: 2 kernel_size: 3 } }
"""
INTERP = 'layer { name: "up" type: "Interp" bottom: "y" top: "z" interp_param { zoom_factor: 2 } }'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with every file that the page begins with."""
    monkeypatch.chdir(tmp_path)
    for name, text in (("net", NET), ("old", OLD), ("fork", NET + INTERP)):
        net = parse_text(text, NetParameter())
        weights = weights_of(to_torch(net))
        Path(f"{name}.prototxt").write_text(text, "utf-8")
        for old in net.layers:
            for blob in weights[old.name]:
                sizes = (1,) * (4 - blob.ndim) + blob.shape
                old.blobs.add(num=sizes[0], channels=sizes[1], height=sizes[2], width=sizes[3], data=blob.ravel())
        if name == "old":
            Path("old.caffemodel").write_bytes(to_binary(net))
        else:
            save_weights(weights, f"{name}.caffemodel", net)
        if name == "net":
            save_weights(weights, "net.caffemodel.h5")
            write_onnx(weights)
    fork = from_binary(Path("fork.caffemodel").read_bytes())
    Path("fork.caffemodel").write_bytes(to_binary(fork, "release"))
    save_mean(np.ones((3, 4, 4)), "mean.binaryproto")
    Path("solver.prototxt").write_text('net: "net.prototxt" base_lr: 0.01 solver_type: ADAM', "utf-8")
    Path("net.solverstate").write_bytes(wire.number(1, 7))
    return tmp_path


def write_onnx(weights):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, number = onnx.helper, onnx.TensorProto.FLOAT
    tensors = [onnx.numpy_helper.from_array(blob, f"w{index}") for index, blob in enumerate(weights["conv"])]
    graph = helper.make_graph(
        [helper.make_node("Conv", ["data", "w0", "w1"], ["y"])],
        "g",
        [helper.make_tensor_value_info("data", number, (1, 1, 6, 6))],
        [helper.make_tensor_value_info("y", number, None)],
        tensors,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "net.onnx")


@pytest.mark.parametrize("section", BLOCKS)
def test_what_a_section_says_to_type(folder, section, capsys):
    if "opencv" in str(BLOCKS[section]):
        cv2 = pytest.importorskip("cv2")
        if not hasattr(cv2.dnn, "readNetFromCaffe"):
            pytest.skip("this OpenCV reads no Caffe files")
    for language, text in BLOCKS[section]:
        if language == "python":
            exec(text, {})  # noqa: S102
            continue
        for line in text.splitlines():
            program, *arguments = shlex.split(line, comments=True)
            assert program == "dongfeng"
            assert main(arguments) == 0, capsys.readouterr()


def test_what_was_written(folder):
    for section, blocks in BLOCKS.items():
        if section.startswith(("Files of", "HDF5")):
            for _, text in blocks:
                for line in text.splitlines():
                    assert main(shlex.split(line, comments=True)[1:]) == 0
    assert Path("again.caffemodel").read_bytes() == Path("fork.caffemodel").read_bytes()
    assert Path("stock.caffemodel").read_bytes() != Path("fork.caffemodel").read_bytes()
    assert not from_binary(Path("new.caffemodel").read_bytes()).layers
    assert Path("solver.prototxt").read_text("utf-8") == 'base_lr: 0.01\nnet: "net.prototxt"\ntype: "Adam"\n'
    with h5py.File("net.caffemodel.h5") as file:
        assert list(file["data/conv"]) == ["0", "1"]


def test_the_commands_of_the_table_exist():
    table = PAGE[: PAGE.index("\n## ")]
    named = re.findall(r"`dongfeng (\w+)", table)
    assert len(named) >= 4 and set(named) <= set(COMMANDS)


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#:]+)\)", PAGE):
        assert (Path(__file__).parents[2] / "docs" / target).exists(), target
