"""A search kept in a database: an Optuna study for all to see, and beside it who trains what (see trainings.py).

What is stored, `dongfeng study 2`: one study, named `search` unless told otherwise, with two objectives: the predicted
latency in ms, to be minimized, and the accuracy in 0..1, to be maximized, named so. Its user attributes are `format`,
`settings` (see settings.py) and `asked`, when the search shall end (see stopping.py). Each training is a trial with the
user attributes `architecture`, the candidate's code, `run`, and `worker`, where it trains. The trial of a finished
training is COMPLETE, with the values [latency, accuracy]; of a training in progress, RUNNING; of one that came to
nothing or was given back, FAIL, with the user attribute `fault`, and `log` where there is one; of one that was ended
early, PRUNED, with `looks`, the accuracies on the way, and `expected`. A result from elsewhere is a COMPLETE trial that
says its `source`.

The trials are for looking at: optuna-dashboard shows them. What counts are the tables `dongfeng_studies` and
`dongfeng_trainings`, which change in single transactions; `repair` brings the trials in line after a worker died
between the two. Of `dongfeng study 1` there are trials alone, without `run`: they are entered into the tables on the
first opening. It was used by one process at a time.
"""

from __future__ import annotations

import json
import os
import platform
import uuid
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from prototxt_gen.architectures import parse_architecture
from prototxt_gen.errors import ArchitectureError, FormatError
from prototxt_gen.files import replacing
from search.study.database import PATIENCE, Database, address_of, racing
from search.study.settings import FIRST, current
from search.study.trainings import ENDED, FAILED, TRAINED, TRAINING, First, Key, Known, Row, Trainings
from search.training.checkpoints import differences

FORMAT = "dongfeng study 2"
NAME = "search"
# What studies of the first format did without being asked (see `current` in settings.py).
_AS_FIRST = "`--strategy uniform --margin 0`"
DIRECTIONS = [StudyDirection.MINIMIZE, StudyDirection.MAXIMIZE]
OBJECTIVES = ["predicted latency, ms", "accuracy, 0 to 1"]
# Of a log, its end tells why a training failed.
_LOG_AT_MOST = 20_000


class Claim(NamedTuple):
    """A training that this worker alone does now, and the trial that shows it."""

    key: Key
    trial_id: int


class Stored(NamedTuple):
    """All trainings as they are now, finished ones in the order in which they ended; and what a claim on them needs."""

    revision: int
    rows: list[Row]


