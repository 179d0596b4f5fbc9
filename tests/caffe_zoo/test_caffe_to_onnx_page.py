"""docs/caffe-to-onnx.md: every command and every script on the page, run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from caffe_zoo.cli import main
from converters import save_weights, to_torch, weights_of
from prototxt_gen import NetParameter, generate, write_prototxt
from prototxt_gen.text import parse_text

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

PAGE = (Path(__file__).parents[2] / "docs" / "caffe-to-onnx.md").read_text("utf-8")
SECTIONS = re.split(r"\n## ", PAGE)[1:]
BLOCKS = {section.split("\n", 1)[0]: re.findall(r"```(\w+)\n(.*?)```", section, re.DOTALL) for section in SECTIONS}
FULL = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 1 dim: 8 dim: 8 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "y" convolution_param { num_output: 2 kernel_size: 3 } }
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the two networks of the page."""
    monkeypatch.chdir(tmp_path)
    for name, net in (
        ("net", generate("s8-8_b8_c4", input_shape=(1, 3, 32, 32))),
        ("full", parse_text(FULL, NetParameter())),
    ):
        write_prototxt(net, f"{name}.prototxt")
        save_weights(weights_of(to_torch(net)), f"{name}.caffemodel", net)
    return tmp_path


@pytest.mark.parametrize("section", [section for section, blocks in BLOCKS.items() if blocks])
def test_what_a_section_says_to_type(folder, section, capsys):
    for language, text in BLOCKS[section]:
        if language == "python":
            exec(text, {})  # noqa: S102
        for line in text.splitlines() if language == "sh" else ():
            assert main(shlex.split(line, comments=True)[1:]) == 0, line
    for path in folder.glob("*.onnx"):
        onnx.checker.check_model(str(path), full_check=True)


def test_what_the_page_says_of_names_and_sizes(folder):
    main(["convert", "full.prototxt", "full.caffemodel", "full.onnx", "--dynamic", "sizes"])
    model = onnx.load("full.onnx")
    (data,) = model.graph.input
    assert [axis.dim_param or axis.dim_value for axis in data.type.tensor_type.shape.dim] == [
        "batch",
        1,
        "height",
        "width",
    ]
    assert [(node.name, node.op_type, list(node.output)) for node in model.graph.node] == [("conv", "Conv", ["y"])]
    assert (model.producer_name, model.ir_version, model.opset_import[0].version) == ("dongfeng", 8, 17)


def test_what_is_refused_is_refused(folder, capsys):
    assert main(["convert", "net.prototxt", "net.caffemodel", "net.onnx", "--dynamic", "sizes"]) == 2
    assert "layer 'fc' (InnerProduct)" in capsys.readouterr().err and not Path("net.onnx").exists()
