"""A search from its beginning, or from where it was stopped, to its end.

What to train next follows from the finished trainings and the seed (see strategies/strategy.py), and a training's
random numbers from the seed and the candidate, so a search that is killed and started again ends with the same result.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path

from converters.engines import Engine, as_engine
from converters.weights import save_weights
from prototxt_gen.errors import ArchitectureError
from prototxt_gen.generator.networks import generate
from search.costs import Limits, checked_limits
from search.latency import LatencyTable
from search.progress import progress_bar
from search.spaces import Space
from search.strategies.partial_order import PartialOrderPruning
from search.strategies.strategy import Strategy
from search.study.folder import LATENCY_TABLE, STUDY, WEIGHTS, make_folder, network_folder
from search.study.lock import held
from search.study.retention import keep_boundary
from search.study.storage import StoredStudy, settings_of
from search.training.dataset import Dataset
from search.training.schedule import Schedule
from search.training.training import check_device, train

# Parts as well known as this order networks well, and take a fraction of a search's time.
SPREAD, BUDGET = 0.02, 120.0


def run_search(
    space: Space,
    data: Dataset,
    out: str | os.PathLike[str],
    engine: Engine | str | None = None,
    *,
    table: LatencyTable | None = None,
    trials: int = 32,
    interval: tuple[float, float] | Callable[[LatencyTable], tuple[float, float]] = (0.0, math.inf),
    limits: Limits | None = None,
    schedule: Schedule | None = None,
    device: str = "cpu",
    progress: bool = False,
) -> Strategy:
    """Measures, prunes and trains in the folder `out` until `trials` candidates are trained or none is left to train.

    `engine`, or its name, runs the blocks to be measured, PyTorch by default. With a `table`, of another device say,
    nothing is measured: UnsupportedError lists the parts of the space that it lacks. `interval` is in milliseconds of
    the table's prediction, or a function that gives it for the table once that is measured. `limits` leave out networks
    by their "multiply-adds", "parameters" or "memory" (the peak of activations in bytes, see search/costs.py): the most
    that one may have, or (least, most). `device` is where PyTorch trains: UnsupportedError when it cannot train there.
    `trials` counts those of earlier runs in the same folder; more may be asked for later. Everything else must be as
    when the search began: FormatError tells what differs. ArchitectureError when no network of the space is within the
    interval and all limits. FileError when the folder cannot be used or another process is using it.
    """
    schedule = schedule or Schedule()
    if space.classes != len(data.classes):
        raise ArchitectureError(f"space {space}: {space.classes} classes, the images have {len(data.classes)}")
    checked_limits(limits, space)  # before the first block is measured
    check_device(device)
    folder = Path(out)
    with held(folder):
        known = table or LatencyTable.measure(
            space, as_engine(engine or "torch"), folder / LATENCY_TABLE, progress, spread=SPREAD, budget=BUDGET
        )
        if callable(interval):
            interval = interval(known)
        search = PartialOrderPruning(space, known, interval, schedule.seed, limits)
        study = StoredStudy(folder / STUDY, settings_of(search, data.identity, interval, schedule))
        if table is not None:
            # Now that the study is known to be one of this table.
            table.save(folder / LATENCY_TABLE)
        for architecture, accuracy in study.finished():
            search.tell(architecture, accuracy)
        keep_boundary(search, folder)
        _train(search, study, folder, data, schedule, trials, device, progress)
    return search


def _train(
    search: Strategy,
    study: StoredStudy,
    folder: Path,
    data: Dataset,
    schedule: Schedule,
    trials: int,
    device: str,
    progress: bool,
) -> None:
    steps = schedule.steps(len(data.train))
    done = search.counts()["trained"]
    left = max(0, trials - done)
    with progress_bar(left * steps, "training", "step", progress and left > 0) as bar:
        while done < trials and (architecture := search.ask()) is not None:
            bar.set_description(f"training {done + 1} of {trials}, {search.counts()['pruned']} pruned")
            number = study.begin(architecture)
            net = generate(architecture, input_shape=search.space.input_shape)
            weights, accuracy = train(net, data, schedule, device, lambda share, accuracy: bar.update())
            # Before the training is entered as finished, so that every finished network on the boundary has weights.
            target = network_folder(folder, architecture)
            make_folder(target)
            save_weights(weights, target / WEIGHTS, net)
            study.finish(number, search.table.predict(architecture, search.space.input_shape), accuracy)
            search.tell(architecture, accuracy)
            keep_boundary(search, folder)
            done += 1
