"""An ONNX file on the command line becomes a pair for Caffe, or leaves one line and no file."""

from __future__ import annotations

import pytest

onnx = pytest.importorskip("onnx")

from converters import load_weights  # noqa: E402
from prototxt_gen import read_prototxt, summarize  # noqa: E402
from tests.converters.onnx.operators.checking import close, expected, model, node, normal  # noqa: E402
from tests.converters.onnx.operators.checking import run as computed  # noqa: E402

X = {"x": normal(1, 3, 8, 8)}
CONSTANTS = {
    "w": normal(4, 3, 3, 3), "b": normal(4), "scale": normal(4), "shift": normal(4, seed=1), "mean": normal(4, seed=2),
    "var": normal(4) ** 2,
}  # fmt: skip
NODES = [
    node("Conv", "x w b", "c", pads=[1, 1, 1, 1]),
    node("BatchNormalization", "c scale shift mean var", "n"),
    node("Relu", "n", "y"),
]


def named(nodes):
    for one in nodes:
        one.name = f"block/{one.output[0]}/{one.op_type}"
    return nodes


@pytest.fixture
def net(tmp_path):
    path = tmp_path / "net.onnx"
    proto = model(named(NODES), X, CONSTANTS)
    proto.graph.input[0].CopyFrom(onnx.helper.make_tensor_value_info("x", 1, ["N", 3, "H", "W"]))
    onnx.save(proto, path)
    return path


def layers(path):
    return [layer.type for layer in read_prototxt(path).layer]


@pytest.mark.parametrize("suffix", [".caffemodel", ".h5", ".safetensors"])
def test_a_pair_is_written(run, net, tmp_path, suffix):
    prototxt, weights = tmp_path / "out.prototxt", tmp_path / f"out{suffix}"
    printed = run("convert", net, prototxt, weights, "--input-shape", "1,3,8,8")
    assert printed == f"{prototxt}: 3 layers\n{weights}: 1 layers, 2 blobs, 112 numbers\n"
    made = computed(read_prototxt(prototxt), load_weights(weights), X, ["y"])
    close(made, expected(model(NODES, X, CONSTANTS), X))


def test_options_of_reading(run, net, tmp_path):
    prototxt, weights = tmp_path / "out.prototxt", tmp_path / "out.caffemodel"
    run("convert", net, prototxt, weights, "--input-shape", "x=2,3,6,8", "--unmerged", "--separator", "_",
        "--longest-name", "8", "--dialect", "fork", "--no-round-mode")  # fmt: skip
    made = read_prototxt(prototxt)
    assert layers(prototxt) == ["Input", "Convolution", "BatchNorm", "Scale", "ReLU"]
    assert summarize(made).outputs == {"y": (2, 4, 6, 8)}
    names = [name for layer in made.layer for name in (layer.name, *layer.top)]
    assert not [name for name in names if "/" in name or len(name) > 8]
    assert set(load_weights(weights)) <= set(names)


def test_faults_are_one_line_and_leave_no_file(fault, net, tmp_path):
    prototxt, weights = tmp_path / "out.prototxt", tmp_path / "out.caffemodel"
    words = ("convert", net, prototxt, weights)
    assert "open sizes in (?, 3, ?, ?)" in fault(*words)
    assert "found z, expected of the inputs x" in fault(*words, "--input-shape", "z=1,3,8,8")
    assert "two shapes for one input" in fault(*words, "--input-shape", "1,3,8,8", "--input-shape", "x=1,3,8,8")
    assert "net.onnx: cannot be read" in fault("convert", tmp_path / "no" / "net.onnx", prototxt, weights)
    onnx.save(model([node("Sin", "x", "s"), node("Cos", "s")], X), tmp_path / "sin.onnx")
    message = fault("convert", tmp_path / "sin.onnx", prototxt, weights)
    assert "sin.onnx: Caffe cannot do 2 nodes exactly: node 'Sin_s' (Sin): " in message and "'Cos_y'" in message
    assert not prototxt.exists() and not weights.exists()


def test_arguments_that_do_not_go_together(fault, net, pair, tmp_path):
    prototxt, caffemodel = pair
    out = (tmp_path / "out.prototxt", tmp_path / "out.caffemodel")
    assert "expected a network and its weights" in fault("convert", net, *reversed(out))
    assert "expected two outputs" in fault("convert", net, tmp_path / "out.caffemodel")
    for words in (["--stock", tmp_path / "s"], ["--phase", "TEST"], ["--strict"], ["--dialect", "release"]):
        assert "are for networks of Caffe" in fault("convert", net, *out, *words)
    for words in (["--gelu", "tanh"], ["--longest-name", "9"], ["--dialect", "fork"], ["--separator", "_"]):
        assert "for reading .onnx" in fault("convert", prototxt, caffemodel, tmp_path / "out.h5", *words)
    assert not any(path.exists() for path in out)


def test_neither_is_written_where_one_is_a_folder(fault, net, tmp_path):
    folder, weights = tmp_path / "net.prototxt", tmp_path / "out.caffemodel"
    folder.mkdir()
    assert "is a folder" in fault("convert", net, folder, weights, "--input-shape", "1,3,8,8")
    assert not weights.exists()


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    pytest.importorskip("onnxscript", reason="torch's exporter needs onnxscript")
    import torch
    from torch import nn

    path = tmp_path_factory.mktemp("pt2") / "tiny.pt2"
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Sequential(nn.Hardswish())).eval()
    x = torch.randn(1, 3, 6, 6)
    torch.export.save(torch.export.export(module, (x,)), path)
    return path, x.numpy(), module(x).detach().numpy()


def test_a_program_of_torch_export_becomes_a_pair(run, program, tmp_path):
    path, x, y = program
    prototxt, weights = tmp_path / "out.prototxt", tmp_path / "out.caffemodel"
    run("convert", path, prototxt, weights, "--separator", "_", "--longest-name", "6")
    made = read_prototxt(prototxt)
    assert made.name == "tiny" and "BatchNorm" not in layers(prototxt)
    assert all(len(layer.name) <= 6 and "/" not in layer.name for layer in made.layer)
    [top] = summarize(made).outputs
    close(computed(made, load_weights(weights), {made.layer[0].top[0]: x}, [top]), [y])


def test_faults_of_programs(fault, program, tmp_path):
    prototxt, weights = tmp_path / "out.prototxt", tmp_path / "out.caffemodel"
    assert "has the shapes it was exported with" in fault(
        "convert", program[0], prototxt, weights, "--input-shape", "1,3,6,6"
    )
    broken = tmp_path / "broken.pt2"
    broken.write_bytes(program[0].read_bytes()[:1000])
    assert "broken.pt2: found no program of torch.export.save" in fault("convert", broken, prototxt, weights)
    import torch

    path = tmp_path / "bent.pt2"
    torch.export.save(torch.export.export(torch.nn.GELU(), (torch.randn(1, 3),)), path)
    found = fault("convert", path, prototxt, weights)
    assert "bent.pt2: Caffe cannot do 1 node" in found and "exported" not in found
    for name in ("module.pt", "module.pth"):
        found = fault("convert", tmp_path / name, prototxt, weights)
        assert "a pickle of PyTorch" in found and "torch.export.save(" in found
    assert not prototxt.exists() and not weights.exists()
