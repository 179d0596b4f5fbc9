"""A small export, a tool that times its files, and the shells that devices have."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from search.latency.far import plan, write_export
from search.spaces import BackboneSpace

SPACE = BackboneSpace(depths=((1, 2), (1, 1)), widths=(8, 16), stem=(4, 4), classes=3, input_shape=(1, 3, 32, 32))
OWN = {
    "name": "own",
    "command": "mytool {onnx} {iterations}",
    "pattern": "avg: ([0-9.einfa]+) ms",
    "version": "mytool --version",
}
# A thousandth of a millisecond for each byte of the file, which it has to read: the sum of parts is nearly the network.
TOOL = """#!/bin/sh
if [ "$1" = --version ]; then echo "mytool 1.0"; exit; fi
echo "${1##*/}" >>"$CALLS"
case " $FAILS " in *" $(basename "$1" .onnx) "*) echo "out of memory"; exit 3;; esac
bytes=$(($(wc -c <"$1") * ${SLOWER:-100} / 100))
printf 'loading %s\\nruns %s\\navg: %d.%03d ms\\n' "$1" "$2" $((bytes / 1000)) $((bytes % 1000))
"""


@pytest.fixture(scope="session")
def exported(tmp_path_factory) -> Path:
    """The folder of an export; copy it to change it."""
    pytest.importorskip("onnx")
    folder = tmp_path_factory.mktemp("far") / "blocks"
    write_export(plan(SPACE, OWN, files="onnx", rounds=2, iterations=2, check=2), folder)
    return folder


@pytest.fixture
def blocks(exported, tmp_path) -> Path:
    """A copy of the export."""
    return Path(shutil.copytree(exported, tmp_path / "blocks"))


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    """What the script finds on the PATH: the tool, and the system's own commands."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "mytool").write_text(TOOL)
    (tools / "mytool").chmod(0o755)
    return os.environ | {"PATH": f"{tools}:{os.environ['PATH']}", "CALLS": str(tmp_path / "calls.txt"), "FAILS": ""}


@pytest.fixture
def measure(blocks, environment):
    """Runs the script; gives its exit status and what it printed."""

    def run(*arguments, shell=("sh",), **settings) -> tuple[int, str]:
        done = subprocess.run(
            [*shell, str(blocks / "measure.sh"), *map(str, arguments)],
            env=environment | settings,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.fixture(scope="session")
def timed(exported, tmp_path_factory) -> Path:
    """The folder of the export with all its results."""
    folder = tmp_path_factory.mktemp("timed")
    blocks = Path(shutil.copytree(exported, folder / "blocks"))
    (folder / "mytool").write_text(TOOL)
    (folder / "mytool").chmod(0o755)
    subprocess.run(
        ["sh", blocks / "measure.sh"],
        env=os.environ | {"PATH": f"{folder}:{os.environ['PATH']}", "CALLS": os.devnull, "FAILS": ""},
        check=True,
        capture_output=True,
    )
    return blocks


@pytest.fixture
def came_back(timed, tmp_path) -> Path:
    """A copy of the export with all its results."""
    return Path(shutil.copytree(timed, tmp_path / "back"))
