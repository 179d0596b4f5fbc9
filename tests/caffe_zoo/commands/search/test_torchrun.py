"""`dongfeng search --method ponas` by processes of a torchrun: one talks and reports; killed, the command goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from search.spaces import parse_space
from search.study import working
from search.study.storage import join_study
from tests.caffe_zoo.commands.search.test_ponas import SHORT, SPACE, command
from tests.search.study.quick import table
from tests.search.training.together import started

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the processes are forked, and found in /proc")


@pytest.fixture(scope="module")
def words(tmp_path_factory) -> list[str]:
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    latencies = tmp_path_factory.mktemp("latencies") / "device.json"
    table(parse_space(SPACE)).save(latencies)
    words = ["--method", "ponas", "--data", "digits", "--space", SPACE, "--table", str(latencies), "--trials", "3"]
    return [*words, *SHORT]


def talking(rank: int, words: list[str], folder: Path) -> None:
    working.pause = lambda grace: 0.02
    with (folder / f"said{rank}").open("w", buffering=1) as said:
        sys.stdout = sys.stderr = said
        status = command(*words, "--out", str(folder / "run"))
    sys.exit(status)


def trained_once(folder: Path) -> None:
    study = join_study(folder / "study.db")
    rows = study.read().rows
    study.close()
    assert Counter((row.architecture, row.run, row.state) for row in rows).most_common(1)[0][1] == 1
    document = json.loads((folder / "boundary.json").read_text())
    assert document["counts"]["trained"] == len(rows) > 1
    for network in document["networks"]:
        assert (folder / network["caffemodel"]).is_file() and (folder / network["merged_prototxt"]).is_file()


def test_one_of_them_talks_and_reports(words, tmp_path):
    processes = started(talking, words, tmp_path)
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    said = (tmp_path / "said0").read_text()
    assert said.count("architectures\n") == 1 and "report.html" in said and "3 trained" in said
    assert (tmp_path / "said1").read_text().strip() == ""
    trained_once(tmp_path / "run")


def children(process: int) -> list[int]:
    """The processes that a process has started."""
    tasks = Path(f"/proc/{process}/task")
    return [int(child) for task in tasks.iterdir() for child in (task / "children").read_text().split()]


def by_torchrun(words: list[str], folder: Path) -> subprocess.Popen[bytes]:
    launched = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "caffe_zoo.cli", "search"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path.cwd())}
    return subprocess.Popen([sys.executable, *launched, *words, "--out", str(folder)], env=environment)


@pytest.mark.slow
def test_torchrun_killed_with_its_children_goes_on(words, tmp_path):
    """In meta training, in a row and in the study. Each lasts some seconds, so that it is met."""
    folder = tmp_path / "run"
    words = [*words, "--supernet-epochs", "8", "--row-epochs", "4", "--epochs", "8"]
    reached = {
        "in meta training": lambda: "meta training: 25 %" in (folder / "ponas.log").read_text(),
        "in a row": lambda: "row 2 of 2: 25 %" in (folder / "ponas.log").read_text(),
        "in the study": lambda: any((folder / ".workers").iterdir()),
    }
    for stage, there in reached.items():
        process = by_torchrun(words, folder)
        while True:
            assert process.poll() is None, f"it ended before it was {stage}"
            try:
                if there():
                    break
            except OSError:
                pass
            time.sleep(0.01)
        for killed in (*children(process.pid), process.pid):
            os.kill(killed, signal.SIGKILL)
        process.wait()
        assert not (folder / "boundary.json").exists()
    assert by_torchrun(words, folder).wait() == 0
    trained_once(folder)
    log = (folder / "ponas.log").read_text()
    assert log.count("begins: ") == 1 and log.count("goes on") == 2, "the table was there the last time"
    evaluated = [tuple(choices) for choices, _ in json.loads((folder / "evaluations.json").read_text())["told"]]
    # Each row asks for a network of each of its two candidates, whatever the row before has seen.
    assert len(evaluated) == 4 and all(len(set(row)) == 2 for row in (evaluated[:2], evaluated[2:]))
