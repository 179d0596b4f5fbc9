"""docs/pytorch-to-caffe.md: every script and every command on the page, in its order; and the example."""

from __future__ import annotations

import importlib.util
import re
import runpy
import shlex
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from caffe_zoo.cli import main
from converters import load_weights, to_torch
from prototxt_gen import read_prototxt

pytest.importorskip("onnx")
pytest.importorskip("onnxscript", reason="torch's exporter needs onnxscript")

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "pytorch-to-caffe.md").read_text("utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the page's blocks were run, and the names that its scripts made."""
    import os

    path, before, names = tmp_path_factory.mktemp("page"), Path.cwd(), {}
    os.chdir(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            for language, text in BLOCKS:
                if language == "python":
                    exec(text, names)  # noqa: S102
                elif language == "sh":
                    for line in text.splitlines():
                        program, *words = shlex.split(line, comments=True)
                        assert program == "dongfeng" and main(words) == 0, line
    finally:
        os.chdir(before)
    return path, names


def test_every_pair_computes_what_the_module_does(folder):
    path, names = folder
    expected = names["module"].eval()(names["example"]).detach().numpy()
    for name in ("corners", "old", "kept"):
        net = read_prototxt(path / f"{name}.prototxt")
        found = to_torch(net, load_weights(path / f"{name}.caffemodel"))(names["example"])
        np.testing.assert_allclose(found.detach().numpy(), expected, atol=1e-5 * np.abs(expected).max())


def test_what_the_page_says_of_names(folder):
    path, names = folder
    layers = {layer.name for layer in names["net"].layer}
    for name in re.findall(r"`(blocks\.[\w./]+)`", PAGE):
        assert name in layers, name
    old = read_prototxt(path / "old.prototxt")
    assert all(len(layer.name) <= 32 and "/" not in layer.name for layer in old.layer)
    assert not any(layer.pooling_param.HasField("round_mode") for layer in old.layer)
    assert any(layer.pooling_param.HasField("round_mode") for layer in names["net"].layer)


@pytest.mark.skipif(importlib.util.find_spec("caffe") is None, reason="no pycaffe here")
def test_the_script_for_caffe(folder, monkeypatch):
    monkeypatch.chdir(folder[0])
    for language, text in BLOCKS:
        if language == "pycaffe":
            exec(text, {})  # noqa: S102


def test_the_example(tmp_path, monkeypatch, capsys):
    prototxt, weights = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    monkeypatch.setattr(sys, "argv", ["pytorch_to_caffe.py", str(prototxt), str(weights)])
    runpy.run_path(str(ROOT / "examples" / "pytorch_to_caffe.py"))
    assert "agrees with Net in PyTorch" in capsys.readouterr().out
    to_torch(read_prototxt(prototxt), load_weights(weights))


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#:]+)\)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
