"""`make pages` runs every tool that writes a page, and each writes where it says."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("tool", "written"), [("layers_page", "layers.md"), ("zoo_page", "zoo.md")])
def test_a_tool_writes_its_page(tool, written, tmp_path):
    (tmp_path / "tools").mkdir()
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / "tools" / f"{tool}.py", tmp_path / "tools")
    subprocess.run([sys.executable, str(tmp_path / "tools" / f"{tool}.py")], check=True)
    assert (tmp_path / "docs" / written).read_bytes() == (ROOT / "docs" / written).read_bytes()


def test_all_are_run():
    _, _, rule = (ROOT / "Makefile").read_text("utf-8").partition("\npages:")
    for tool in ("layers_page", "zoo_page", "targets_page", "manifest"):
        assert f"tools/{tool}.py" in rule.partition("\n\n")[0]