class StoredStudy:
    """The trainings of one search, in a database that many workers use.

    Every method raises FileError, naming the database without its password, when that cannot be read or written; a lost
    connection is waited for (see database.py).
    """

    def __init__(self, database: Database, name: str, study_id: int, settings: dict[str, Any]) -> None:
        """As `open_study` and `join_study` make it."""
        self.database = database
        self.name = name
        self.settings = settings
        self.worker = uuid.uuid4().hex
        self._study_id = study_id
        # Codes that were read before: there is nothing wrong with them.
        self._codes: set[str] = set()
        self._trainings = Trainings(database.engine, study_id)

    @property
    def latency_table(self) -> str:
        """The latency table of the study, as its file has it; empty where the study was begun without."""
        documents = self.database.run(self._trainings.documents)
        return documents[1] if documents else ""

    @property
    def asked(self) -> dict[str, Any]:
        """When the search shall end, as the last `dongfeng search` of this study was told (see stopping.py)."""
        return self._attributes().get("asked") or {}

    @asked.setter
    def asked(self, value: dict[str, Any]) -> None:
        storage = self.database.storage
        self.database.run(lambda: storage.set_study_user_attr(self._study_id, "asked", value))

    def read(self, patience: float = PATIENCE) -> Stored:
        """The trainings as they are now. FormatError for an architecture that cannot be read."""
        stored = Stored(*self.database.run(self._trainings.read, patience))
        for code in {row.architecture for row in stored.rows} - self._codes:
            try:
                parse_architecture(code)
            except ArchitectureError as fault:
                raise FormatError(f"{self.database.name}: {fault}") from fault
            self._codes.add(code)
        return stored

    def ends(self) -> dict[int, float]:
        """When trials ended, by their id: seconds since the first one began, by the clock of the worker of each."""
        storage = self.database.storage
        trials = self.database.run(lambda: storage.get_all_trials(self._study_id, deepcopy=False))
        first = min((trial.datetime_start for trial in trials if trial.datetime_start), default=None)
        if first is None:
            return {}
        ended = [(trial._trial_id, trial.datetime_complete) for trial in trials]
        return {trial_id: max(0.0, (end - first).total_seconds()) for trial_id, end in ended if end}

    def know(self, known: Sequence[Known]) -> None:
        """Enters results from elsewhere; those that are there already stay as they are."""
        self.database.run(lambda: self._trainings.know(known))
        self.repair()

    def claim(self, key: Key, stored: Stored, grace: float) -> Claim | None:
        """Takes a training for this worker; None when the trainings are not as they were read any more.

        `grace` is how many seconds this worker may be silent (see `beat`) before others may take it for dead.
        """
        if not self.database.run(lambda: self._trainings.claim(key, stored.revision, self.worker, grace)):
            # It may be this worker's for all that: made when the answer was lost.
            _, rows = self.database.run(self._trainings.read)
            if not any(row.worker == self.worker and row.state == TRAINING and _key(row) == key for row in rows):
                return None
        attributes = {"architecture": key.architecture, "run": key.run, "worker": f"{platform.node()}:{os.getpid()}"}
        running = create_trial(state=TrialState.RUNNING, user_attrs=attributes)
        storage = self.database.storage
        trial_id = self.database.run(lambda: storage.create_new_trial(self._study_id, running))
        self.database.run(lambda: self._trainings.show(key, self.worker, trial_id))
        return Claim(key, trial_id)

    def beat(self) -> bool:
        """Says that this worker lives. False when nothing that it trains is its own any more."""
        return self.database.run(lambda: self._trainings.beat(self.worker), patience=0)

    def finish(
        self,
        claim: Claim,
        latency: float,
        accuracy: float,
        weights: str | None = None,
        looks: Mapping[float, float] | None = None,
        early: bool = False,
    ) -> bool:
        """Enters a result: the predicted latency in ms, the accuracy in 0..1, where the weights are (see retention.py).

        `looks` are accuracies on the way, by share of the training. Of one that was ended `early`, the accuracy is what
        it was expected to come to. False when the training was given to another worker meanwhile; nothing is entered.
        """
        written = json.dumps({str(look): value for look, value in looks.items()}) if looks else None
        result = latency, accuracy, weights, written, ENDED if early else TRAINED
        done = self.database.run(lambda: self._trainings.finish(claim.key, self.worker, *result))
        if done and early:
            self._end_trial(claim.trial_id, TrialState.PRUNED, looks=written, expected=accuracy)
        elif done:
            self._end_trial(claim.trial_id, TrialState.COMPLETE, [latency, accuracy])
        return done

    def fail(self, claim: Claim, fault: str, log: str) -> bool:
        """Enters that a training came to nothing: why, in one line, and all that was said. False as `finish`."""
        done = self.database.run(lambda: self._trainings.fail(claim.key, self.worker, fault))
        if done:
            self._end_trial(claim.trial_id, TrialState.FAIL, fault=fault, log=log[-_LOG_AT_MOST:])
        return done

    def give_back(self, row: Row, died: bool) -> bool:
        """Gives the training of a worker to others. False when it has changed since it was read."""
        done = self.database.run(lambda: self._trainings.give_back(row, died))
        if done and row.trial_id is not None:
            fault = "given back: its worker died" if died else "given back: its worker was stopped"
            self._end_trial(row.trial_id, TrialState.FAIL, fault=fault)
        return done

    def release(self, claim: Claim) -> None:
        """Gives this worker's own training back: it was stopped."""
        own = [row for row in self.read(patience=0).rows if _key(row) == claim.key and row.worker == self.worker]
        for row in own:
            self.give_back(row, died=False)

    def free(self, keys: Sequence[Key]) -> None:
        """Makes failed trainings open again."""
        self.database.run(lambda: self._trainings.free(keys))

    def forget_weights(self, row: Row) -> None:
        """Enters that the weights of a run are no longer where they were."""
        if row.weights is not None:
            self.database.run(lambda: self._trainings.forget_weights(_key(row), row.weights))

    def repair(self) -> None:
        """Brings the trials in line with what counts."""
        storage = self.database.storage
        # Trials first: a training that was ended in between has its trial ended by who ends it.
        running = self.database.run(
            lambda: storage.get_all_trials(self._study_id, deepcopy=False, states=(TrialState.RUNNING,))
        )
        rows = self.read().rows
        shown = {row.trial_id: row for row in rows if row.trial_id is not None}
        begun = {_key(row) for row in rows if row.state == TRAINING and row.trial_id is None}
        for trial in running:
            row = shown.get(trial._trial_id)
            if row is None and (trial.user_attrs.get("architecture"), trial.user_attrs.get("run", 0)) not in begun:
                self._end_trial(trial._trial_id, TrialState.FAIL, fault="given back: its worker died")
            elif row is not None and row.state == FAILED:
                self._end_trial(trial._trial_id, TrialState.FAIL, fault=row.fault)
            elif row is not None and row.state == ENDED:
                self._end_trial(trial._trial_id, TrialState.PRUNED, looks=row.looks, expected=row.accuracy)
            elif row is not None and row.state == TRAINED:
                self._end_trial(trial._trial_id, TrialState.COMPLETE, _values(row))
        for row in rows:
            if row.state == TRAINED and row.trial_id is None:
                attributes = {"architecture": row.architecture, "run": row.run, "source": row.source}
                known = create_trial(state=TrialState.COMPLETE, values=_values(row), user_attrs=attributes)
                trial_id = self.database.run(partial(storage.create_new_trial, self._study_id, known))
                self.database.run(partial(self._trainings.show, _key(row), None, trial_id))

    def close(self) -> None:
        """Ends the connections."""
        self.database.close()

    def _end_trial(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None, **attributes: Any
    ) -> None:
        storage = self.database.storage

        def end() -> None:
            # RuntimeError: it has ended already; this was done before, when the answer was lost.
            with suppress(RuntimeError):
                for name, value in attributes.items():
                    storage.set_trial_user_attr(trial_id, name, value)
                storage.set_trial_state_values(trial_id, state, values)

        self.database.run(end)

    def _attributes(self) -> dict[str, Any]:
        return self.database.run(lambda: self.database.storage.get_study_user_attrs(self._study_id))


