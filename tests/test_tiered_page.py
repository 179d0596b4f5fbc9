"""docs/tiered.md: its commands are read by the command's own parsers, options and rules are there, its program runs."""

from __future__ import annotations

import argparse
import re
import shlex
from dataclasses import fields, replace
from pathlib import Path

import pytest

from caffe_zoo.commands import report
from caffe_zoo.commands import search as search_command
from caffe_zoo.commands.tiered import rules_of
from search.strategies.tiered import Rules
from search.study.tiered import CORRECTING, KNOTS, TOLERANCE
from search.training.tiered import Tiered
from tests.search.study.quick import table
from tests.search.training.small_tiered_training import DATA, SETTINGS, SPACE

PAGE = (Path(__file__).parents[1] / "docs" / "tiered.md").read_text()
COMMANDS = [
    shlex.split(line, comments=True)[1:]
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("dongfeng ")
]


def parser_of(name: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    {"search": search_command, "report": report}[name].add_arguments(parser)
    return parser


def rows(title: str) -> dict[str, str]:
    """The first and the last column of a table."""
    (found,) = re.findall(rf"^\| {title} .*?\n\n", PAGE, re.DOTALL | re.MULTILINE)
    return dict(re.findall(r"^\| (`.*?`) \|.*\| ?([^|]*?) ?\|$", found, re.MULTILINE))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_commands_are_such(words):
    parser_of(words[0]).parse_args(words[1:])


def test_the_options_and_their_defaults():
    """Every option of the method is on the page, with what `Tiered` has; what the page names there is."""
    parser = parser_of("search")
    known = {option for action in parser._actions for option in action.option_strings}
    (group,) = [one for one in parser._action_groups if "--method tiered" in (one.title or "")]
    told = {options: value.strip() for options, value in rows("option").items()}
    named = set(re.findall(r"--[a-z-]+", " ".join(told)))
    assert {option for action in group._group_actions for option in action.option_strings} <= named <= known
    usual = Tiered()
    schedule = usual.schedule
    hot, cold = usual.temperatures
    expected = {
        "--knots": f"{KNOTS}",
        "--tolerance": f"{TOLERANCE:g}",
        "--warm-up-epochs": f"{usual.warm_up:g}",
        "--search-epochs`, `--search-lr`, `--search-batch-size": f"{schedule.epochs}, {schedule.base_lr:g}, "
        f"{schedule.batch_size}",
        "--architecture-images": f"{usual.architecture_images:g}",
        "--architecture-lr": f"{usual.architecture_rate:g}",
        "--temperatures": f"{hot:g},{cold:g}",
        "--latency-loss": f"`{usual.joined}`",
        "--latency-weight`, `--latency-exponent": f"{usual.weight:g}, {usual.exponent:g}",
        "--statistics-images": f"{usual.statistics_images}",
    }
    assert {f"`{name}`": value for name, value in expected.items()}.items() <= told.items()
    assert CORRECTING == 12 and "Twelve whole networks" in PAGE
    assert f"more than {TOLERANCE:.0%}".replace("%", " %") in PAGE


def test_every_rule_is_there_with_its_default():
    told = {name.strip("`"): value.strip() for name, value in rows("`--rule` \\| what").items() if value != "default"}
    assert list(told) and set(told) == {field.name for field in fields(Rules)}
    words = [word for name, value in told.items() for word in ("--rule", f"{name}={value}")]
    assert rules_of(parser_of("search").parse_args(["--out", "x", *words])) == Rules()


def test_the_program_runs(tmp_path, monkeypatch, capsys):
    """In small: another space, other images and settings."""
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    import search

    monkeypatch.chdir(tmp_path)
    table(SPACE).save("latency.json")
    short = replace(SETTINGS, schedule=replace(SETTINGS.schedule, epochs=1))
    monkeypatch.setattr(search, "parse_space", lambda name: SPACE)
    monkeypatch.setattr(search, "glyphs", lambda size: DATA)
    monkeypatch.setattr(search, "Tiered", lambda: short)
    exec(program.replace("[0.1]", "[0.4]"), {})  # noqa: S102 (it is the page's own)
    assert capsys.readouterr().out.startswith("0.4 g4_")
    assert list(tmp_path.glob("runs/tiered/beginnings/*.caffemodel"))
