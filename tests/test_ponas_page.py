"""docs/ponas.md: its commands are read by the command's own parsers, its options are there, its program runs."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

import pytest

from caffe_zoo.commands import choose
from caffe_zoo.commands import search as search_command
from tests.search.training.small_ponas import DATA, SETTINGS, SPACE

PAGE = (Path(__file__).parents[1] / "docs" / "ponas.md").read_text()
COMMANDS = [
    shlex.split(line, comments=True)[1:]
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("dongfeng ")
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_commands_are_such(words):
    parser = argparse.ArgumentParser()
    {"search": search_command, "choose": choose}[words[0]].add_arguments(parser)
    parser.parse_args(words[1:])


def test_the_options_and_their_defaults():
    """What the table of the page says of them is what `OneShot` has."""
    parser = argparse.ArgumentParser()
    search_command.add_arguments(parser)
    known = {option for action in parser._actions for option in action.option_strings}
    (table,) = re.findall(r"\| option \|.*?\n\n", PAGE, re.DOTALL)
    told = set(re.findall(r"`(--[a-z-]+)`", table))
    assert told - {"--space"} >= {"--first-epochs", "--supernet-epochs", "--row-epochs", "--suffixes", "--kept-block"}
    assert told <= known
    from search.training.one_shot import OneShot

    usual = OneShot()
    rows = dict(re.findall(r"^\| `--([a-z-]+)`.*\| ([^|]+) \|$", table, re.MULTILINE))
    assert rows["first-epochs"] == f"{usual.first_epochs:g}"
    schedule = usual.schedule
    assert rows["supernet-epochs"] == f"{schedule.epochs}, {schedule.base_lr:g}, {schedule.batch_size}"
    assert rows["row-epochs"] == f"{usual.row_epochs:g}, {usual.row_lr:g}"
    assert rows["suffixes"] == str(usual.suffixes)
    assert rows["table-images"] == f"{usual.table_images}, {usual.statistics_images}"
    assert rows["kept-block"] == "median, fit"


def test_the_program_runs(tmp_path, monkeypatch, capsys):
    """In small: another space, other images and settings."""
    (program,) = [one for one in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "run_ponas" in one]
    import search

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(search, "parse_space", lambda name: SPACE)
    monkeypatch.setattr(search, "glyphs", lambda size: DATA)
    monkeypatch.setattr(search, "OneShot", lambda schedule: SETTINGS)
    exec(program, {})  # noqa: S102 (it is the page's own)
    assert capsys.readouterr().out.count("layer ") == len(SPACE.rows)
    assert (tmp_path / "runs" / "ponas" / "accuracy.json").is_file()