def open_study(storage: str | os.PathLike[str], name: str, settings: dict[str, Any], latency_table: str) -> StoredStudy:
    """The study of that name with these settings: begun where there is none, else gone on with.

    FormatError when it is of another format, or was begun with other settings: the message tells each difference.
    FileError when the database cannot be reached, read or written.
    """
    url = address_of(storage)
    path = Path(str(url.database))
    if url.get_backend_name() == "sqlite" and not path.exists():
        # Optuna begins a study in dozens of steps; a study stopped after some of them is broken.
        with replacing(path) as temporary:
            begun = Database(url.set(database=str(temporary)))
            _begin(begun, name, settings, latency_table)
            begun.close()
    database = Database(url)
    if not database.is_file and name not in _names(database):
        _begin(database, name, settings, latency_table)
    study = _opened(database, name, settings, latency_table)
    _name_objectives(database, name)
    study.repair()
    return study


def join_study(storage: str | os.PathLike[str], name: str = NAME) -> StoredStudy:
    """The study of that name, with the settings that it was begun with.

    FormatError where there is none, or one of another format; FileError when the database cannot be reached.
    """
    url = address_of(storage)
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists():
        raise FormatError(f"{url.database}: found no study: `dongfeng search` begins one")
    return _opened(Database(url), name, None, "")


def has_study(storage: str | os.PathLike[str], name: str) -> bool:
    """Whether there is a study of that name. FileError when the database cannot be reached."""
    url = address_of(storage)
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists():
        return False
    database = Database(url)
    try:
        return name in _names(database)
    finally:
        database.close()


def known_sources(storage: str | os.PathLike[str], name: str = NAME) -> dict[str, str]:
    """Where the results of a study are from that were known when it began, by candidate."""
    study = join_study(storage, name)
    try:
        return {row.architecture: row.source for row in study.read().rows if row.source is not None}
    finally:
        study.close()


def finished_trainings(path: Path, name: str = NAME) -> tuple[dict[str, Any], list[tuple[str, float]]]:
    """The settings of a study of any format, and code and accuracy of each training that it finished.

    In the order in which they began. FormatError where the file has no such study.
    """
    database = Database(address_of(path))
    storage = database.storage
    if name not in _names(database):
        raise FormatError(f"{path}: found no study named {name!r}")
    study_id = storage.get_study_id_from_name(name)
    stored = database.run(lambda: storage.get_study_user_attrs(study_id))
    if stored.get("format") not in (FORMAT, FIRST) or not isinstance(stored.get("settings"), dict):
        raise FormatError(f"{path}: format: found {stored.get('format')!r}, expected {FORMAT!r} or {FIRST!r}")
    trials = database.run(lambda: storage.get_all_trials(study_id, deepcopy=False, states=(TrialState.COMPLETE,)))
    database.close()
    trained = [trial for trial in trials if "source" not in trial.user_attrs]
    return stored["settings"], [(trial.user_attrs.get("architecture", ""), trial.values[1]) for trial in trained]


