"""The table of a study's trainings: who trains what, and what came of it.

One row for a candidate and a run; the runs of a candidate differ in their random numbers. A row is claimed by a worker,
which then is the only one that trains it; it says a beat now and then, so that others know that it lives; and it is
trained or failed in the end. Every change is one transaction on one row, in SQLite and PostgreSQL alike, so that no
worker waits for another for longer than that takes.

A claim is made on what was read: each makes the study's revision one higher, and one that was made on an older revision
changes nothing. So two workers never claim the same training, and none claims one too many.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from sqlalchemy import Column, Float, Integer, MetaData, String, Table, Text, and_, func, insert, select, update
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import IntegrityError

#: The states of a training. A free one was begun by a worker that gave it back; of one that was ended early, the
#: accuracy is what it was expected to come to.
FREE, TRAINING, TRAINED, FAILED, ENDED = "free", "training", "trained", "failed", "ended"

#: Where weights are: in the folder that the study lies in, too.
HERE = "."

#: A training that so many workers died of is a failed one.
DEATHS = 5

_METADATA = MetaData()
_STUDIES = Table(
    "dongfeng_studies",
    _METADATA,
    Column("study_id", Integer, primary_key=True, autoincrement=False),
    Column("revision", Integer, nullable=False),
    Column("settings", Text, nullable=False),
    Column("latency_table", Text, nullable=False),
)
_TRAININGS = Table(
    "dongfeng_trainings",
    _METADATA,
    Column("study_id", Integer, primary_key=True, autoincrement=False),
    Column("architecture", Text, primary_key=True),
    Column("run", Integer, primary_key=True, autoincrement=False),
    Column("state", String(16), nullable=False),
    # Of Optuna's trial that shows this training; none until it is made.
    Column("trial_id", Integer),
    # The worker's own mark, how often it has said that it lives, and after how many seconds of silence it is dead.
    Column("worker", String(64)),
    Column("beat", Integer, nullable=False, default=0),
    Column("grace", Float, nullable=False, default=0.0),
    Column("deaths", Integer, nullable=False, default=0),
    # Of a finished one: its place in the order in which trainings ended, what it came to, where its weights are.
    Column("place", Integer),
    Column("latency", Float),
    Column("accuracy", Float),
    Column("fault", Text),
    Column("weights", Text),
    # Its accuracy on the way, by share of the training, as JSON.
    Column("looks", Text),
    # Where a result came from that was not trained here.
    Column("source", Text),
)


class Row(NamedTuple):
    """A training as it is stored. The columns of the table above, but for the study."""

    architecture: str
    run: int
    state: str
    trial_id: int | None
    worker: str | None
    beat: int
    grace: float
    deaths: int
    place: int | None
    latency: float | None
    accuracy: float | None
    fault: str | None
    weights: str | None
    looks: str | None
    source: str | None


class Key(NamedTuple):
    """Which training: a candidate's code, and the number of its run. Results from elsewhere have runs below 0."""

    architecture: str
    run: int


class Known(NamedTuple):
    """A result from elsewhere: a candidate's code, predicted latency in ms, accuracy in 0..1, where it is from."""

    architecture: str
    latency: float
    accuracy: float
    source: str


class First(NamedTuple):
    """A training of a study of the first format: Optuna's trial, the candidate's code, latency in ms and accuracy."""

    trial_id: int
    architecture: str
    latency: float
    accuracy: float


