"""Partial order pruning: a search over the architectures of a space (POP, section 3.3).

Which candidate comes next is a strategy's business (`search/strategies/registry.py`), which need no training any more
that of the rule in `search/strategies/pruning.py`. Together with the strategy "uniform" and no margin they are the
paper's algorithm. The paper states neither its interval of latencies nor when it stops: here the caller chooses both.
Limits of other costs make the set of candidates smaller and change nothing in the rule, which compares candidates by
latency and accuracy alone: no candidate on the boundary of latency and accuracy is pruned.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.errors import ArchitectureError
from search.costs import Limits
from search.latency import LatencyTable
from search.latency.counting import Count
from search.spaces import Architecture, Space
from search.spaces.vectors import Vectors
from search.strategies.accuracy_table import AccuracyTable
from search.strategies.order import Contradictions, contradictions, non_dominated
from search.strategies.pruning import Pruning, usual_margin
from search.strategies.registry import chooser
from search.strategies.space_candidates import SpaceCandidates
from search.strategies.strategy import Trained
from search.strategies.unpruned import Unpruned


class PartialOrderPruning:
    """A search over the architectures of `space` whose latency by `table` lies in `interval` (least, most; ms).

    `limits` leave out more, by cost: the most that a candidate may have, or (least, most); see search/costs.py.
    `strategy` chooses among the candidates that are not pruned; `margin` is that of `Pruning`: 0 is the paper's rule,
    None a measured margin, infinity prunes nothing. `accuracies` is the table that the strategy "ponas" reads,
    `networks` are the codes that "listed" trains.

    `ask()` gives the next candidate; `tell()` takes its accuracy. What `ask` gives depends only on `seed`, on what was
    told and on what is in training, so a search that is told the same results again goes on as before.
    UnsupportedError where the table lacks parts of the space; ArchitectureError when no architecture is left: it says
    what each limit leaves out.
    """

    def __init__(
        self,
        space: Space,
        table: LatencyTable,
        interval: tuple[float, float] = (0.0, math.inf),
        seed: int = 0,
        limits: Limits | None = None,
        *,
        strategy: str = "uniform",
        margin: float | None = 0.0,
        accuracies: AccuracyTable | None = None,
        networks: Sequence[str] = (),
    ) -> None:
        self.space = space
        self.table = table
        self.seed = seed
        kind = chooser(strategy)
        self.candidates = SpaceCandidates(space, table, interval, limits)
        self.limits = self.candidates.limits
        self.pruning = Pruning(self.candidates, margin)
        self.unpruned = Unpruned(self.candidates, self.pruning)
        self.chooser = kind.of(self.unpruned, seed, accuracies, networks)
        self.results = self.chooser.results
        self.name = "partial order pruning"
        if (strategy, margin) != ("uniform", 0.0):
            self.name = f"{strategy}, {self.pruning}"
        # The seeds of a candidate's runs that were told, by its vector.
        self._told: dict[bytes, list[int]] = {}

    @overload
    def ask(self) -> Architecture | None: ...

    @overload
    def ask(self, number: int, training: Sequence[Architecture] = ()) -> list[Architecture]: ...

    def ask(
        self, number: int | None = None, training: Sequence[Architecture] = ()
    ) -> Architecture | list[Architecture] | None:
        """The next candidate to train; None when every one is trained or pruned. Asking again gives the same one.

        With a `number`, up to so many different ones, fewer where fewer are left; none of them is in `training`.
        """
        vectors = [self.space.encode(architecture) for architecture in training]
        found = self.chooser.ask(number or 1, np.array(vectors, dtype=np.uint8).reshape(-1, self.candidates.length))
        asked = [self.space.decode(vector) for vector in found]
        if number is not None:
            return asked
        return asked[0] if asked else None

    def tell(self, architecture: Architecture, accuracy: float | None, seed: int = 0) -> int | None:
        """Enters a candidate's accuracy in 0..1, None where its training failed; another `seed` is another run.

        Returns how many others need no training any more, less those that do again after another run: exactly. None
        where the candidates are too many to list: `counts` then tells an estimate of all that are pruned.

        ArchitectureError for an architecture outside the space, the interval or the limits, for one that was told
        before with this seed, and for an accuracy outside 0..1.
        """
        vector = self.space.encode(architecture)
        if not self.candidates.contains(vector[None])[0]:
            limits = " or the limits" if self.limits else ""
            raise ArchitectureError(f"{architecture}: it lies outside the interval{limits} of this search")
        seeds = self._told.get(vector.tobytes(), [])
        if seed in seeds:
            of_seed = f" of seed {seed}" if seeds != [0] else ""
            raise ArchitectureError(f"{architecture}: its accuracy{of_seed} was told before")
        if accuracy is not None and not 0 <= accuracy <= 1:
            raise ArchitectureError(f"{architecture}: accuracy {accuracy}, expected 0 to 1")
        self._told[vector.tobytes()] = [*seeds, seed]
        before = self._open(vector)
        self.chooser.tell(vector, accuracy)
        self.pruning.update(self.results)
        after = self._open(vector)
        return None if before is None or after is None else before - after

    def trained(self) -> list[Trained]:
        """All candidates whose accuracies were told, in the order in which they first were."""
        return self._trained(range(len(self.results.vectors)))

    def runs_of(self, architecture: Architecture) -> list[float]:
        """The accuracies of a candidate's runs, as they were told; none where it was not trained."""
        return self.results.runs_of(self.space.encode(architecture))

    def boundary(self) -> list[Trained]:
        """The trained candidates that no other beats, fastest first: by expected accuracy where the strategy has one.

        Else by the mean of the accuracies that were told.
        """
        expected = self.chooser.expected(self.results.vectors) if len(self.results.vectors) else None
        accuracies = self.results.accuracies if expected is None else expected
        return self._trained(non_dominated(self.results.costs, accuracies).tolist())

    def counts(self) -> dict[str, int]:
        """How many are in the space, in the interval and all limits, trained, pruned; and what each limit leaves out.

        The latter are there if there are limits, as "outside_" and "latency" or a cost. One architecture may be left
        out by several. "failed" is there if some were told to have failed. Where a number is an estimate, since there
        are too many to list, its standard error is there, too, as its name and "_error".
        """
        counts = {
            "in_interval": self.candidates.counted(),
            "trained": Count(len(self.results.vectors)),
            "pruned": self._pruned(),
        }
        if failed := len(self._failed()):
            counts["failed"] = Count(failed)
        if self.limits:
            counts |= {f"outside_{name}": number for name, number in self.candidates.left_out().items()}
        errors = {f"{name}_error": math.ceil(count.error) for name, count in counts.items() if count.error}
        return {"space": self.space.count(), **{name: count.number for name, count in counts.items()}, **errors}

    def contradictions(self) -> Contradictions:
        """How many pairs of trained candidates speak against the order's assumption, and how many beyond noise.

        Noise is `usual_margin`, whatever margin is pruned by.
        """
        return contradictions(self.results.vectors, self.results.accuracies, usual_margin(self.results))

    def latencies(self) -> dict[str, NDArray[np.float64]]:
        """Predicted latencies in ms, each (n,), of the candidates that are "trained", "pruned", and neither: "open".

        Where the candidates are too many to list, the latter two are those of a sample.
        """
        vectors, pruned = self.unpruned.shown()
        known = {vector.tobytes() for vector in np.concatenate([self.results.vectors, self.results.failed])}
        others = np.array([vector.tobytes() not in known for vector in vectors], dtype=bool)
        costs = self.candidates.costs(vectors)
        return {
            "trained": self.results.costs.copy(),
            "pruned": costs[pruned & others],
            "open": costs[~pruned & others],
        }

    def _open(self, told: Vectors) -> int | None:
        """How many, without the one told (length,), are neither pruned nor done; None where they cannot be listed."""
        if self.candidates.listed() is None:
            return None
        done = np.unique(np.concatenate([self.results.vectors, self._failed(), told[None]]), axis=0)
        return self.unpruned.counted().number - int(np.count_nonzero(~self.pruning.pruned(done)))

    def _pruned(self) -> Count:
        """How many are pruned, of those neither trained nor failed."""
        whole, left = self.candidates.counted(), self.unpruned.counted()
        done = np.concatenate([self.results.vectors, self._failed()])
        done_and_pruned = int(self.pruning.pruned(done).sum())
        return Count(max(0, whole.number - left.number - done_and_pruned), math.hypot(whole.error, left.error))

    def _failed(self) -> Vectors:
        """Those (n, length) of which no run came to an accuracy."""
        trained = {vector.tobytes() for vector in self.results.vectors}
        failed = {vector.tobytes(): vector for vector in self.results.failed if vector.tobytes() not in trained}
        return np.array(list(failed.values()), dtype=np.uint8).reshape(-1, self.candidates.length)

    def _trained(self, places: Sequence[int]) -> list[Trained]:
        results = self.results
        vectors = results.vectors[list(places)]
        expected = self.chooser.expected(vectors) if len(places) else None
        foretold = self.chooser.foretold(vectors) if len(places) else None
        return [
            Trained(
                self.space.decode(results.vectors[place]),
                float(results.costs[place]),
                float(results.accuracies[place]),
                None if expected is None else float(expected[row]),
                int(results.runs[place]),
                None if foretold is None else float(foretold[row]),
            )
            for row, place in enumerate(places)
        ]
