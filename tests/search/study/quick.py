"""A search whose trainings take a moment: a function of the user's, which writes down what it trained."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import time
import zlib
from pathlib import Path

import optuna

from prototxt_gen.summary import summarize
from search.latency import Entry, LatencyTable, space_parts
from search.spaces import BackboneSpace
from search.study.database import address_of
from search.study.loop import run_search, run_worker
from search.training.schedule import Schedule

SPACE = BackboneSpace(((1, 2), (1, 2)), (4, 8), stem=(4, 4), classes=3, input_shape=(1, 3, 16, 16))
ALL = {str(architecture) for architecture in SPACE}
#: Trains all that there is, in an order that chance gives.
EVERYTHING = {"strategy": "uniform", "margin": math.inf, "trials": None, "schedule": Schedule(seed=3)}


def table(space: BackboneSpace = SPACE) -> LatencyTable:
    """More multiply-adds, more milliseconds."""
    entries = {
        key: Entry((1 + summarize(part.net).multiply_adds) / 1e5, (0.0, 0.0), 1, part.label)
        for key, part in space_parts(space).items()
    }
    return LatencyTable({"engine": "made up"}, entries, call_ms=1e-6)


def accuracy_of(net, seed: int) -> float:
    """Larger networks are better, and a run's accuracy is off by a little."""
    size = math.log(summarize(net).parameters)
    return round(0.5 + size / 40 + (zlib.crc32(f"{net.name} {seed}".encode()) % 1000 / 1e5 if seed else 0.0), 6)


class Quick:
    """A trainer that writes a line at its beginning and at its end; it kills its process in the n-th training.

    With `together`, its first two trainings wait for those of the others.
    """

    identity = "quick"
    classes = 3

    def __init__(self, log: Path, seconds: float = 0.0, dies: int = 0, together=None) -> None:
        self.log, self.seconds, self.dies, self.together, self.begun = log, seconds, dies, together, 0

    def __call__(self, net, seed, report):
        self._write("begun", net, seed)
        self.begun += 1
        if self.together is not None and self.begun <= 2:
            self.together.wait()
        for step in range(4):
            time.sleep(self.seconds / 4)
            if self.begun == self.dies and step == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            report((step + 1) / 4, None)
        self._write("ended", net, seed)
        return accuracy_of(net, seed)

    def _write(self, word, net, seed):
        handle = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        os.write(handle, f"{word} {net.name} {seed} {os.getpid()}\n".encode())
        os.close(handle)


def lines(log: Path, word: str) -> list[str]:
    """The networks that a log names with a word, in its order."""
    return [line.split()[1] for line in log.read_text().splitlines() if line.startswith(word)]


def search_in(folder, trainer, **changes):
    return run_search(**({"space": SPACE, "data": trainer, "out": folder, "table": table()} | EVERYTHING | changes))


def begun_in(storage, folder, trainer, **changes):
    """Begins a study and trains one candidate of it."""
    return search_in(folder, trainer, storage=storage, trials=1, **changes)


def several(storage, folders, log, seconds=0.08, dying=(), **changes):
    """Worker processes, one for each folder; those at the places in `dying` kill themselves in their second training.

    They are forked, since importing all anew takes them seconds; and they train nothing that torch computes. However
    busy the machine is, each has two trainings.
    """
    context = multiprocessing.get_context("fork")
    together = context.Barrier(len(folders))
    started = []
    for place, folder in enumerate(folders):
        trainer = Quick(log, seconds, dies=2 if place in dying else 0, together=together)
        process = context.Process(target=run_worker, args=(storage, trainer, folder), kwargs=changes)
        process.start()
        started.append(process)
    return started


def as_optuna_has_it(storage) -> str:
    """The address for Optuna alone, which leaves the choice of a driver to SQLAlchemy."""
    return address_of(storage).render_as_string(hide_password=False)


def shown(storage, state) -> list:
    """Optuna's trials of a state."""
    study = optuna.load_study(study_name="search", storage=as_optuna_has_it(storage))
    return study.get_trials(states=(getattr(optuna.trial.TrialState, state),))
