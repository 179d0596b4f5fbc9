"""`dongfeng search --method ponas`: from nothing to networks and reports, gone on with, and what it refuses."""

from __future__ import annotations

import argparse
import csv
import json
from typing import get_args

import pytest

from caffe_zoo.commands.one_shot import ESTIMATES, KEPT
from caffe_zoo.commands.search import add_arguments, run
from converters import load_weights, to_torch
from prototxt_gen import read_prototxt
from prototxt_gen.errors import ArchitectureError, FormatError
from search.spaces import parse_space
from search.strategies.accuracy_table import AccuracyTable
from search.strategies.ponas import Estimate, Keep
from tests.search.study.quick import table

SPACE = "m4_i1.4e1_i8k3-5e2_i16e1-2_c10_i3x16x16"
SHORT = ["--epochs", "1", "--supernet-epochs", "1", "--row-epochs", "0.2", "--suffixes", "1", "--table-images", "200"]


def command(*words: str) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return run(parser.parse_args(words))


@pytest.fixture(scope="module")
def latencies(tmp_path_factory) -> str:
    """Of another device, so that nothing is measured here."""
    path = tmp_path_factory.mktemp("latencies") / "device.json"
    table(parse_space(SPACE)).save(path)
    return str(path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, latencies):
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    out = tmp_path_factory.mktemp("finished") / "ponas"
    words = ["--method", "ponas", "--data", "digits", "--space", SPACE, "--out", str(out), "--trials", "2", *SHORT]
    words += ["--table", latencies]
    assert command(*words) == 0
    return out, words


def test_from_nothing_to_networks(finished):
    """The files of a search by pruning, and the table's."""
    out, _ = finished
    names = {path.name for path in out.iterdir()}
    assert names >= {"report.html", "candidates.csv", "boundary.png", "boundary.json", "latency.json", "networks"}
    assert names >= {"accuracy.json", "accuracy.csv", "accuracy.png", "ponas.log", "supernet.pt", "study.db"}
    document = json.loads((out / "boundary.json").read_text())
    for network in document["networks"]:
        assert 0 < network["foretold"] < 1 and network["expected"] is None
        to_torch(read_prototxt(out / network["prototxt"]), load_weights(out / network["caffemodel"]))
        assert (out / network["merged_caffemodel"]).is_file()
    with (out / "candidates.csv").open() as file:
        assert all(float(row["foretold"]) > 0 for row in csv.DictReader(file))
    data = (out / "report.html").read_text()
    assert "% more errors than with the row" in data and "accuracy table" in data and '"heat": null' not in data


def test_the_same_command_again_tells_the_same(finished, capsys):
    out, words = finished
    table, log = (out / "accuracy.json").read_bytes(), (out / "ponas.log").read_bytes()
    assert command(*words) == 0
    printed = capsys.readouterr().out
    assert "by the table" in printed and "accuracy.png" in printed
    assert ((out / "accuracy.json").read_bytes(), (out / "ponas.log").read_bytes()) == (table, log)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (["--row-lr", "0.5"], r"accuracy\.json: made with other settings: row_lr: was 0\.02, is 0\.5"),
        (["--kept-block", "best"], "keep: was median, is best"),
        (["--lr", "0.5"], r"study\.db: .*base_lr: was 0\.05, is 0\.5"),
    ],
)
def test_other_settings_are_refused(finished, changed, said):
    with pytest.raises(FormatError, match=said):
        command(*finished[1], *changed)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--method", "ponas", "--space", "s4_b1-2_b1-1_w8-16_c10_i3x16x16"], "found no layers with candidates"),
        (["--method", "ponas", "--space", SPACE, "--strategy", "uniform"], "--strategy: found with --method ponas"),
        (["--method", "ponas", "--space", SPACE, "--margin", "0"], "--margin: found with --method ponas"),
        (["--suffixes", "2", "--row-lr", "0.1"], "--row-lr, --suffixes: found without --method ponas"),
        (["--strategy", "ponas", "--space", SPACE], "strategy ponas: found no table of accuracies"),
    ],
)
def test_options_that_do_not_go_together(words, said, tmp_path, latencies):
    pytest.importorskip("sklearn")
    more = ["--table", latencies] if SPACE in words else []
    with pytest.raises(ArchitectureError, match=said):
        command("--data", "digits", "--out", str(tmp_path), *words, *more)


def test_the_choices_are_those_of_the_rule():
    assert get_args(Keep) == KEPT and get_args(Estimate) == ESTIMATES


def test_the_table_says_what_it_was_made_with(finished):
    own = AccuracyTable.load(finished[0] / "accuracy.json").provenance["settings"]
    assert (own["epochs"], own["row_epochs"], own["suffixes"], own["table_images"]) == (1, 0.2, 1, 200)
