"""The pages of searches on many machines and of reports, the examples for clusters: their commands are commands."""

from __future__ import annotations

import multiprocessing
import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from caffe_zoo.cli import _parser
from search.study.database import address_of, shown

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "search-many-machines.md"
REPORT = ROOT / "docs" / "reading-the-report.md"
SLURM = ROOT / "examples" / "cluster" / "slurm.sh"
KUBERNETES = ROOT / "examples" / "cluster" / "kubernetes.yaml"


def commands_of(page: Path) -> list[list[str]]:
    text = page.read_text("utf-8")
    fenced = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    lines = [*fenced.splitlines(), *re.findall(r"`(dongfeng [^`]+ [^`]+ --[^`]+)`", text)]
    return [shlex.split(line) for line in lines if line.startswith("dongfeng ")]


def of_the_page() -> list[list[str]]:
    return [words for words in commands_of(PAGE) if words[1] == "search"]


def of_slurm() -> list[list[str]]:
    """As bash makes them of the script's own variables."""
    found = []
    for task in ("0", "3"):
        script = SLURM.read_text("utf-8").replace("exec dongfeng", "printf '%s\\n' dongfeng")
        done = subprocess.run(
            ["bash", "-u", "-c", script], env={"SLURM_ARRAY_TASK_ID": task}, capture_output=True, text=True, check=True
        )
        found.append(done.stdout.splitlines())
    return found


def of_kubernetes() -> list[list[str]]:
    found = []
    for document in yaml.safe_load_all(KUBERNETES.read_text("utf-8")):
        containers = document.get("spec", {}).get("template", {}).get("spec", {}).get("containers", [])
        found += [container["command"] for container in containers if "command" in container]
    return found


@pytest.mark.parametrize("commands", [of_the_page, of_slurm, of_kubernetes])
def test_commands_are_commands(commands):
    found = [_parser("search").parse_args(words[1:]) for words in commands()]
    assert {args.subcommand for args in found} == {None, "worker"}
    # All of one page go to the same place, and none has a password.
    for args in found:
        assert address_of(args.storage).password is None and str(args.out)
    servers = {shown(address_of(args.storage)) for args in found if "://" in args.storage}
    assert len(servers) == 1


@pytest.mark.parametrize("page", [PAGE, REPORT], ids=lambda page: page.name)
def test_reports_are_asked_for_as_the_command_has_it(page):
    found = [_parser("report").parse_args(words[1:]) for words in commands_of(page) if words[1] == "report"]
    assert found and {str(args.folder).split("/")[0] for args in found} == {"runs"}


def test_the_clusters_search_what_can_be_searched():
    from search import parse_space

    for words in (*of_slurm(), *of_kubernetes()):
        args = _parser("search").parse_args(words[1:])
        if args.subcommand is None:
            assert parse_space(args.space).count() > 10_000


def test_every_document_of_kubernetes_says_what_it_is():
    kinds = [document["kind"] for document in yaml.safe_load_all(KUBERNETES.read_text("utf-8"))]
    assert kinds == ["Secret", "Service", "StatefulSet", "Job", "Job"]
    assert "password: change-me" in KUBERNETES.read_text("utf-8")


@pytest.mark.parametrize("page", [PAGE, REPORT], ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_the_program_with_a_training_of_ones_own_runs_as_one_search(tmp_path, monkeypatch):
    """`begin` and `work`, each a process: both train, and no candidate is trained twice."""
    from search import parse_space
    from tests.search.study.quick import table

    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    program = program.replace("postgresql://me@db/search", f"sqlite:///{tmp_path / 'study.db'}")
    (tmp_path / "search_mine.py").write_text(program.replace("trials=500", "trials=6"))
    (code,) = re.findall(r'parse_space\("(.*)"\)', program)
    table(parse_space(code)).save(tmp_path / "jetson.json")
    monkeypatch.chdir(tmp_path)
    # Forked, since importing all anew takes seconds.
    context = multiprocessing.get_context("fork")
    there, together, begun = context.Event(), context.Barrier(2), []

    def train(net):
        if not begun:
            there.set()
            together.wait(60)
        begun.append(net.name)
        with (tmp_path / "log").open("a") as log:
            log.write(f"{net.name} {os.getpid()}\n")
        return 0.5 + len(net.name) / 1000

    monkeypatch.setitem(sys.modules, "own_training", SimpleNamespace(train=train))

    def run(word):
        sys.argv = ["search_mine.py", word]
        runpy.run_path(str(tmp_path / "search_mine.py"))

    processes = [context.Process(target=run, args=(word,)) for word in ("begin", "work")]
    processes[0].start()
    assert there.wait(60)
    processes[1].start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]
    trained, by = zip(*(line.split() for line in (tmp_path / "log").read_text().splitlines()), strict=True)
    assert len(trained) == len(set(trained)) == 6 and len(set(by)) == 2
    assert (tmp_path / "runs" / "mine" / "boundary.json").exists()