class Trainings:
    """The trainings of one study. Made for work inside `Database.run`: every method can be done twice."""

    def __init__(self, engine: Engine, study_id: int) -> None:
        self._engine = engine
        self._study_id = study_id

    @staticmethod
    def make_tables(engine: Engine) -> None:
        """Makes the tables where they are missing."""
        _METADATA.create_all(engine)

    def begin(self, settings: str, latency_table: str, first: Sequence[First] = ()) -> bool:
        """Enters the study, and trainings of the first format. False, changing nothing, if it was entered before."""
        with suppress(IntegrityError), self._engine.begin() as connection:
            # First: it is refused where the study was entered before.
            connection.execute(
                insert(_STUDIES).values(
                    study_id=self._study_id, revision=0, settings=settings, latency_table=latency_table
                )
            )
            for place, (trial_id, architecture, latency, accuracy) in enumerate(first, 1):
                # Their weights lie in the study's own folder.
                values = {"trial_id": trial_id, "latency": latency, "accuracy": accuracy, "weights": HERE}
                connection.execute(self._insert(Key(architecture, 0)).values(state=TRAINED, place=place, **values))
            return True
        return False

    def documents(self) -> tuple[str, str] | None:
        """The settings and the latency table as they were entered; None where the study was not."""
        with self._engine.connect() as connection:
            found = connection.execute(select(_STUDIES.c.settings, _STUDIES.c.latency_table).where(self._study)).first()
        return None if found is None else (found[0], found[1])

    def read(self) -> tuple[int, list[Row]]:
        """The revision that a claim needs, and all rows: finished ones as they ended, then the others."""
        columns = [_TRAININGS.c[name] for name in Row._fields]
        order = _TRAININGS.c.place.is_(None), _TRAININGS.c.place, _TRAININGS.c.run, _TRAININGS.c.architecture
        with self._engine.connect() as connection:
            # First: what comes after it makes a claim fail, or is seen.
            revision = connection.execute(select(_STUDIES.c.revision).where(self._study)).scalar_one()
            found = connection.execute(select(*columns).where(self._mine).order_by(*order))
            return revision, [Row(*row) for row in found]

    def claim(self, key: Key, revision: int, worker: str, grace: float) -> bool:
        """Gives a training to a worker. False when the revision is not the study's any more: nothing is changed."""
        with self._engine.begin() as connection:
            # The first statement: it holds the study's row, in SQLite the file, until the transaction ends.
            if not self._advance(connection, revision):
                return False
            values = {"state": TRAINING, "worker": worker, "beat": 0, "grace": grace, "trial_id": None}
            freed = update(_TRAININGS).where(self._is(key), _TRAININGS.c.state == FREE).values(**values)
            if not connection.execute(freed).rowcount:
                connection.execute(self._insert(key).values(**values))
        return True

    def beat(self, worker: str) -> bool:
        """Says that a worker lives. False when it trains nothing that is its own."""
        claimed = and_(self._mine, _TRAININGS.c.worker == worker, _TRAININGS.c.state == TRAINING)
        with self._engine.begin() as connection:
            found = connection.execute(update(_TRAININGS).where(claimed).values(beat=_TRAININGS.c.beat + 1))
            return bool(found.rowcount)

    def show(self, key: Key, worker: str | None, trial_id: int) -> bool:
        """Enters the trial that shows a training; without a worker, of a result from elsewhere."""
        owned = _TRAININGS.c.worker == worker if worker else _TRAININGS.c.trial_id.is_(None)
        with self._engine.begin() as connection:
            found = connection.execute(update(_TRAININGS).where(self._is(key), owned).values(trial_id=trial_id))
            return bool(found.rowcount)

    def finish(
        self,
        key: Key,
        worker: str,
        latency: float,
        accuracy: float,
        weights: str | None = None,
        looks: str | None = None,
        state: str = TRAINED,
    ) -> bool:
        """Enters a worker's result; `state` may be ENDED. False when the training is not this worker's any more."""
        values = {"latency": latency, "accuracy": accuracy, "weights": weights, "looks": looks}
        return self._end(key, worker, {"state": state, **values})

    def fail(self, key: Key, worker: str, fault: str) -> bool:
        """Enters that a worker's training came to nothing. False as `finish`."""
        return self._end(key, worker, {"state": FAILED, "fault": fault})

    def give_back(self, row: Row, died: bool) -> bool:
        """Frees a training for others, or fails it after DEATHS workers died of it. False when it has changed since."""
        deaths = row.deaths + died
        failed = deaths >= DEATHS
        same = [_TRAININGS.c.worker == row.worker, _TRAININGS.c.state == TRAINING]
        if died:
            same.append(_TRAININGS.c.beat == row.beat)
        values = {"state": FREE, "deaths": deaths, "trial_id": None, "worker": None}
        if failed:
            fault = f"{deaths} workers died of it, one after another: too little memory, perhaps"
            values |= {"state": FAILED, "fault": fault, "place": self._next_place(), "trial_id": row.trial_id}
        with self._engine.begin() as connection:
            found = connection.execute(update(_TRAININGS).where(self._is(_key(row)), *same).values(**values))
            return bool(found.rowcount)

    def free(self, keys: Sequence[Key]) -> None:
        """Makes failed trainings open again, as if they had not been begun."""
        with self._engine.begin() as connection:
            for key in keys:
                values = {"state": FREE, "fault": None, "place": None, "trial_id": None, "worker": None}
                failed = self._is(key), _TRAININGS.c.state == FAILED
                connection.execute(update(_TRAININGS).where(*failed).values(**values))

    def know(self, known: Sequence[Known]) -> int:
        """Enters results from elsewhere, as runs below 0; gives how many are new. One that is there already stays."""
        new = 0
        with self._engine.begin() as connection:
            self._advance(connection)
            found = connection.execute(
                select(_TRAININGS.c.architecture, _TRAININGS.c.run, _TRAININGS.c.accuracy, _TRAININGS.c.source).where(
                    self._mine, _TRAININGS.c.run < 0
                )
            ).all()
            lowest: dict[str, int] = {}
            for architecture, run, _, _ in found:
                lowest[architecture] = min(run, lowest.get(architecture, 0))
            there = {(architecture, accuracy, source) for architecture, _, accuracy, source in found}
            for one in known:
                if (one.architecture, one.accuracy, one.source) in there:
                    continue
                run = lowest.get(one.architecture, 0) - 1
                lowest[one.architecture] = run
                key = Key(one.architecture, run)
                values = {"latency": one.latency, "accuracy": one.accuracy, "source": one.source}
                connection.execute(self._insert(key).values(state=TRAINED, place=0, **values))
                new += 1
        return new

    def forget_weights(self, key: Key, weights: str | None) -> None:
        """Enters that the weights of a run are no longer at a place."""
        with self._engine.begin() as connection:
            there = self._is(key), _TRAININGS.c.weights == weights
            connection.execute(update(_TRAININGS).where(*there).values(weights=None))

    def _end(self, key: Key, worker: str, values: dict[str, object]) -> bool:
        own = self._is(key), _TRAININGS.c.worker == worker
        changed = update(_TRAININGS).where(*own, _TRAININGS.c.state == TRAINING)
        with self._engine.begin() as connection:
            if connection.execute(changed.values(**values, place=self._next_place())).rowcount:
                return True
            # Done before, when the answer was lost.
            return bool(connection.execute(select(1).where(*own, _TRAININGS.c.state == values["state"])).first())

    def _advance(self, connection: Connection, revision: int | None = None) -> bool:
        same = [] if revision is None else [_STUDIES.c.revision == revision]
        advanced = update(_STUDIES).where(self._study, *same).values(revision=_STUDIES.c.revision + 1)
        return bool(connection.execute(advanced).rowcount)

    def _next_place(self) -> Any:
        other = _TRAININGS.alias()
        return (
            select(func.coalesce(func.max(other.c.place), 0) + 1)
            .where(other.c.study_id == self._study_id)
            .scalar_subquery()
        )

    def _insert(self, key: Key) -> Any:
        return insert(_TRAININGS).values(study_id=self._study_id, architecture=key.architecture, run=key.run)

    @property
    def _study(self) -> Any:
        return _STUDIES.c.study_id == self._study_id

    @property
    def _mine(self) -> Any:
        return _TRAININGS.c.study_id == self._study_id

    def _is(self, key: Key) -> Any:
        return and_(self._mine, _TRAININGS.c.architecture == key.architecture, _TRAININGS.c.run == key.run)


def _key(row: Row) -> Key:
    return Key(row.architecture, row.run)
