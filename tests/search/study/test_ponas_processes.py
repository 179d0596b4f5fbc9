"""PONAS by the processes of a torchrun: one supernet, one study; killed, they go on; what ends one is told."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prototxt_gen.errors import CaffeError, FileError
from search.strategies.accuracy_table import AccuracyTable
from search.study import ponas, working
from search.study.database import Database, address_of
from search.study.ponas import search_ponas
from search.study.storage import join_study
from search.study.trainings import TRAINED, TRAINING
from search.training import inheriting
from search.training.one_shot import EVALUATIONS
from tests.search.study.small_ponas_search import (
    SCHEDULE,
    TABLE,
    entries,
    in_network,
    in_stage,
    search_in,
    told,
)
from tests.search.training.small_ponas import DATA, SETTINGS, SPACE
from tests.search.training.together import started

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the processes are forked")


def searching(rank: int, folder: Path, arm: Callable[[int], None] = lambda rank: None) -> None:
    """One of the processes; it writes down what networks it trains, and what ended it."""
    working.pause = lambda grace: 0.02
    arm(rank)
    called = inheriting.InheritingTrainer.__call__

    def call(self: Any, net: Any, seed: int, report: Any) -> Any:
        with (folder.parent / "trained").open("a") as log:
            log.write(f"{net.name}\n")
        return called(self, net, seed, report)

    inheriting.InheritingTrainer.__call__ = call  # type: ignore[method-assign]
    try:
        search_in(folder, trials=None)
    except CaffeError as fault:
        (folder.parent / f"fault{rank}").write_text(str(fault))
        sys.exit(2)


def by_two(folder: Path, arm: Callable[[int], None] = lambda rank: None) -> list[int | None]:
    """How both ended."""
    processes = started(searching, folder, arm)
    for process in processes:
        process.join()
    return [process.exitcode for process in processes]


def evaluated(folder: Path) -> list[list[Any]]:
    path = folder / EVALUATIONS
    return json.loads(path.read_text())["told"] if path.exists() else []


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "run"
    # What a database needs is imported once, not in every process.
    Database(address_of(folder.parent / "other.db")).close()
    assert by_two(folder) == [0, 0]
    return folder


def test_both_are_one_search(finished):
    """Every network is trained once, and there is one study, of one beginning."""
    trained = (finished.parent / "trained").read_text().split()
    assert Counter(trained) == Counter(told(finished).keys())
    assert len(trained) > 2
    study = join_study(finished / "study.db")
    rows = study.read().rows
    study.close()
    assert {(row.state, row.run, row.deaths) for row in rows} == {(TRAINED, 0, 0)}
    networks = evaluated(finished)
    own = AccuracyTable.load(finished / "accuracy.json").provenance
    assert (own["processes"], own["networks evaluated"]) == (2, len(networks))
    assert own["settings"].items() >= SETTINGS.settings().items()
    log = (finished / "ponas.log").read_text()
    assert log.count("begins: ") == 1 and "goes on" not in log
    assert log.count("meta training: 100 %") == 1, "one of them talks"
    assert not list(finished.rglob("*.part")) and not list((finished / ".workers").iterdir())


def test_its_table_is_that_of_its_evaluations(finished):
    """Each says of every network what one process alone would: which of them evaluated it is all the same.

    All that a row asks for is evaluated, once: anything else would be refused.
    """
    table = entries(finished)
    assert [row.candidates for row in table.rows] == [("e3", "k5e3"), ("e2", "e2q"), ("e3", "k5e3")]
    rows = ponas._rows(SPACE, SETTINGS, "median", "fit")
    for choices, accuracy in evaluated(finished):
        rows.tell(np.array([choices]), [accuracy])
    assert rows.done
    expected = rows.entries()
    assert [list(row.accuracies) for row in table.rows] == [pytest.approx(row, abs=1e-9) for row in expected.rows]
    assert table.best == pytest.approx(expected.best)


def killed(folder: Path, arm: Callable[[], None], victim: int) -> None:
    """The process of that number kills itself somewhere; at once the other one is killed, as all of a machine are."""
    processes = started(searching, folder, lambda rank: arm() if rank == victim else None)
    wait([process.sentinel for process in processes])
    for process in processes:
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
        process.join()
    assert processes[victim].exitcode == -signal.SIGKILL
    assert processes[1 - victim].exitcode in (-signal.SIGKILL, 2)


def test_killed_in_every_phase_they_go_on(finished, tmp_path):
    folder = tmp_path / "run"
    phases = [
        (in_stage("meta training", 0.4), 0),
        (in_stage("row 1 of 3, networks evaluated", 0.5), 1),
        (in_stage("row 2 of 3", 0.5), 0),
        (in_network(1), 1),
    ]
    for arm, victim in phases:
        before = len(evaluated(folder))
        killed(folder, arm, victim)
        assert len(evaluated(folder)) >= before, "no evaluation is lost"
    assert by_two(folder) == [0, 0]
    assert entries(folder) == entries(finished)
    assert told(folder) == told(finished)
    assert AccuracyTable.load(folder / "accuracy.json").provenance["processes"] == 2


def test_a_table_that_is_there_takes_any_number_of_processes(finished, tmp_path):
    """The folder of both goes on with one, which trains nothing again."""
    search = search_ponas(SPACE, DATA, finished, one_shot=SETTINGS, schedule=SCHEDULE, table=TABLE, trials=None)
    assert {str(one.architecture): one.accuracy for one in search.trained()} == told(finished)


def fails_in_training(rank: int) -> None:
    """In meta training the second one cannot read an image."""
    if rank == 1:
        trained = ponas.train_one_shot

        def train(space: Any, data: Any, *words: Any, **how: Any) -> Any:
            def images(indices: Any, rng: Any) -> Any:
                raise FileError("images/7.png: cannot be read")

            return trained(space, replace(data, train=replace(data.train, images=images)), *words, **how)

        ponas.train_one_shot = train


def fails_at_the_table(rank: int) -> None:
    """The first one cannot write it."""

    def save(table: Any, path: Path) -> None:
        raise FileError(f"{path}: cannot be written: No space left on device")

    ponas.AccuracyTable.save = save  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("arm", "failing", "said"),
    [
        (fails_in_training, 1, "images/7.png: cannot be read"),
        (fails_at_the_table, 0, "accuracy.json: cannot be written: No space left on device"),
    ],
    ids=["in training", "at the table"],
)
def test_what_ends_one_ends_the_other_with_a_word(tmp_path, arm, failing, said):
    assert by_two(tmp_path / "run", arm) == [2, 2]
    assert said in (tmp_path / f"fault{failing}").read_text()
    other = 1 - failing
    lost = f"process {other + 1} of 2: found no answer of the others, one of which has ended: "
    assert (tmp_path / f"fault{other}").read_text().startswith(lost)
    assert not (tmp_path / "run" / "accuracy.json").exists()


def fails_in_a_network(rank: int) -> None:
    """The second one has no room for the weights of what it trained."""
    if rank == 1:

        def save(weights: Any, path: Path, net: Any) -> None:
            raise FileError(f"{path}: cannot be written: No space left on device")

        working.save_weights = save


def test_one_that_ends_in_the_study_leaves_its_network_to_the_other(finished, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("accuracy.json", "ponas.json", "supernet.pt", EVALUATIONS):
        (folder / name).write_bytes((finished / name).read_bytes())
    assert by_two(folder, fails_in_a_network) == [0, 2]
    assert "No space left on device" in (tmp_path / "fault1").read_text()
    assert told(folder) == told(finished)
    study = join_study(folder / "study.db")
    assert TRAINING not in {row.state for row in study.read().rows}
    study.close()
