"""docs/int8.md: its command lines are understood, and its Python runs."""

from __future__ import annotations

import argparse
import re
import shlex
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from converters import save_weights, to_torch, weights_of
from prototxt_gen import generate, write_prototxt

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "int8.md").read_text("utf-8")
COMMANDS = re.findall(r"^dongfeng (\w+) (.*)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("command", "words"), COMMANDS, ids=lambda value: str(value)[:30])
def test_its_command_lines_are_understood(command, words):
    parser = argparse.ArgumentParser()
    import_module(f"caffe_zoo.commands.{command}").add_arguments(parser)
    assert parser.parse_args(shlex.split(words)).int8


def test_its_python_runs(tmp_path, monkeypatch, capsys):
    pytest.importorskip("onnxruntime")
    monkeypatch.chdir(tmp_path)
    net = generate("s4-8_b8_c5", input_shape=(1, 3, 32, 32))
    write_prototxt(net, "net.prototxt")
    save_weights(weights_of(to_torch(net)), "net.caffemodel", net)
    np.save("images.npy", np.random.default_rng(0).normal(size=(3, 3, 32, 32)).astype(np.float32))
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, object] = {}
    exec(code, names)  # noqa: S102
    assert names["scores"]["fc"].shape == (1, 5)
    assert "'images': 3" in capsys.readouterr().out
