"""What every strategy offers: candidates to train for the study's loop, and read-outs for the reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol, overload

import numpy as np
from numpy.typing import NDArray

from search.latency import LatencyTable
from search.spaces import Architecture, Space


class Trained(NamedTuple):
    """A trained candidate: its predicted latency in ms, its accuracy in 0..1, the mean of its `runs`.

    `expected` is what the strategy expects of its accuracy after all results, where it has a model of it; `foretold`
    what a table of accuracies said of it before.
    """

    architecture: Architecture
    latency: float
    accuracy: float
    expected: float | None = None
    runs: int = 1
    foretold: float | None = None


class Strategy(Protocol):
    """A search in progress. What `ask` returns follows from how it was made and from what it was told, in that order.

    So a search that is told the stored results of an earlier process goes on as that process would.
    """

    @property
    def name(self) -> str:
        """The strategy in words: a study begun with one strategy cannot go on with another."""

    @property
    def space(self) -> Space:
        """What is searched."""

    @property
    def table(self) -> LatencyTable:
        """What predicts latencies."""

    @property
    def limits(self) -> Mapping[str, tuple[float, float]]:
        """(least, most) of each other cost that is limited (see search/costs.py)."""

    @overload
    def ask(self) -> Architecture | None: ...

    @overload
    def ask(self, number: int, training: Sequence[Architecture] = ()) -> list[Architecture]: ...

    def ask(
        self, number: int | None = None, training: Sequence[Architecture] = ()
    ) -> Architecture | list[Architecture] | None:
        """The next candidate to train; None when none is left. Asking again gives the same one.

        With a `number`, up to so many different ones, fewer where fewer are left; none of them is in `training`.
        """

    def tell(self, architecture: Architecture, accuracy: float | None, seed: int = 0) -> int | None:
        """Enters the accuracy in 0..1 of a candidate, None where its training failed; another `seed` is another run.

        Returns how many others need no training any more; None where they are too many to be told apart.
        ArchitectureError when it is not a candidate or was told before with this seed, or when the accuracy is not in
        0..1.
        """

    def trained(self) -> list[Trained]:
        """All accuracies that were told, in that order."""

    def runs_of(self, architecture: Architecture) -> list[float]:
        """The accuracies of a candidate's runs, as they were told; none where it was not trained."""

    def boundary(self) -> list[Trained]:
        """The trained candidates that no other beats (see strategies/order.py), fastest first."""

    def counts(self) -> dict[str, int]:
        """How many architectures are in the "space" and "in_interval" of latencies, "trained" and "pruned".

        Where other costs are limited, too, those in the interval are within all limits, and "outside_" and a name
        ("latency" or one of search/costs.py) says how many of the space that limit leaves out. "failed" is there if
        trainings failed. Of a number that is an estimate, a name and "_error" says the standard error.
        """

    def latencies(self) -> dict[str, NDArray[np.float64]]:
        """Predicted latencies in ms, each (n,), of the candidates that are "trained", "pruned", and neither: "open".

        Of too many candidates to list, those of a sample stand for all.
        """
