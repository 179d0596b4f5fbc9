"""A search of a few seconds, the same in every process: made-up images and latencies."""

from __future__ import annotations

import os
import signal
import sqlite3
from pathlib import Path

import numpy as np
import optuna
import torch
from sqlalchemy import event
from sqlalchemy.engine import Engine

from prototxt_gen.summary import summarize
from search.spaces import BackboneSpace
from search.study import loop, working
from search.study.storage import NAME
from search.study.trainings import Trainings
from search.training import trainer
from search.training.dataset import Dataset, Split
from search.training.schedule import Schedule
from tests.search.latency.fake_engines import FakeEngine

# The stored studies of fixtures/ were made with this space, these images and this schedule: they stay as they are.
SPACE = BackboneSpace(((1, 2), (1, 2)), (4, 8, 16), stem=(4, 4), classes=3, input_shape=(1, 3, 16, 16))
SCHEDULE = Schedule(epochs=2, batch_size=16, seed=5)
TRIALS = 7
FIXTURE_SCHEDULE, FIXTURE_TRIALS = Schedule(epochs=4, batch_size=16), 8
COMPLETE, FAILED, RUNNING = (getattr(optuna.trial.TrialState, name) for name in ("COMPLETE", "FAIL", "RUNNING"))


def made_up_data() -> Dataset:
    rng = np.random.default_rng(0)
    labels = torch.arange(64) % 3
    images = torch.from_numpy(rng.normal(0, 1, (64, 3, 16, 16)).astype(np.float32)) + labels[:, None, None, None]

    def split(places: slice) -> Split:
        return Split(labels[places], lambda indices, rng: images[places][list(indices)])

    return Dataset("made up", ("a", "b", "c"), split(slice(0, 48)), split(slice(48, 64)))


def made_up_engine() -> FakeEngine:
    """Times that are the same in every process: more multiply-adds, more milliseconds."""
    # As a program of its own, of which no clock of this machine is read; no network takes no time at all.
    return FakeEngine(
        lambda net: max(summarize(net).multiply_adds / 1e5, 1e-6), {"engine": "made up"}, in_process=False
    )


def search_in(folder, **changes):
    # Sums in another number of threads round otherwise, and other tests may have chosen one.
    torch.set_num_threads(1)
    arguments = {
        "space": SPACE,
        "data": made_up_data(),
        "engine": made_up_engine(),
        "strategy": "uniform",
        "margin": 0.0,
    }
    return loop.run_search(out=folder, **(arguments | {"trials": TRIALS, "schedule": SCHEDULE} | changes))


def trials_of(folder, state) -> list[tuple[str, list[float]]]:
    stored = optuna.load_study(study_name=NAME, storage=f"sqlite:///{folder / 'study.db'}")
    return [(t.user_attrs.get("architecture"), t.values) for t in stored.get_trials(states=(state,))]


def relax(connection, record) -> None:
    """Makes a database that survives the end of its process, and need not survive a crash of the machine."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")


def die_at(folder: Path, place: str, training: int) -> None:
    """Runs a search that kills itself, as `kill -9` does, at a place in one of its trainings."""
    event.listen(Engine, "connect", relax)
    begun = 0
    real_train, real_save, real_show = trainer.train, working.save_weights, Trainings.show

    def die(here: str) -> None:
        if here == place and begun == training:
            os.kill(os.getpid(), signal.SIGKILL)

    def show(self, *arguments):
        nonlocal begun
        begun += 1
        shown = real_show(self, *arguments)
        die("claimed")
        return shown

    def train(net, data, schedule, device, report, **more):
        with (folder.parent / "trained.txt").open("a") as log:
            log.write(f"{net.name}\n")
        steps = iter(range(10**6))

        def told(share, accuracy):
            if next(steps) == 3:
                die("training")
            report(share, accuracy)

        return real_train(net, data, schedule, device, told, **more)

    def save_weights(weights, path, net):
        die("trained")
        real_save(weights, path, net)
        die("saved")

    trainer.train, working.save_weights, Trainings.show = train, save_weights, show
    search_in(folder)
