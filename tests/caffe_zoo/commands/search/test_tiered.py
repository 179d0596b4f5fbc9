"""`dongfeng search --method tiered`: from nothing to networks and reports, gone on with, and what it refuses."""

from __future__ import annotations

import argparse
import json
from dataclasses import fields
from typing import get_args

import pytest

from caffe_zoo.commands.search import add_arguments, run
from caffe_zoo.commands.tiered import JOINED, add_tiered, rules_of, tiered_of
from converters import load_weights, to_torch
from converters.verify import verify
from prototxt_gen import read_prototxt
from prototxt_gen.architectures import parse_architecture
from prototxt_gen.errors import ArchitectureError, CaffeError, FormatError
from search.latency.overview import Overview
from search.spaces import parse_space
from search.strategies.tiered import Rules
from search.study.tiered import read_found
from search.training.schedule import Schedule
from search.training.tiered import Joined, Tiered
from tests.search.study.quick import table

SPACE = "g4_if8x1-2_i16k3-5x1-2_h16_t4.3_c10_i3x16x16"
SHORT = ["--epochs", "1", "--search-epochs", "1", "--warm-up-epochs", "0.3", "--architecture-lr", "0.2"]
SHORT += ["--search-batch-size", "128", "--rule", "every=2"]


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(words)


def command(*words: str) -> int:
    return run(parsed(*words))


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
    out = tmp_path_factory.mktemp("finished") / "tiered"
    overview = Overview(parse_space(SPACE), table(parse_space(SPACE)))
    most = (overview.fastest.ms + overview.slowest.ms) / 2
    words = ["--method", "tiered", "--data", "digits", "--space", SPACE, "--out", str(out), "--table", latencies]
    words += ["--latency", f"{most}ms", "--goals", "2", *SHORT]
    assert command(*words) == 0
    return out, words, (most, (overview.fastest.ms + most) / 2)


def test_from_nothing_to_networks(finished):
    """The files of a search by pruning, for the network of each goal, and what the searches left."""
    out, _, goals = finished
    names = {path.name for path in out.iterdir()}
    assert names >= {"report.html", "candidates.csv", "boundary.png", "boundary.json", "latency.json", "networks"}
    assert names >= {"tiered", "tiered.json", "tiered.log", "beginnings", "study.db"}
    found = [read_found(path) for path in out.glob("tiered/*/found.json")]
    assert sorted(one.goal for one in found) == pytest.approx(sorted(goals))
    for one in found:
        folder = out / "networks" / one.architecture
        assert {path.name for path in folder.iterdir()} == {
            *("deploy.prototxt", "weights.caffemodel", "merged.prototxt", "merged.caffemodel"),
            *("train_val.prototxt", "solver.prototxt"),
        }
        deploy, merged = (read_prototxt(folder / f"{name}.prototxt") for name in ("deploy", "merged"))
        assert deploy.name == str(parse_architecture(one.architecture))
        weights = load_weights(folder / "weights.caffemodel", deploy)
        to_torch(merged, load_weights(folder / "merged.caffemodel", merged))
        assert verify(deploy, weights, (merged, load_weights(folder / "merged.caffemodel", merged))).passed
    on_it = {network["code"] for network in json.loads((out / "boundary.json").read_text())["networks"]}
    assert on_it and on_it <= {one.architecture for one in found}


def test_the_same_command_again_tells_the_same(finished, capsys):
    """What was found stands on the terminal, too; what misses its goal where errors stand."""
    out, words, _ = finished
    log = (out / "tiered.log").read_text()
    left = {path: path.read_bytes() for path in out.rglob("*.caffemodel")}
    assert command(*words) == 0
    said = capsys.readouterr()
    printed = said.out + said.err
    lines = [line.partition("UTC  ")[2] for line in log.splitlines() if "blocks, predicted" in line]
    assert len(lines) == 2 and all(f"{line}\n" in printed for line in lines)
    assert {path: path.read_bytes() for path in out.rglob("*.caffemodel")} == left


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (["--architecture-lr", "0.5"], r"architecture_rate: was 0\.2, is 0\.5"),
        (["--rule", "momentum=0.6"], r"rules: momentum: was 0\.5, is 0\.6"),
        (["--goals", "3"], "goals: was "),
        (["--from-scratch"], "begun: was {.*}, is None"),
        (["--lr", "0.5"], r"study\.db: .*base_lr: was 0\.05, is 0\.5"),
    ],
)
def test_other_settings_are_refused(finished, changed, said):
    with pytest.raises(FormatError, match=said):
        command(*finished[1], *changed)


