"""The README's own lines: its examples are the files in examples/, and they run."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from search.study import loop

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")
EXAMPLES = dict(re.findall(r"```python\n# (examples/\w+\.py)\n(.*?)```", README, re.DOTALL))


def run(example: str, folder: Path, *arguments: str) -> str:
    """What the example prints when it runs in an empty folder."""
    command = [sys.executable, str(ROOT / example), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_readme_shows_the_file(example):
    # A file begins with a line that says what it is; the README has said so in its prose.
    _, _, code = (ROOT / example).read_text("utf-8").partition('"""\n\n')
    assert EXAMPLES[example].strip() == code.strip()


def test_all_three_uses_have_an_example():
    assert sorted(EXAMPLES) == ["examples/classify.py", "examples/generate.py", "examples/search_digits.py"]


def test_generate(tmp_path):
    printed = run("examples/generate.py", tmp_path)
    assert "M parameters" in printed
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "deploy.prototxt",
        "solver.prototxt",
        "train_val.prototxt",
    ]


def test_classify_takes_a_file_of_the_release(tmp_path, weights_file):
    assert "torch.Size([1, 1000])" in run("examples/classify.py", tmp_path, str(weights_file("df1")))


def test_search(tmp_path):
    pytest.importorskip("sklearn")
    run("examples/search_digits.py", tmp_path)
    (boundary,) = tmp_path.rglob("boundary.json")
    assert (boundary.parent / "networks").is_dir()


def test_search_on_images_of_ones_own(tmp_path, monkeypatch, capsys):
    # Latencies of these networks, measured well, take a minute.
    monkeypatch.setattr(loop, "SPREAD", 10.0)
    monkeypatch.chdir(tmp_path)
    pictures = tmp_path / "photos"
    rng = np.random.default_rng(0)
    for name, brightness in (("night", 40), ("day", 200)):
        (pictures / name).mkdir(parents=True)
        for number in range(10):
            pixels = rng.integers(brightness - 40, brightness + 40, (20, 24, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(pictures / name / f"{number}.png")
    monkeypatch.setattr(sys, "argv", ["search_my_images.py", "photos", "run", "2"])
    runpy.run_path(str(ROOT / "examples" / "search_my_images.py"))
    printed = capsys.readouterr().out
    assert len((ROOT / "examples" / "search_my_images.py").read_text("utf-8").splitlines()) < 40
    boundary = json.loads((tmp_path / "run" / "boundary.json").read_text("utf-8"))
    assert boundary["classes"] == ["day", "night"] and boundary["networks"]
    assert all(network["code"] in printed for network in boundary["networks"])
    assert "2 trained" in printed and f"look at {Path('run', 'report.html')}" in printed
    assert boundary["networks"][0]["code"] in (tmp_path / "run" / "report.html").read_text("utf-8")


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize(
    "page", ["README.md", "fuzz/README.md", *(f"docs/{path.name}" for path in ROOT.glob("docs/*.md"))]
)
def test_tests_that_pages_name_exist(page):
    for named in re.findall(r"`(tests/[^` :]*)`", (ROOT / page).read_text("utf-8")):
        assert (ROOT / named).exists(), named


def test_commands_exist():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"`?make ([\w-]+)", README):
        assert f"\n{target}:" in makefile, target
