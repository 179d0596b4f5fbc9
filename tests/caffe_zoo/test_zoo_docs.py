"""docs/zoo.md is what the cards say today."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from caffe_zoo import list_models
from caffe_zoo.zoo_table import document

ZOO = Path(__file__).resolve().parents[2] / "docs" / "zoo.md"


def test_the_table_is_current():
    assert ZOO.read_text("utf-8") == document(), "run python -m caffe_zoo.zoo_table > docs/zoo.md"


def test_every_network_is_in_it():
    text = document()
    for name in list_models():
        assert f"| `{name}` |" in text
    assert "746.7 M" in text and "top-1 69.78%" in text


def test_the_command_writes_it():
    done = subprocess.run([sys.executable, "-m", "caffe_zoo.zoo_table"], capture_output=True, check=True)
    assert done.stdout.decode("utf-8") == document()
