"""The strategy of a study, kept up to date with what all workers stored; and what it wants trained next."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from prototxt_gen.architectures import parse_architecture
from search.strategies.ending import Curves
from search.strategies.strategy import Strategy
from search.study.stopping import Stops, Unchanged, known_alone
from search.study.storage import Stored, StoredStudy
from search.study.trainings import ENDED, FAILED, FREE, TRAINED, TRAINING, Key, Row


class Next(NamedTuple):
    """What to do: train `key`; without one, wait for the other workers, or end, for a reason in words."""

    key: Key | None
    ended: str | None = None


def finished_rows(rows: Sequence[Row]) -> list[Row]:
    """The trainings that came to something, or failed, of all that are stored, in their order.

    What a training that was ended early was expected to come to, no longer counts where another run of the candidate
    came to its end.
    """
    trained = {row.architecture for row in rows if row.state == TRAINED}
    return [
        row
        for row in rows
        if row.state in (TRAINED, FAILED) or (row.state == ENDED and row.architecture not in trained)
    ]


def is_told(row: Row, trained: set[str]) -> bool:
    """Whether a strategy is told of a finished training, after those of the candidates `trained` so far.

    A candidate that was trained has not failed because another run of it has.
    """
    return row.state != FAILED or row.architecture not in trained


class Follower:
    """A strategy that is told each finished training once, in the order in which they ended.

    What was told cannot be taken back. Where the stored trainings are not those that were told and more, as after a
    failed one was made open again, the strategy is made anew.
    """

    def __init__(self, make: Callable[[], Strategy], study: StoredStudy) -> None:
        self.study = study
        self._make = make
        self._begin()

    def _begin(self) -> None:
        self.search = self._make()
        self.unchanged = Unchanged()
        self.curves = Curves()
        self._told: list[tuple[str, int, str]] = []
        self._trained: set[str] = set()

    def update(self) -> Stored:
        """Reads the trainings as they are now, and tells the strategy what it does not know yet."""
        stored = self.study.read()
        finished = finished_rows(stored.rows)
        marks = [(row.architecture, row.run, row.state) for row in finished]
        if marks[: len(self._told)] != self._told:
            self._begin()
        for row in finished[len(self._told) :]:
            self._tell(row)
        self._told = marks
        return stored

    def latency(self, code: str) -> float:
        """The predicted latency of a candidate in ms."""
        return float(self.search.table.predict(_architecture(code), self.search.space.input_shape))

    def _tell(self, row: Row) -> None:
        self.unchanged.tell(row)
        if row.state == TRAINED:
            self._trained.add(row.architecture)
            if row.looks is not None and row.accuracy is not None:
                self.curves.add({float(look): value for look, value in json.loads(row.looks).items()}, row.accuracy)
        if is_told(row, self._trained):
            self.search.tell(_architecture(row.architecture), row.accuracy, seed=row.run)

    def needed(self, code: str) -> float | None:
        """The best accuracy of the trained networks that are no slower than a candidate; None where there is none.

        By what the strategy expects of them where it has a model: so the boundary is drawn.
        """
        latency = self.latency(code)
        rivals = [
            one.accuracy if one.expected is None else one.expected
            for one in self.search.trained()
            if one.latency <= latency and str(one.architecture) != code
        ]
        return max(rivals, default=None)

    def following(self, stored: Stored, stops: Stops, seeds: int) -> Next:
        """What is to be trained next, as all stands in `stored`, which `update` gave.

        First the other seeds of candidates that are begun, then new candidates. When the search ends and all others
        have come to theirs, the networks of the boundary again.
        """
        runs = _runs(stored.rows)
        ended = stops.reached(stored.rows, self.unchanged.rounds)
        known = known_alone(stored.rows)
        if not stops.is_over():
            for code in runs:
                if code not in known and (run := _missing(runs[code], range(seeds))) is not None:
                    return Next(Key(code, run))
        training = [code for code, rows in runs.items() if any(row.state == TRAINING for row in rows.values())]
        if ended is None:
            asked = self.search.ask(1, [_architecture(code) for code in training])
            if asked:
                return Next(Key(str(asked[0]), 0))
            ended = "nothing is left to train"
        if any(row.state == TRAINING and row.run < seeds for row in stored.rows):
            # It may fail or be given back, and decides which networks are on the boundary.
            return Next(None)
        key = self._unconfirmed(runs, known, seeds, stops.confirm)
        if key is not None:
            return Next(key)
        return Next(None) if training else Next(None, ended)

    def _unconfirmed(self, runs: dict[str, dict[int, Row]], known: set[str], seeds: int, confirm: int) -> Key | None:
        """A run that a network of the boundary lacks: to confirm it, or since its weights are gone.

        A result from elsewhere stands for the first runs of its network; only what confirms it is trained here.
        """
        kept = any(row.weights for rows in runs.values() for row in rows.values())
        for trained in self.search.boundary():
            code = str(trained.architecture)
            rows = runs.get(code, {})
            if not rows and code not in known:
                continue  # known from elsewhere, too, and failed here
            wanted = range(seeds if code in known else 0, seeds + confirm)
            if (run := _missing(rows, wanted)) is not None:
                return Key(code, run)
            # It had been beaten, its weights were removed, and by the mean of later runs it has come back.
            gone = kept and not any(row.weights or row.state == TRAINING for row in rows.values())
            if gone and any(row.state == TRAINED for row in rows.values()) and len(rows) <= len(wanted):
                return Key(code, max(rows) + 1)
        return None


def _architecture(code: str) -> Any:
    """What a candidate's code stands for: what the space of the search consists of."""
    return parse_architecture(code)


def _runs(rows: Sequence[Row]) -> dict[str, dict[int, Row]]:
    """The rows of each candidate that is begun here, by run; of those known alone, failed ones, too."""
    found: dict[str, dict[int, Row]] = {}
    for row in rows:
        if row.run >= 0:
            found.setdefault(row.architecture, {})[row.run] = row
    begun = (TRAINED, TRAINING, ENDED)
    known = known_alone(rows)
    return {
        code: own for code, own in found.items() if code in known or any(row.state in begun for row in own.values())
    }


def _missing(rows: dict[int, Row], wanted: range) -> int | None:
    """The first run that nobody has begun; None as soon as one has failed or was ended early."""
    if any(rows[run].state in (FAILED, ENDED) for run in wanted if run in rows):
        return None
    return next((run for run in wanted if run not in rows or rows[run].state == FREE), None)
