"""PONAS in a folder: a supernet is trained, its table of accuracies made, and the networks that it chooses trained on.

In the folder lie `ponas.json`, what the run was begun with and how far it is, `ponas.log` for people, the files of the
supernet's training (see search/training/one_shot.py) and at the end `accuracy.json`, the table. What comes behind that
is a study like any other (see loop.py), in the same folder.
"""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch

from converters.engines import Engine
from converters.targets.target import Target
from prototxt_gen.errors import CaffeError, FormatError
from prototxt_gen.version import __version__
from search.costs import Limits
from search.cutting import Cut, as_cut
from search.latency import LatencyTable
from search.spaces import PonasSpace
from search.strategies.accuracy_table import AccuracyTable, named_rows
from search.strategies.ponas import Estimate, Keep, Ponas
from search.strategies.read_off import ReadOff
from search.strategies.space_candidates import SpaceCandidates
from search.strategies.strategy import Strategy
from search.study.database import address_of, shown
from search.study.folder import ACCURACIES, PONAS, PONAS_LOG
from search.study.lock import beginning, held
from search.study.loop import check_limits, measured_table, read_question, run_search
from search.study.notes import Notes
from search.study.storage import NAME, has_study
from search.training.checkpoints import differences
from search.training.dataset import Dataset
from search.training.inheriting import inheriting
from search.training.one_shot import OneShot, train_one_shot
from search.training.processes import Group, joined
from search.training.schedule import Schedule
from search.training.trainer import mean_of
from search.training.training import check_device

_RUN = "dongfeng ponas run 1"


def run_ponas(
    space: PonasSpace,
    data: Dataset,
    out: str | os.PathLike[str],
    settings: OneShot | None = None,
    *,
    keep: Keep = "median",
    estimate: Estimate = "fit",
    device: str = "cpu",
    progress: bool = False,
    readers: int | None = None,
    every: float = 60.0,
) -> AccuracyTable:
    """The table of accuracies of a space, from a supernet trained on `data` in the folder `out`.

    The mean of the space's family is subtracted from the images. `settings` say how the supernet is trained, `keep` and
    `estimate` how its table is made (see `Ponas`). `device`, `readers` and `every` are as in `train_one_shot`, and so
    are the processes of a torchrun: all of them call this. Other processes that use the folder wait for it.

    Ended at any point, the same call goes on from there; no evaluation is lost, nor more than `every` seconds of
    training. Where the table is there already, it is read. Its provenance says images, settings, rule, how many
    networks were evaluated, the seconds of all calls together, versions and device.

    FormatError lists what differs from what the run was begun with: space, images, settings, rule, number of processes.
    FileError when the folder cannot be written, or the disk is full. UnsupportedError when PyTorch cannot train on the
    device. TrainingError when a loss is no number, or another process has ended.
    """
    settings = settings or OneShot()
    data = data.with_mean(mean_of(space))
    folder = Path(out)
    begun = {
        "space": str(space),
        "data": data.identity,
        "mean": list(data.train.mean),
        **settings.settings(),
        "keep": keep,
        "estimate": estimate,
    }
    with joined(device) as (group, own), held(folder), beginning(folder) if group.first else nullcontext():
        check_device(own)
        there = group.told(_finished(folder, begun, group))
        if there is not None:
            return there
        words = f"{begun['space']}, {begun['data']}"
        stages = 2 + 2 * len(space.rows)
        run = Notes(folder / PONAS, folder / PONAS_LOG, _RUN, begun, words, stages, group, progress)
        rows = _rows(space, settings, keep, estimate)
        train_one_shot(space, data, rows, settings, folder, own, run.report, group=group, readers=readers, every=every)
        table = _table(space, rows, begun, run.seconds(), own, group)
        if group.first:
            table.save(folder / ACCURACIES)
            _end(run, table, len(rows.told))
        # All wait until the files are there.
        group.told(None)
        return table


