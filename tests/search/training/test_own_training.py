"""examples/own_training.py: a search with a training function of the user's."""

import inspect
import json
import runpy
import sys
from pathlib import Path

import pytest

from converters.pytorch.module import to_torch
from prototxt_gen.text import read_prototxt
from search.study import loop
from search.training.training import evaluate

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "own_training.py"


def test_the_example_finds_networks_and_keeps_their_weights(tmp_path, monkeypatch, capsys):
    pytest.importorskip("sklearn")
    # Latencies known to a half are enough here.
    monkeypatch.setattr(loop, "SPREAD", 0.5)
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE), str(tmp_path / "run")])
    made = runpy.run_path(str(EXAMPLE), run_name="__main__")
    assert len(inspect.getsource(made["train"]).splitlines()) <= 13
    document = json.loads((tmp_path / "run" / "boundary.json").read_text())
    printed = capsys.readouterr().out
    assert document["networks"] and document["counts"]["trained"] == 4
    for network in document["networks"]:
        assert network["code"] in printed and network["accuracy"] > 0.3
        for prototxt, weights in (("prototxt", "caffemodel"), ("merged_prototxt", "merged_caffemodel")):
            files = tmp_path / "run" / network[prototxt], tmp_path / "run" / network[weights]
            module = to_torch(read_prototxt(files[0]), files[1])
            assert evaluate(module, made["data"].held_out) == pytest.approx(network["accuracy"], abs=2 / 599)