TIERED = ["--method", "tiered", "--space", SPACE, "--latency", "1ms"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--method", "tiered", "--space", SPACE], "--method tiered: found no goal, expected --latency"),
        (["--method", "tiered", "--space", "s4_b1-2_b1-1_w8-16_c10_i3x16x16", "--latency", "1ms"], "inner widths"),
        (
            [*TIERED, "--trials", "3", "--hours", "1", "--patience", "2"],
            "--trials, --hours, --patience: found with --m",
        ),
        ([*TIERED, "--strategy", "uniform", "--margin", "0"], "--strategy, --margin: found with --method tiered"),
        ([*TIERED, "--parameters-max", "3M"], "--parameters-max: found with --method tiered"),
        ([*TIERED, "--memory-min", "3kB", "--multiply-adds-max", "3M"], "--multiply-adds-max, --memory-min: found"),
        ([*TIERED, "--suffixes", "2"], "--suffixes: found without --method ponas"),
        ([*TIERED, "--rule", "speed=3"], "--rule speed: expected one of every, decay, start, lead, momentum"),
        ([*TIERED, "--rule", "start=0.2"], "--rule start: found 1 numbers, expected 2"),
        ([*TIERED, "--rule", "every=2.5"], r"--rule every: found 2\.5, expected a whole number"),
        ([*TIERED, "--rule", "lead=2"], "lead: found 2"),
        (["--goals", "2", "--rule", "lead=0.2"], "--goals, --rule: found without --method tiered, which alone reads"),
        (["--search-epochs", "2", "--from-scratch"], "--search-epochs, --from-scratch: found without --method tiered"),
        (["--method", "ponas", "--knots", "5", "--hard-paths"], "--hard-paths, --knots: found without --method tiered"),
        ([*TIERED[:-1], "77ms"], "no network of the space takes 77 ms"),
    ],
)
def test_options_that_do_not_go_together(words, said, tmp_path, latencies):
    pytest.importorskip("sklearn")
    more = ["--table", latencies] if SPACE in words else []
    with pytest.raises(CaffeError, match=said):
        command("--data", "digits", "--out", str(tmp_path), *words, *more)


def test_known_results_are_refused(tmp_path):
    known = tmp_path / "known.csv"
    known.write_text("architecture,accuracy\ng4_f8h8_i16h8_h16_c10,0.5\n")
    with pytest.raises(ArchitectureError, match="--known: found with --method tiered"):
        command("--data", "digits", "--out", str(tmp_path), *TIERED, "--known", str(known))


@pytest.mark.parametrize(
    "words", [["--temperatures", "5"], ["--rule", "momentum"], ["--rule", "lead=x"], ["--goals", "0"]]
)
def test_words_that_are_no_values(words, capsys):
    with pytest.raises(SystemExit):
        parsed("--out", "x", "--method", "tiered", *words)
    assert words[0] in capsys.readouterr().err


def test_every_setting_has_an_option():
    """So that nothing of it can be said in Python alone, but for what the schedule of all networks says."""
    words = ["--search-epochs", "7", "--search-batch-size", "48", "--search-lr", "0.3", "--warm-up-epochs", "0.25"]
    words += ["--architecture-images", "0.4", "--architecture-lr", "0.01", "--temperatures", "4,0.25", "--hard-paths"]
    words += [
        "--latency-loss",
        "sum",
        "--latency-weight",
        "0.5",
        "--latency-exponent",
        "2",
        "--statistics-images",
        "99",
    ]
    found = tiered_of(parsed("--out", "x", *words), Schedule(epochs=1, seed=3, ema=0.9))
    expected = Tiered(
        Schedule(epochs=7, batch_size=48, base_lr=0.3, seed=3), 0.25, 0.4, 0.01, (4.0, 0.25), True, "sum", 0.5, 2.0, 99
    )
    assert found == expected
    usual = Tiered()
    assert all(getattr(found, field.name) != getattr(usual, field.name) for field in fields(Tiered))
    assert tiered_of(parsed("--out", "x"), usual.schedule) == usual
    rules = rules_of(parsed("--out", "x", "--rule", "start=0.3,0.7", "--rule", "every=4", "--rule", "lead=0.3"))
    assert rules == Rules(start=(0.3, 0.7), every=4, lead=0.3)


def test_the_choices_are_those_of_the_training():
    parser = argparse.ArgumentParser()
    add_tiered(parser)
    (action,) = [one for one in parser._actions if one.dest == "latency_loss"]
    assert get_args(Joined) == JOINED == tuple(action.choices)
