"""Tiered Pruning by the processes of a torchrun: each supernet is trained by both, and then they are workers."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import pytest

from prototxt_gen.errors import CaffeError, FileError
from search.study import tiered, working
from search.study.database import Database, address_of
from search.training import beginning
from tests.search.study.small_tiered_search import GOALS, before_it_is_told, in_search, left_in, place, search_in, told
from tests.search.training.together import started

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="the processes are forked")]


def searching(rank: int, folder: Path, arm: Callable[[int], None] = lambda rank: None) -> None:
    """One of the processes; it writes down what networks it trains, what it was told, and what ended it."""
    working.pause = lambda grace: 0.02
    arm(rank)
    called = beginning.BegunTrainer.__call__

    def call(self: Any, net: Any, seed: int, report: Any) -> Any:
        with (folder.parent / "trained").open("a") as log:
            log.write(f"{net.name}\n")
        return called(self, net, seed, report)

    beginning.BegunTrainer.__call__ = call  # type: ignore[method-assign]

    def hear(found: Any) -> None:
        with (folder.parent / f"told{rank}").open("a") as log:
            log.write(f"{found.architecture}\n")

    try:
        search_in(folder, goals=GOALS, told=hear)
    except CaffeError as fault:
        (folder.parent / f"fault{rank}").write_text(str(fault))
        sys.exit(2)


def by_two(folder: Path, arm: Callable[[int], None] = lambda rank: None) -> list[int | None]:
    """How both ended."""
    processes = started(searching, folder, arm)
    for process in processes:
        process.join()
    return [process.exitcode for process in processes]


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "run"
    # What a database needs is imported once, not in every process.
    Database(address_of(folder.parent / "other.db")).close()
    assert by_two(folder) == [0, 0]
    return folder


def test_both_are_one_search(finished):
    trained = (finished.parent / "trained").read_text().split()
    assert Counter(trained) == Counter(told(finished).keys()) and len(trained) == 2
    log = (finished / "tiered.log").read_text()
    assert log.count("begins: ") == 1 and "goes on" not in log and log.count(": 100 %") == 2
    assert len((finished.parent / "told0").read_text().split()) == 2, "one of them talks"
    assert not (finished.parent / "told1").exists()
    assert place(finished)["stage"] == "done" and not list(finished.rglob("*.part"))


def test_killed_in_the_search_and_between_two_they_go_on(finished, tmp_path):
    folder = tmp_path / "run"
    for arm, victim in ((in_search(1, 0.5), 1), (before_it_is_told(1), 0), (in_search(2, 0.5), 0)):
        processes = started(searching, folder, lambda rank, arm=arm, victim=victim: arm() if rank == victim else None)
        wait([process.sentinel for process in processes])
        for process in processes:
            if process.is_alive():
                os.kill(process.pid, signal.SIGKILL)
            process.join()
        assert processes[victim].exitcode == -signal.SIGKILL
    assert by_two(folder) == [0, 0]
    assert left_in(folder) == left_in(finished)


def fails_at_the_weights(rank: int) -> None:
    """The first one has no room for them."""

    def save(weights: Any, path: Path, net: Any) -> None:
        raise FileError(f"{path}: cannot be written: No space left on device")

    tiered.save_weights = save


def test_what_ends_one_ends_the_other_with_a_word(tmp_path):
    assert by_two(tmp_path / "run", fails_at_the_weights) == [2, 2]
    assert "cannot be written: No space left on device" in (tmp_path / "fault0").read_text()
    assert "one of which has ended: " in (tmp_path / "fault1").read_text()
    assert not list((tmp_path / "run").glob("tiered/*/found.json"))
