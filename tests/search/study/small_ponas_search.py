"""A search by PONAS of a second or two, and ways to kill it in its midst."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from search.strategies.accuracy_table import AccuracyTable
from search.study import ponas
from search.study.ponas import search_ponas
from search.study.storage import join_study
from search.training import inheriting
from search.training.schedule import Schedule
from tests.search.study import quick
from tests.search.training.small_ponas import DATA, SETTINGS, SPACE

SCHEDULE = Schedule(epochs=1, batch_size=16, base_lr=0.01)
TABLE = quick.table(SPACE)
NETWORKS = 2


def search_in(folder: Path, **changes: Any) -> Any:
    # Sums in another number of threads round otherwise.
    torch.set_num_threads(1)
    arguments = {"one_shot": SETTINGS, "schedule": SCHEDULE, "table": TABLE, "trials": NETWORKS} | changes
    return search_ponas(SPACE, DATA, folder, **arguments)


def told(folder: Path) -> dict[str, float]:
    study = join_study(folder / "study.db")
    rows = study.read().rows
    study.close()
    return {row.architecture: row.accuracy for row in rows}


def entries(folder: Path) -> AccuracyTable:
    return replace(AccuracyTable.load(folder / "accuracy.json"), provenance={})


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def in_stage(stage: str, share: float) -> Callable[[], None]:
    """Kills as the supernet's training reports that share of a stage, a file being written every step."""

    def arm() -> None:
        reported, trained = ponas.Notes.report, ponas.train_one_shot

        def report(run: Any, now: str, done: float) -> None:
            reported(run, now, done)
            if now == stage and done >= share:
                kill()

        ponas.Notes.report = report  # type: ignore[method-assign]
        ponas.train_one_shot = lambda *words, **how: trained(*words, **(how | {"every": 0}))

    return arm


def at_the_table() -> None:
    ponas.AccuracyTable.save = lambda table, path: kill()  # type: ignore[method-assign]


def in_network(number: int) -> Callable[[], None]:
    """Kills in the midst of that network's training, counted from 1."""

    def arm() -> None:
        called, count = inheriting.InheritingTrainer.__call__, 0

        def call(self: Any, net: Any, seed: int, report: Any) -> Any:
            nonlocal count
            count += 1
            return called(self, net, seed, report if count < number else lambda *now: kill())

        inheriting.InheritingTrainer.__call__ = call  # type: ignore[method-assign]

    return arm
