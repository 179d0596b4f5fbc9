"""docs/engines.md names every engine with its extra, and its command lines are understood."""

from __future__ import annotations

import argparse
import configparser
import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest

from converters.engines import ENGINES

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "engines.md").read_text("utf-8")
COMMANDS = re.findall(r"^dongfeng (\w+) (.*)$", PAGE, re.MULTILINE)


def test_every_engine_is_in_the_table():
    rows = [row for row in PAGE.splitlines() if row.startswith("| `")]
    named = {name: row for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert sorted(named) == sorted(ENGINES)
    extras = configparser.ConfigParser()
    extras.read(ROOT / "setup.cfg")
    for row in rows:
        assert set(re.findall(r"`(\w+)`", row.split("|")[2])) <= set(extras["options.extras_require"])


@pytest.mark.parametrize(("command", "words"), COMMANDS, ids=lambda value: str(value)[:30])
def test_its_command_lines_are_understood(command, words):
    parser = argparse.ArgumentParser()
    import_module(f"caffe_zoo.commands.{command}").add_arguments(parser)
    parser.parse_args(shlex.split(words))


def test_there_are_command_lines():
    assert {command for command, _ in COMMANDS} == {"segment", "verify", "search"}