def search_ponas(
    space: PonasSpace,
    data: Dataset,
    out: str | os.PathLike[str],
    engine: Engine | str | None = None,
    *,
    one_shot: OneShot | None = None,
    keep_block: Keep = "median",
    estimate: Estimate = "fit",
    schedule: Schedule | None = None,
    table: LatencyTable | None = None,
    interval: tuple[float, float] | Callable[[LatencyTable], tuple[float, float]] = (0.0, math.inf),
    limits: Limits | None = None,
    device: str = "cpu",
    progress: bool = False,
    target: Target | Cut | str | os.PathLike[str] | None = None,
    **options: Any,
) -> Strategy:
    """From nothing to trained networks in the folder `out`: latencies, then the table of accuracies, then a study.

    The table is that of `run_ponas(space, data, out, one_shot, keep=keep_block, estimate=estimate)`. Then the networks
    that it chooses between the limits are trained by `schedule` from the weights that they have in the supernet, as
    `run_search` does it with the strategy "ponas": `options` are arguments of that, such as `trials`, `storage` and
    `seeds`, and all others mean what they mean there; all is done in the space that is cut to the `target`. Latencies
    come first, since limits that no network meets are told then, before any training.

    Ended at any point, the same call goes on. Workers may join when the study is there (see `run_worker`); processes of
    a torchrun train the supernet together, and are workers of one study then. Where `storage` has the study already and
    the folder no table, it was begun in another folder: the table is read from the study, and a copy of the supernet's
    file must be here; FileError without. Errors as `run_ponas` and `run_search`.
    """
    settings = one_shot or OneShot()
    schedule = schedule or Schedule()
    cut = as_cut(space, target)
    if cut is not None:
        assert isinstance(cut.space, PonasSpace)  # as it is of the same kind
        space = cut.space
    folder = Path(out)
    storage, study = options.get("storage"), options.get("study", NAME)
    check_limits(limits, space, table, folder, storage, study)
    with joined(device) as (group, own):
        check_device(own)
        with held(folder), beginning(folder):
            used = table or measured_table(space, engine, folder, storage, study, progress)
        within = interval(used) if callable(interval) else interval
        SpaceCandidates(space, used, within, limits)
        # All have their latencies before the first one holds the folder's beginning again.
        group.total([0.0], own)
        accuracies = _begun_elsewhere(folder, storage, study, group) or run_ponas(
            space, data, folder, settings, keep=keep_block, estimate=estimate, device=device, progress=progress
        )
    ending = options.get("ending")
    trainer = inheriting(space, data, folder, settings.settings(), schedule, device, ending.looks if ending else ())
    return run_search(
        space,
        trainer,
        folder,
        engine,
        table=used,
        interval=within,
        limits=limits,
        schedule=schedule,
        device=device,
        progress=progress,
        strategy=ReadOff.name,
        margin=math.inf,
        accuracies=accuracies,
        target=cut,
        **options,
    )


def _rows(space: PonasSpace, settings: OneShot, keep: Keep, estimate: Estimate) -> Ponas:
    counts = [len(space.layers[layer].candidates) for layer in space.rows]
    return Ponas(counts, suffixes=settings.suffixes, seed=settings.schedule.seed, keep=keep, estimate=estimate)


def _finished(folder: Path, begun: dict[str, Any], group: Group) -> AccuracyTable | CaffeError | None:
    """The table that lies in the folder; None where there is none yet. Asked of the first process alone."""
    path = folder / ACCURACIES
    if not group.first or not path.exists():
        return None
    try:
        table = AccuracyTable.load(path)
        told = differences(table.provenance.get("settings", {}), begun)
        if told:
            raise FormatError(f"{path}: made with other settings: {'; '.join(told)}; choose another folder")
    except CaffeError as fault:
        return fault
    return table


def _begun_elsewhere(folder: Path, storage: str | None, study: str, group: Group) -> AccuracyTable | None:
    """The table of a study that was begun in another folder; None where there is no such study.

    FormatError for a study that goes by no table of accuracies.
    """
    if storage is None or (folder / ACCURACIES).exists():
        return None
    told: AccuracyTable | CaffeError | None = None
    if group.first:
        try:
            told = _table_of_study(storage, study) if has_study(storage, study) else None
        except CaffeError as fault:
            told = fault
    there: AccuracyTable | None = group.told(told)
    return there


def _table_of_study(storage: str, study: str) -> AccuracyTable:
    question = read_question(storage, study)
    if question.accuracies is None:
        raise FormatError(
            f"{shown(address_of(storage))}: study {study!r}: found the strategy {question.strategy}, expected that of "
            f"PONAS; choose another name"
        )
    return question.accuracies


def _table(
    space: PonasSpace, rows: Ponas, begun: dict[str, Any], seconds: float, device: str, group: Group
) -> AccuracyTable:
    entries, best, power = rows.entries()
    names = [f"layer {layer + 1}" for layer in space.rows]
    codes = [[str(unit) for unit in space.layers[layer].candidates] for layer in space.rows]
    provenance = {
        "settings": begun,
        "kept": list(rows.prefix),
        "networks evaluated": len(rows.told),
        "seconds": round(seconds, 1),
        "processes": group.size,
        "device": torch.cuda.get_device_name(device) if torch.device(device).type == "cuda" else device,
        "versions": {
            "dongfeng": __version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }
    return AccuracyTable(str(space), named_rows(names, codes, entries), best, power, provenance)


def _end(run: Notes, table: AccuracyTable, evaluated: int) -> None:
    """Takes down what came out."""
    for row in table.rows:
        best, worst = (pick(zip(row.accuracies, row.candidates, strict=True)) for pick in (max, min))
        run.log(f"{row.layer}: from {worst[1]} {worst[0]:.2%} to {best[1]} {best[0]:.2%}")
    run.log(f"{ACCURACIES} after {run.seconds():.0f} s, from {evaluated:,} networks evaluated")
    run.end()
