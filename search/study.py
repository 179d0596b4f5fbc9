"""A search kept on disk: an Optuna study of every training, so that a killed search goes on where it was.

Each training is a trial: the architecture's code as a user attribute, predicted latency and accuracy as values. What
to train next follows from the trials that are complete and the seed (search/partial_order.py), and a training's
random numbers from the candidate, so a search that was killed and started again ends as it would have.

In the run's folder: `study.db`, `latency.json`, and `networks/<code>/weights.caffemodel` for those on the boundary.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from converters.engines import Engine
from converters.weights import save_weights
from prototxt_gen.architectures import Backbone, parse_architecture
from prototxt_gen.errors import ArchitectureError, FileError, FormatError
from prototxt_gen.files import replacing
from prototxt_gen.generator.networks import generate
from search.data import Dataset
from search.latency import LatencyTable
from search.partial_order import PartialOrderPruning
from search.progress import progress_bar
from search.spaces import BackboneSpace
from search.training import Schedule, check_device, train

NAME = "partial order pruning"


def run_search(
    space: BackboneSpace,
    data: Dataset,
    out: str | os.PathLike[str],
    engine: Engine,
    *,
    trials: int = 32,
    interval: tuple[float, float] = (0.0, math.inf),
    schedule: Schedule | None = None,
    device: str = "cpu",
    progress: bool = False,
) -> PartialOrderPruning:
    """Measures, prunes and trains in the folder `out` until `trials` candidates are trained or none is left to train.

    `interval` is in milliseconds of the table's prediction, `device` is where PyTorch trains: UnsupportedError when
    there is none of that name. `trials` counts those of earlier runs in the same folder; more may be asked for later.
    All else must stay as the search began: FormatError tells what differs. FileError when the folder cannot be used
    or another process is using it.
    """
    schedule = schedule or Schedule()
    if space.classes != len(data.classes):
        raise ArchitectureError(f"space {space}: {space.classes} classes, the images have {len(data.classes)}")
    check_device(device)
    folder = Path(out)
    with _held(folder):
        table = LatencyTable.measure(space, engine, folder / "latency.json", progress)
        search = PartialOrderPruning(space, table, interval, schedule.seed)
        with _stored(folder / "study.db"):
            study = _open(folder / "study.db", _settings(space, data, interval, schedule, table))
            for architecture, accuracy in _past(study):
                search.tell(architecture, accuracy)
        _keep_boundary(search, folder)
        _train(search, study, folder, data, schedule, trials, device, progress)
    return search


def network_folder(out: Path, architecture: Backbone) -> Path:
    """Where the files of a candidate lie."""
    return out / "networks" / str(architecture)


def _train(
    search: PartialOrderPruning,
    study: optuna.Study,
    folder: Path,
    data: Dataset,
    schedule: Schedule,
    trials: int,
    device: str,
    progress: bool,
) -> None:
    steps = schedule.steps(len(data.train.labels))
    done = search.counts()["trained"]
    left = max(0, trials - done)
    with progress_bar(left * steps, "training", "step", progress and left > 0) as bar:
        while done < trials and (architecture := search.ask()) is not None:
            bar.set_description(f"training {done + 1} of {trials}, {search.counts()['pruned']} pruned")
            with _stored(folder / "study.db"):
                trial = study.ask()
                trial.set_user_attr("architecture", str(architecture))
            net = generate(architecture, input_shape=search.space.input_shape)
            weights, accuracy = train(net, data, schedule, device, bar.update)
            # Before the trial is complete, so that every complete trial on the boundary has its weights.
            target = network_folder(folder, architecture)
            _make(target)
            save_weights(weights, target / "weights.caffemodel", net)
            with _stored(folder / "study.db"):
                latency = search.table.predict(architecture, search.space.input_shape)
                study.tell(trial, [latency, accuracy])
            search.tell(architecture, accuracy)
            _keep_boundary(search, folder)
            done += 1


def _open(path: Path, settings: dict[str, Any]) -> optuna.Study:
    """The study in a file, new or gone on with. FormatError when it was begun with other settings."""
    if not path.exists():
        # Optuna begins a study in dozens of steps, and after some of them cannot go on.
        with replacing(path) as temporary:
            storage = RDBStorage(_url(temporary))
            _study(storage).set_user_attr("settings", settings)
            storage.remove_session()
            storage.engine.dispose()
    study = _study(RDBStorage(_url(path)))
    begun = study.user_attrs.get("settings", {})
    if begun != settings:
        differences = [
            f"{name}: was {begun.get(name)}, is {settings.get(name)}"
            for name in sorted({*begun, *settings})
            if begun.get(name) != settings.get(name)
        ]
        raise FormatError(
            f"{path}: the search here was begun otherwise: {'; '.join(differences)}; "
            "ask for the same again or choose another folder"
        )
    # Whoever trained these is gone: this process alone holds the folder.
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    return study


def _url(path: Path) -> str:
    return URL.create("sqlite", database=str(path)).render_as_string()


def _study(storage: RDBStorage) -> optuna.Study:
    return optuna.create_study(
        storage=storage, study_name=NAME, directions=["minimize", "maximize"], load_if_exists=True
    )


def _past(study: optuna.Study) -> list[tuple[Any, float]]:
    """Architectures and accuracies of all complete trainings, in their order."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return [(parse_architecture(trial.user_attrs["architecture"]), trial.values[1]) for trial in complete]


