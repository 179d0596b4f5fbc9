"""The pages of searches on many machines and of reports, the examples for clusters: their commands are commands."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

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
    yaml = pytest.importorskip("yaml")
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
    yaml = pytest.importorskip("yaml")
    kinds = [document["kind"] for document in yaml.safe_load_all(KUBERNETES.read_text("utf-8"))]
    assert kinds == ["Secret", "Service", "StatefulSet", "Job", "Job"]
    assert "password: change-me" in KUBERNETES.read_text("utf-8")


@pytest.mark.parametrize("page", [PAGE, REPORT], ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target
