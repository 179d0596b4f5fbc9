"""When a search ends: after so many candidates, at a time, or when its boundary has not changed for long enough."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from prototxt_gen.errors import ArchitectureError
from search.strategies.order import non_dominated
from search.study.trainings import ENDED, TRAINED, TRAINING, Row


@dataclass(frozen=True)
class Stops:
    """The rules; whichever comes first ends the search, as does having nothing left to train.

    `trials`: candidates that were trained, over all runs and workers. `ends`: seconds since 1970, after which nothing
    new is begun. `patience`: finished trainings in a row that did not change the boundary. `confirm`: how often each
    network of the boundary is trained again, with other seeds, after one of these rules or the last candidate.
    """

    trials: int | None = None
    ends: float | None = None
    patience: int | None = None
    confirm: int = 0

    def __post_init__(self) -> None:
        """ArchitectureError for a number that is too small."""
        least = {"trials": 1, "patience": 1, "confirm": 0}
        faults = [
            f"{name}: found {getattr(self, name)}, expected at least {low}"
            for name, low in least.items()
            if getattr(self, name) is not None and getattr(self, name) < low
        ]
        if faults:
            raise ArchitectureError("; ".join(faults))

    @classmethod
    def of(cls, stored: dict[str, Any]) -> Stops:
        """From what `stored` gave; of another version's, what this one knows."""
        return cls(**{field.name: stored[field.name] for field in fields(cls) if field.name in stored})

    def stored(self) -> dict[str, Any]:
        """As JSON values, for the other workers of the study."""
        return asdict(self)

    def is_over(self) -> bool:
        """Whether its time is over."""
        return self.ends is not None and time.time() >= self.ends

    def reached(self, rows: Iterable[Row], unchanged: int) -> str | None:
        """Why nothing new is begun, in words; None while it is. `unchanged` as `Unchanged.rounds`."""
        if self.trials is not None and len(begun(rows)) >= self.trials:
            return f"{self.trials:,} candidates are trained"
        if self.is_over():
            return "its time is over"
        if self.patience is not None and unchanged >= self.patience:
            return f"{unchanged:,} trainings have not changed the boundary"
        return None


def begun(rows: Iterable[Row]) -> set[str]:
    """The candidates, by code, that are trained or in training here: neither failed nor known from elsewhere."""
    found = list(rows)
    return {row.architecture for row in found if row.state in (TRAINED, TRAINING, ENDED)} - known_alone(found)


def known_alone(rows: Iterable[Row]) -> set[str]:
    """The candidates, by code, of which results from elsewhere are known, and no first run here."""
    runs = {(row.architecture, min(row.run, 1)) for row in rows}
    return {architecture for architecture, run in runs if run < 0} - {
        architecture for architecture, run in runs if run == 0
    }


class Unchanged:
    """Counts the finished trainings since the last that changed the boundary of the mean accuracies.

    A strategy's own expectations do not count here: they change a little with every result.
    """

    def __init__(self) -> None:
        self.rounds = 0
        self._latencies: dict[str, float] = {}
        self._accuracies: dict[str, list[float]] = {}
        self._boundary: set[str] = set()

    def tell(self, row: Row) -> None:
        """Enters a finished training."""
        if row.run >= 0:
            self.rounds += 1
        if row.state != TRAINED or row.accuracy is None or row.latency is None or not math.isfinite(row.latency):
            return
        self._latencies[row.architecture] = row.latency
        self._accuracies.setdefault(row.architecture, []).append(row.accuracy)
        codes = list(self._accuracies)
        means = np.array([sum(runs) / len(runs) for runs in self._accuracies.values()])
        kept = non_dominated(np.array([self._latencies[code] for code in codes]), means)
        boundary = {codes[place] for place in kept.tolist()}
        if boundary != self._boundary:
            self.rounds, self._boundary = 0, boundary
