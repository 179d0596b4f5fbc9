"""What every strategy offers: candidates to train for the study's loop, and read-outs for the reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.architectures import Backbone
from search.latency import LatencyTable
from search.spaces import BackboneSpace


class Trained(NamedTuple):
    """A trained candidate: its predicted latency in ms, its accuracy in 0..1."""

    architecture: Backbone
    latency: float
    accuracy: float


class Strategy(Protocol):
    """A search in progress. What `ask` returns follows from how it was made and from what it was told, in that order.

    So a search that is told the stored results of an earlier process goes on as that process would.
    """

    @property
    def name(self) -> str:
        """The strategy in words: a study begun with one strategy cannot go on with another."""

    @property
    def space(self) -> BackboneSpace:
        """What is searched."""

    @property
    def table(self) -> LatencyTable:
        """What predicts latencies."""

    @property
    def limits(self) -> Mapping[str, tuple[float, float]]:
        """(least, most) of each other cost that is limited (see search/costs.py)."""

    def ask(self) -> Backbone | None:
        """The next candidate to train; None when none is left. Asking again gives the same one."""

    def tell(self, architecture: Backbone, accuracy: float) -> int:
        """Enters the accuracy in 0..1 of a candidate; returns how many others need no training any more.

        ArchitectureError when it is not a candidate or was told before, or when the accuracy is not in 0..1.
        """

    def trained(self) -> list[Trained]:
        """All accuracies that were told, in that order."""

    def boundary(self) -> list[Trained]:
        """The trained candidates that no other beats (see strategies/order.py), fastest first."""

    def counts(self) -> dict[str, int]:
        """How many architectures are in the "space" and "in_interval" of latencies, "trained" and "pruned".

        Where other costs are limited, too, those in the interval are within all limits, and "outside_" and a name
        ("latency" or one of search/costs.py) says how many of the space that limit leaves out.
        """

    def latencies(self) -> dict[str, NDArray[np.float64]]:
        """Predicted latencies in ms, each (n,), of the candidates that are "trained", "pruned", and neither: "open"."""