def _settings(
    space: BackboneSpace, data: Dataset, interval: tuple[float, float], schedule: Schedule, table: LatencyTable
) -> dict[str, Any]:
    """All that decides what a search does, as JSON values."""
    entries = sorted((key, entry.ms) for key, entry in table.entries.items())
    return {
        "space": str(space),
        "data": data.identity,
        # JSON has no infinity.
        "latency": [limit if math.isfinite(limit) else None for limit in interval],
        **asdict(schedule),
        "latency table": hashlib.sha256(json.dumps(entries).encode()).hexdigest()[:16],
    }


def _keep_boundary(search: PartialOrderPruning, folder: Path) -> None:
    """Removes the weights of candidates that another has beaten (none of them comes back) and misses no other's."""
    boundary = [str(architecture) for architecture, _, _ in search.boundary()]
    lost = [code for code in boundary if not (folder / "networks" / code / "weights.caffemodel").is_file()]
    if lost:
        raise FileError(
            f"{folder / 'networks'}: weights.caffemodel of {', '.join(lost)} is gone, the study has its accuracy; "
            "put it back or choose another folder"
        )
    for index in search.pruner.trained():
        beaten = network_folder(folder, search.space.decode(search.pruner.vectors[index]))
        if beaten.name not in boundary and beaten.is_dir():
            for name in ("weights.caffemodel", "deploy.prototxt", "train_val.prototxt", "solver.prototxt"):
                (beaten / name).unlink(missing_ok=True)
            # Files that somebody else put there stay.
            with suppress(OSError):
                beaten.rmdir()


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Makes the folder and holds it against a second search there, until the process ends in whatever way."""
    _make(folder)
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    try:
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as fault:
        raise FileError(f"{folder}: cannot be written: {fault.strerror or fault}") from fault
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as fault:
            raise FileError(f"{folder}: another search is running there") from fault
        yield
    finally:
        os.close(handle)


@contextmanager
def _stored(path: Path) -> Iterator[None]:
    """Faults of the database (full, read-only, no database at all) as a FileError that names the file."""
    try:
        yield
    except (optuna.exceptions.OptunaError, SQLAlchemyError) as fault:
        reason = str(fault.__cause__ or fault).splitlines()[0]
        raise FileError(f"{path}: the study cannot be read or written: {reason}") from fault


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise FileError(f"{folder}: cannot be made: {fault.strerror or fault}") from fault
