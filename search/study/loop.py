"""A search from its beginning, or from where it was stopped, to its end, by one process or by many.

What to train next follows from the finished trainings, what is in training and the seed (see strategies/strategy.py),
and a training's random numbers from the seed and the candidate, so a search of one worker that is killed and started
again ends with the same result.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from converters.engines import Engine, as_engine
from converters.targets.target import Target
from prototxt_gen.architectures import parse_architecture
from prototxt_gen.errors import ArchitectureError, FormatError
from prototxt_gen.files import write_bytes
from search.costs import ENERGY, Limits, checked_limits
from search.cutting import Cut, as_cut
from search.latency import LatencyTable
from search.spaces import Space
from search.strategies.accuracy_table import AccuracyTable
from search.strategies.ending import Ending
from search.strategies.partial_order import PartialOrderPruning
from search.strategies.registry import chooser
from search.strategies.strategy import Strategy
from search.study.database import address_of
from search.study.folder import LATENCY_TABLE, STUDY, TARGET
from search.study.following import Follower
from search.study.heartbeat import GRACE
from search.study.known import KnownResult
from search.study.lock import beginning, held
from search.study.retention import SLACK, Keep
from search.study.settings import Question, settings_of
from search.study.stopping import Stops
from search.study.storage import NAME, StoredStudy, has_study, join_study, open_study
from search.study.trainings import Known
from search.study.working import Worker
from search.training.beginning import begun_trainer
from search.training.checkpoints import differences
from search.training.dataset import Dataset
from search.training.inheriting import inheriting
from search.training.schedule import Schedule
from search.training.trainer import Trainer, Training, trainer_for

# Parts as well known as this order networks well, and take a fraction of a search's time.
SPREAD, BUDGET = 0.02, 120.0


def run_search(
    space: Space,
    data: Dataset | Trainer | Callable[..., Training | float],
    out: str | os.PathLike[str],
    engine: Engine | str | None = None,
    *,
    table: LatencyTable | None = None,
    trials: int | None = 32,
    interval: tuple[float, float] | Callable[[LatencyTable], tuple[float, float]] = (0.0, math.inf),
    limits: Limits | None = None,
    schedule: Schedule | None = None,
    device: str = "cpu",
    progress: bool = False,
    strategy: str = "additive",
    margin: float | None = None,
    seeds: int = 1,
    confirm: int = 0,
    known: Sequence[KnownResult] = (),
    hours: float | None = None,
    patience: int | None = None,
    storage: str | None = None,
    study: str = NAME,
    grace: float = GRACE,
    keep: Keep = "boundary",
    ending: Ending | None = None,
    accuracies: AccuracyTable | None = None,
    networks: Sequence[str] = (),
    target: Target | Cut | str | os.PathLike[str] | None = None,
) -> Strategy:
    """Measures, prunes and trains in the folder `out` until `trials` candidates are trained or none is left to train.

    `data` are images to train on with our own training and `schedule`, or a function of the user's that trains a
    network (see search/training/trainer.py). From images our training subtracts the mean of the space's family.

    Latency. `engine`, or its name, runs the blocks to be measured, PyTorch by default. With a `table`, of another
    device say, nothing is measured: UnsupportedError lists the parts of the space that it lacks. `interval` is in
    milliseconds of the table's prediction, or a function that gives it for the table once that is measured. `limits`
    leave out networks by their "multiply-adds", "parameters", "memory" (the peak of activations in bytes) or "energy"
    (mJ a run, where the table has energies), see search/costs.py: the most that one may have, or (least, most).

    Target. With a `target`, its name or file, the space is cut first to what that toolchain takes (see `cut_space`, of
    which a result may be given, too). How it was cut is in the folder's target.json. `write_report` then writes
    networks in the target's words.

    Training. `device` is where PyTorch trains: UnsupportedError when it cannot train there. Each candidate is trained
    with so many `seeds`, and counts with the mean. `known` are results to begin with (see search/study/known.py); those
    that are no candidates of this search are left out. `strategy` and `margin`: which candidate is next, and which need
    no training (see search/strategies/partial_order.py); "uniform" with margin 0 is the paper's algorithm. "ponas"
    takes those that the table `accuracies` chooses, which no other reads (see search/study/ponas.py), "listed" the
    `networks`, codes in the order in which they are trained. A training that fails is entered as failed, and the search
    goes on; TrainingError when many in a row fail. With `ending`, trainings that cannot reach the boundary any more end
    early (see search/strategies/ending.py); the candidate then
    counts with what it was expected to come to. The trainer must report accuracies on the way: ours does.

    The end. `trials` counts candidates of all runs and workers; more may be asked for later. None sets no number.
    `hours` after this call nothing new is begun. `patience` finished trainings in a row without a change of the
    boundary end the search, too. Then each network of the boundary is trained again with `confirm` other seeds.

    Weights. Those of the boundary's networks stay in `out`; with `keep` "all", those of every candidate.

    Many machines. The study is kept in `out`, or in the database `storage` under the name `study`: processes that call
    this, or `run_worker`, with the same storage work together. After `grace` seconds without a sign of life, a
    worker's candidate is given to others.

    Everything that decides what a search does must be as when it began: FormatError tells what differs.
    ArchitectureError when no network of the space is within the interval and all limits. FileError when folder or
    database cannot be used.
    """
    schedule = schedule or Schedule()
    cut = as_cut(space, target)
    space = space if cut is None else cut.space
    stops = Stops(trials, None if hours is None else time.time() + 3600 * hours, patience, confirm)
    if seeds < 1:
        raise ArchitectureError(f"seeds: found {seeds}, expected at least 1")
    chooser(strategy)
    trainer = trainer_for(space, data, schedule, device, ending.looks if ending else ())
    folder = Path(out)
    address = storage or folder / STUDY
    address_of(address)
    check_limits(limits, space, table, folder, storage, study)
    with held(folder):
        with beginning(folder):
            used = table or measured_table(space, engine, folder, storage, study, progress)
            within = interval(used) if callable(interval) else interval

            def make() -> PartialOrderPruning:
                return PartialOrderPruning(
                    space,
                    used,
                    within,
                    schedule.seed,
                    limits,
                    strategy=strategy,
                    margin=margin,
                    accuracies=accuracies,
                    networks=networks,
                )

            search = make()
            settings = settings_of(
                search,
                trainer,
                interval=within,
                strategy=strategy,
                margin=margin,
                seed=schedule.seed,
                seeds=seeds,
                ending=ending,
                accuracies=accuracies,
                networks=networks,
                target=None if cut is None else cut.target,
            )
            stored = open_study(address, study, settings, used.text())
            if table is not None or not (folder / LATENCY_TABLE).exists():
                # Now that the study is known to be one of this table.
                used.save(folder / LATENCY_TABLE)
            if cut is not None:
                write_bytes(folder / TARGET, (json.dumps(cut.as_json(), indent=1) + "\n").encode())
            stored.know(_candidates(known, search, trainer))
        stored.asked = stops.stored()
        return _worked(stored, make, trainer, folder, ending, grace, keep, progress)


def run_worker(
    storage: str | os.PathLike[str],
    data: Dataset | Callable[..., Training | float],
    out: str | os.PathLike[str],
    *,
    study: str = NAME,
    device: str = "cpu",
    progress: bool = False,
    grace: float = GRACE,
    keep: Keep = "boundary",
) -> Strategy:
    """Joins a search that `run_search` has begun in a database, and trains for it until it ends.

    What is searched, the latency table, the training and when it ends are read from the study; `data` must be what it
    was begun with: FormatError tells what differs. `storage` is a database's address, or the path of a study.db. The
    weights of what this worker trains go into the folder `out`, which several workers may share; `keep` says which stay
    there, as in `run_search`. Where candidates inherit the weights of a supernet, its file lies in `out`: it is that of
    the search's own folder. FormatError where there is no study; FileError when folder or database cannot be used.
    """
    stored = join_study(storage, study)
    question = Question.of(stored.settings, stored.database.name)
    table = _table(stored)
    looks = question.ending.looks if question.ending else ()
    folder = Path(out)
    trainer: Trainer
    if question.supernet is not None and isinstance(data, Dataset):
        trainer = inheriting(question.space, data, folder, question.one_shot or {}, question.schedule, device, looks)
    elif question.begun is not None and isinstance(data, Dataset):
        trainer = begun_trainer(question.space, data, folder, tuple(question.begun), question.schedule, device, looks)
    else:
        trainer = trainer_for(question.space, data, question.schedule, device, looks)
    own = trainer.settings
    if found := differences({name: stored.settings.get(name) for name in own}, own):
        raise FormatError(f"{stored.database.name}: the search was begun with other settings: {'; '.join(found)}")
    with held(folder):
        return _worked(stored, lambda: question.search(table), trainer, folder, question.ending, grace, keep, progress)


def read_question(storage: str | os.PathLike[str], study: str = NAME, wait: float = 0.0) -> Question:
    """What a study in a database was asked: its space, interval, limits, strategy, schedule. As `run_worker`.

    For `wait` seconds it may be that there is no study yet.
    """
    end = time.monotonic() + wait
    while True:
        try:
            stored = join_study(storage, study)
            break
        except FormatError:
            if time.monotonic() >= end:
                raise
            time.sleep(min(5.0, wait))
    try:
        return Question.of(stored.settings, stored.database.name)
    finally:
        stored.close()


def check_limits(
    limits: Limits | None,
    space: Space,
    table: LatencyTable | None,
    folder: Path,
    storage: str | None,
    study: str,
) -> None:
    """Before the first block is measured: what is measured has no energies, a table that is there may have."""
    asked = dict(limits or {})
    if table is None and ENERGY in asked:
        there = (folder / LATENCY_TABLE).exists() or (storage is not None and has_study(storage, study))
        if there:
            del asked[ENERGY]
    checked_limits(asked, space, table)


def _worked(
    study: StoredStudy,
    make: Callable[[], Strategy],
    trainer: Trainer,
    folder: Path,
    ending: Ending | None,
    grace: float,
    keep: Keep,
    progress: bool,
) -> Strategy:
    """The strategy of a study at its end."""
    follower = Follower(make, study)
    settings = study.settings
    # By the mean of observed accuracies of one run each, no beaten network comes back.
    once = (settings["strategy"], settings["seeds"], study.asked.get("confirm")) == ("uniform", 1, 0)
    worker = Worker(
        study,
        follower,
        trainer,
        folder,
        stops=lambda: Stops.of(study.asked),
        seed=settings["seed"],
        seeds=settings["seeds"],
        grace=grace,
        slack=0.0 if once else SLACK,
        keep=keep,
        progress=progress,
        ending=ending,
    )
    try:
        worker.work()
        study.repair()
    finally:
        study.close()
    return follower.search


def measured_table(
    space: Space, engine: Engine | str | None, folder: Path, storage: str | None, study: str, progress: bool
) -> LatencyTable:
    """The latency table of the folder, measured as far as it lacks parts; else that of a study which is there."""
    if storage is not None and not (folder / LATENCY_TABLE).exists() and has_study(storage, study):
        joined = join_study(storage, study)
        try:
            return _table(joined)
        finally:
            joined.close()
    return LatencyTable.measure(
        space, as_engine(engine or "torch"), folder / LATENCY_TABLE, progress, spread=SPREAD, budget=BUDGET
    )


def _candidates(known: Sequence[KnownResult], search: PartialOrderPruning, trainer: Trainer) -> list[Known]:
    """The known results that are of candidates of this search. FormatError for those of other data."""
    data = trainer.settings.get("data")
    others = sorted({f"{one.source}: {one.data}" for one in known if one.data not in (None, data)})
    if others:
        raise FormatError(f"known results: found those of other data: {'; '.join(others)}, expected {data}")
    found = []
    for one in known:
        architecture: Any = parse_architecture(one.architecture)
        if architecture in search.space and search.candidates.contains(search.space.encode(architecture)[None])[0]:
            latency = float(search.table.predict(architecture, search.space.input_shape))
            found.append(Known(str(architecture), latency, one.accuracy, one.source))
    return found


def _table(study: StoredStudy) -> LatencyTable:
    return LatencyTable.parse(study.latency_table, f"{study.database.name}: latency table")
