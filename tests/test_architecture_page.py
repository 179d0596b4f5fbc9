"""docs/architecture.md names only what there is, and every package has a place in it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
PACKAGES = ("prototxt_gen", "converters", "search", "caffe_zoo")


def test_every_place_named_exists():
    named = re.findall(r"`((?:prototxt_gen|converters|search|caffe_zoo|tools|tests|docs)/[\w./]*)`", PAGE)
    assert len(named) > 50
    assert [place for place in named if not (ROOT / place).exists()] == []


def test_every_folder_of_the_packages_is_named():
    folders = {
        path.parent.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("__init__.py")
        if path.parent.name != package
    }
    assert sorted(folder for folder in folders if f"`{folder}" not in PAGE) == []


def test_no_file_stands_in_two_rows():
    rows = [line for line in PAGE.splitlines() if line.startswith("| ")]
    files = [file for row in rows for file in set(re.findall(r"`([\w./]+/\w+\.\w+)`", row))]
    assert len(files) > 100
    assert sorted(file for file, times in Counter(files).items() if times > 1) == []
