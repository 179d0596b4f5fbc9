"""A search by Tiered Pruning of a second or two, ways to kill it in its midst, and an engine with times of its own."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from search.latency.layer_latencies import layer_latencies
from search.study import tiered
from search.study.storage import join_study
from search.study.tiered import read_found, search_tiered
from search.training import beginning
from search.training.schedule import Schedule
from tests.search.study import quick
from tests.search.training.small_tiered_training import DATA, RULES, SETTINGS, SPACE

SCHEDULE = Schedule(epochs=1, batch_size=16, base_lr=0.01)
TABLE = quick.table(SPACE)
LATENCIES = layer_latencies(SPACE, TABLE)
#: ms; the fastest network of the space takes 0.126, the slowest 0.956.
GOALS = (0.6, 0.4)


def search_in(folder: Path, **changes: Any) -> Any:
    # Sums in another number of threads round otherwise.
    torch.set_num_threads(1)
    arguments = {"tiered": SETTINGS, "rules": RULES, "schedule": SCHEDULE, "table": TABLE, "goals": GOALS[:1]} | changes
    return search_tiered(SPACE, DATA, folder, **arguments)


def told(folder: Path) -> dict[str, float]:
    """The accuracies in the study."""
    study = join_study(folder / "study.db")
    rows = study.read().rows
    study.close()
    return {row.architecture: row.accuracy for row in rows}


def left_in(folder: Path) -> dict[str, Any]:
    """All that a run comes to: networks, the weights that they begin with, accuracies."""
    found = [read_found(path) for path in sorted(folder.glob("tiered/*/found.json"))]
    weights = {path.name: path.read_bytes() for path in sorted(folder.glob("beginnings/*"))}
    return {"found": found, "weights": weights, "told": told(folder)}


def place(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "tiered.json").read_text()))


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def in_search(number: int, share: float) -> Callable[[], None]:
    """Kills in the search for a goal, counted from 1, at that share of it; files are written every step."""

    def arm() -> None:
        trained, count = tiered.train_tiered, 0

        def train(*words: Any, **how: Any) -> Any:
            nonlocal count
            count += 1
            reported = words[8]

            def report(stage: str, done: float) -> None:
                reported(stage, done)
                if count == number and done >= share:
                    kill()

            return trained(*words[:8], report, **(how | {"every": 0}))

        tiered.train_tiered = train

    return arm


def before_it_is_told(number: int) -> Callable[[], None]:
    """Kills when the weights of that network are written, and nothing says yet that it was found."""

    def arm() -> None:
        handed, count = tiered._hand_out, 0

        def hand_out(*words: Any) -> None:
            nonlocal count
            handed(*words)
            count += 1
            if count == number:
                kill()

        tiered._hand_out = hand_out

    return arm


def in_network(number: int) -> Callable[[], None]:
    """Kills in the midst of that network's training, counted from 1."""

    def arm() -> None:
        called, count = beginning.BegunTrainer.__call__, 0

        def call(self: Any, net: Any, seed: int, report: Any) -> Any:
            nonlocal count
            count += 1
            return called(self, net, seed, report if count < number else lambda *now: kill())

        beginning.BegunTrainer.__call__ = call  # type: ignore[method-assign]

    return arm
