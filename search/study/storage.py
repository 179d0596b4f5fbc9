"""A search kept in a database: an Optuna study, so that a killed search goes on where it was.

What is stored, `dongfeng study 1`: one study, named `search`, with two objectives: the predicted latency in ms, to be
minimized, and the accuracy in 0..1, to be maximized. Its user attributes are `format` and `settings` (see
`settings_of`). Each training is a trial with the user attribute `architecture`, the candidate's code. The trial of a
finished training is COMPLETE, with the values [latency, accuracy]; of a training in progress, RUNNING; of one that was
stopped, FAIL.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from prototxt_gen.architectures import Backbone, parse_backbone
from prototxt_gen.errors import ArchitectureError, FileError, FormatError
from prototxt_gen.files import replacing
from search.costs import plain
from search.latency.predicting import placed_parts
from search.spaces import Architecture
from search.strategies.strategy import Strategy
from search.training.schedule import Schedule

FORMAT = "dongfeng study 1"
NAME = "search"


class StoredStudy:
    """The trainings of one search, in a file that this process alone uses (see study/lock.py).

    Every method raises FileError, naming the file, when the database cannot be read or written.
    """

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        """Begins the study in a new file, or goes on with the one in an old file.

        FormatError when the file holds no study, one of another format, or one that was begun with other settings:
        the message tells each difference.
        """
        self.path = path
        with self._database():
            if not path.exists():
                # Optuna begins a study in dozens of steps; a study stopped after some of them is broken.
                with replacing(path) as temporary:
                    _begin(temporary, settings)
            self._study = self._opened(settings)
            # The processes that trained these have ended: this one alone holds the folder.
            for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
                self._study.tell(trial.number, state=TrialState.FAIL)

    def finished(self) -> list[tuple[Backbone, float]]:
        """Architecture and accuracy of every finished training, in the order in which they began.

        FormatError names the trial whose architecture cannot be read.
        """
        with self._database():
            trials = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        found = []
        for trial in trials:
            try:
                architecture = parse_backbone(trial.user_attrs.get("architecture", ""))
            except ArchitectureError as fault:
                raise FormatError(f"{self.path}: trial {trial.number}: {fault}") from fault
            found.append((architecture, trial.values[1]))
        return found

    def begin(self, architecture: Architecture) -> int:
        """Enters a training that begins now; returns its number."""
        with self._database():
            trial = self._study.ask()
            trial.set_user_attr("architecture", str(architecture))
        return trial.number

    def finish(self, number: int, latency: float, accuracy: float) -> None:
        """Enters the result of the training with that number: the predicted latency in ms, the accuracy in 0..1."""
        with self._database():
            self._study.tell(number, [latency, accuracy])

    def _opened(self, settings: dict[str, Any]) -> optuna.Study:
        try:
            storage = RDBStorage(_url(self.path))
        except RuntimeError as fault:
            # The file is of another version of Optuna, whose message says which one and what to do.
            raise FormatError(f"{self.path}: {fault}") from fault
        names = optuna.get_all_study_names(storage)
        if NAME not in names:
            found = f"studies named {names}" if names else "no study"
            raise FormatError(f"{self.path}: found {found}, expected one named {NAME!r}, of format {FORMAT!r}")
        study = optuna.load_study(storage=storage, study_name=NAME)
        stored = study.user_attrs
        if stored.get("format") != FORMAT:
            raise FormatError(f"{self.path}: format: found {stored.get('format')!r}, expected {FORMAT!r}")
        begun = stored.get("settings")
        if not isinstance(begun, dict):
            raise FormatError(f"{self.path}: settings: found {begun!r}, expected an object")
        if begun != settings:
            differences = [
                f"{name}: was {begun.get(name)}, is {settings.get(name)}"
                for name in sorted({*begun, *settings})
                if begun.get(name) != settings.get(name)
            ]
            raise FormatError(
                f"{self.path}: the search here was begun with other settings: {'; '.join(differences)}; "
                "ask for the same again or choose another folder"
            )
        return study

    @contextmanager
    def _database(self) -> Iterator[None]:
        """Faults of the database (full, read-only, no database at all) as a FileError that names the file."""
        try:
            yield
        except (optuna.exceptions.OptunaError, SQLAlchemyError, json.JSONDecodeError) as fault:
            reason = str(fault.__cause__ or fault).splitlines()[0]
            raise FileError(f"{self.path}: the study cannot be read or written: {reason}") from fault


def settings_of(
    search: Strategy, data_identity: str, interval: tuple[float, float], schedule: Schedule
) -> dict[str, Any]:
    """All that decides what a search does, as JSON values: a study goes on with the same settings only.

    The latency table is represented by a digest of what it predicts the space with. Limits are there if there are any,
    so that a study begun before there could be goes on.
    """
    return {
        "strategy": search.name,
        "space": str(search.space),
        "data": data_identity,
        "latency": plain(interval),
        **({"limits": {name: plain(limit) for name, limit in search.limits.items()}} if search.limits else {}),
        **schedule.settings(),
        "latency table": hashlib.sha256(json.dumps(_predicting(search)).encode()).hexdigest()[:16],
    }


def _predicting(search: Strategy) -> list[Any]:
    """The times of the space's parts, and what the table makes of them where that is not their plain sum."""
    table = search.table
    placed = list(placed_parts(search.space).values())
    base, made = table.base_nanoseconds, [table.part_nanoseconds(part) for part in placed]
    times = {part.key: table.entries[part.key].ms for part in placed if part.key in table.entries}
    plain_sum = [round(times[part.key] * 1e6) if part.key in times else None for part in placed]
    if base == 0 and made == plain_sum and table.curve is None:
        return sorted(times.items())
    return [base, made, table.curve]


def _begin(path: Path, settings: dict[str, Any]) -> None:
    storage = RDBStorage(_url(path))
    study = optuna.create_study(storage=storage, study_name=NAME, directions=["minimize", "maximize"])
    study.set_user_attr("format", FORMAT)
    study.set_user_attr("settings", settings)
    storage.remove_session()
    storage.engine.dispose()


def _url(path: Path) -> str:
    return URL.create("sqlite", database=str(path)).render_as_string()