def _opened(database: Database, name: str, settings: dict[str, Any] | None, latency_table: str) -> StoredStudy:
    names = _names(database)
    if name not in names:
        there = f"studies named {names}" if names else "no study"
        raise FormatError(f"{database.name}: found {there}, expected one named {name!r}, of format {FORMAT!r}")
    storage = database.storage
    study_id: int = database.run(lambda: storage.get_study_id_from_name(name))
    stored = database.run(lambda: storage.get_study_user_attrs(study_id))
    unfinished = set(stored) <= {"settings"} and not database.is_file and _is_unused(database, study_id)
    if unfinished and settings is not None:
        # Whoever began it has not come to its end, or never will: both come to the same.
        _begin(database, name, settings, latency_table)
        stored = database.run(lambda: storage.get_study_user_attrs(study_id))
    if stored.get("format") not in (FORMAT, FIRST):
        raise FormatError(f"{database.name}: format: found {stored.get('format')!r}, expected {FORMAT!r}")
    begun = stored.get("settings")
    if not isinstance(begun, dict):
        raise FormatError(f"{database.name}: settings: found {begun!r}, expected an object")
    if stored["format"] == FIRST:
        if settings is None:
            raise FormatError(
                f"{database.name}: format: found {FIRST!r}, expected {FORMAT!r}: `dongfeng search` with its settings "
                f"brings it there, with {_AS_FIRST} among them"
            )
        begun = current(begun)
    if settings is not None and (found := differences(begun, settings)):
        first = f", for a study of this first format with {_AS_FIRST}," if stored["format"] == FIRST else ""
        raise FormatError(
            f"{database.name}: the search here was begun with other settings: {'; '.join(found)}; "
            f"ask for the same again{first} or choose another folder"
        )
    if stored["format"] == FIRST:
        _upgrade(database, study_id, begun, latency_table)
    return StoredStudy(database, name, study_id, begun)


def _begin(database: Database, name: str, settings: dict[str, Any], latency_table: str) -> None:
    """Makes a study. Begun by several at once, it is that of the first one."""
    storage = database.storage

    def begin() -> None:
        racing(lambda: Trainings.make_tables(database.engine))
        optuna.create_study(storage=storage, study_name=name, directions=DIRECTIONS, load_if_exists=True)
        study_id = storage.get_study_id_from_name(name)
        trainings = Trainings(database.engine, study_id)
        trainings.begin(json.dumps(settings), latency_table)
        documents = trainings.documents()
        assert documents is not None
        storage.set_study_user_attr(study_id, "settings", json.loads(documents[0]))
        storage.set_study_user_attr(study_id, "format", FORMAT)

    database.run(begin)


def _name_objectives(database: Database, name: str) -> None:
    """Gives the objectives the names that optuna-dashboard shows; numbers without. Older studies have none."""
    shown = database.run(lambda: optuna.load_study(study_name=name, storage=database.storage))
    if database.run(lambda: shown.metric_names) is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            database.run(lambda: shown.set_metric_names(OBJECTIVES))


def _upgrade(database: Database, study_id: int, settings: dict[str, Any], latency_table: str) -> None:
    """Brings a study of the first format to today's."""
    storage = database.storage
    first = []
    for trial in database.run(lambda: storage.get_all_trials(study_id, deepcopy=False, states=(TrialState.COMPLETE,))):
        try:
            architecture = parse_architecture(trial.user_attrs.get("architecture", ""))
        except ArchitectureError as fault:
            raise FormatError(f"{database.name}: trial {trial.number}: {fault}") from fault
        first.append(First(trial._trial_id, str(architecture), *trial.values))

    def upgrade() -> None:
        Trainings.make_tables(database.engine)
        Trainings(database.engine, study_id).begin(json.dumps(settings), latency_table, first)
        storage.set_study_user_attr(study_id, "settings", settings)
        storage.set_study_user_attr(study_id, "format", FORMAT)

    database.run(upgrade)


def _names(database: Database) -> list[str]:
    return database.run(lambda: optuna.get_all_study_names(database.storage))


def _is_unused(database: Database, study_id: int) -> bool:
    storage = database.storage
    return not database.run(lambda: storage.get_study_system_attrs(study_id) or storage.get_n_trials(study_id))


def _values(row: Row) -> list[float]:
    assert row.latency is not None and row.accuracy is not None, row
    return [row.latency, row.accuracy]


def _key(row: Row) -> Key:
    return Key(row.architecture, row.run)
