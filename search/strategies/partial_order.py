"""Partial order pruning: which candidate to train next, and which need no training any more (POP, section 3.3).

For every trained w let y_w be the fastest trained network that is no less accurate. Every untrained x <= w with
Lat(x) > Lat(y_w) is pruned: Acc(x) <= Acc(w) <= Acc(y_w) by assumption, so y_w is faster and no less accurate. When a
faster y_w is trained, w prunes again.

The paper states neither its interval of latencies nor when it stops: here the caller chooses both. Limits of other
costs make the set of candidates smaller and change nothing in the rule, which compares candidates by latency and
accuracy alone: no candidate on the boundary of latency and accuracy is pruned.
"""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.architectures import Backbone
from prototxt_gen.errors import ArchitectureError
from search.costs import Limits, checked_limits, cost_graph, in_words
from search.latency import LatencyTable
from search.spaces import BackboneSpace
from search.spaces.vectors import Vectors
from search.strategies.order import non_dominated, precedes
from search.strategies.strategy import Trained

OPEN, TRAINED, PRUNED = 0, 1, 2


class Pruner:
    """The rule itself, on candidates given as vectors (n, length) with their latencies (n,).

    On ties: a candidate exactly as fast as y_w is not pruned, and a trained network exactly as accurate as w can be
    y_w, since x would be slower than it and no better. `accuracies` holds NaN for candidates not trained.
    """

    def __init__(self, vectors: Vectors, latencies: NDArray[Any]) -> None:
        self.vectors = vectors
        self.latencies = latencies
        self.state = np.full(len(vectors), OPEN, dtype=np.uint8)
        self.accuracies = np.full(len(vectors), np.nan)
        # The latency of y_w by w, in the order of training.
        self._fastest: dict[int, Any] = {}

    def open(self) -> NDArray[np.intp]:
        """Candidates neither trained nor pruned."""
        return np.flatnonzero(self.state == OPEN)

    def trained(self) -> list[int]:
        """Trained candidates, in the order of training."""
        return list(self._fastest)

    def pruned(self) -> int:
        """How many candidates are pruned."""
        return int(np.count_nonzero(self.state == PRUNED))

    def tell(self, index: int, accuracy: float) -> int:
        """Enters an accuracy and prunes; returns how many candidates that pruned. A pruned one may be entered too."""
        before = self.pruned() - int(self.state[index] == PRUNED)
        self.state[index] = TRAINED
        self.accuracies[index] = accuracy
        self._fastest[index] = np.inf
        trained = np.array(self.trained())
        for w, known in self._fastest.items():
            rivals = trained[self.accuracies[trained] >= self.accuracies[w]]
            fastest = self.latencies[rivals].min()
            if fastest < known:
                self._fastest[w] = fastest
                slower = np.flatnonzero((self.state == OPEN) & (self.latencies > fastest))
                self.state[slower[precedes(self.vectors[slower], self.vectors[w])]] = PRUNED
        return self.pruned() - before

    def boundary(self) -> list[int]:
        """Trained candidates that no other trained one beats, fastest first."""
        trained = np.array(self.trained(), dtype=np.intp)
        return trained[non_dominated(self.latencies[trained], self.accuracies[trained])].tolist()


class PartialOrderPruning:
    """A search over the architectures of `space` whose latency by `table` lies in `interval` (least, most; ms).

    `limits` leave out more, by cost: the most that a candidate may have, or (least, most); see search/costs.py.

    `ask()` draws one, uniformly, of those neither trained nor pruned; `tell()` takes its accuracy. What `ask` returns
    depends only on `seed` and on what was told, so a search that is told the same results again goes on as before.
    ArchitectureError when the space is too large to list, and when no architecture is left: it says what each limit
    leaves out.
    """

    name = "partial order pruning"

    def __init__(
        self,
        space: BackboneSpace,
        table: LatencyTable,
        interval: tuple[float, float] = (0.0, math.inf),
        seed: int = 0,
        limits: Limits | None = None,
    ) -> None:
        self.space = space
        self.table = table
        self.seed = seed
        self.limits = checked_limits(limits, space)
        graphs = {name: cost_graph(space, name) for name in self.limits}
        predict = table.predictor(space)
        # How many of the whole space each limit leaves out.
        self._outside = dict.fromkeys(["latency", *self.limits], 0)
        fastest, slowest = math.inf, -math.inf
        vectors, latencies = [], []
        for listed in space.vectors():
            predicted = predict(listed)
            fastest, slowest = min(fastest, predicted.min()), max(slowest, predicted.max())
            kept = np.ones(len(listed), dtype=bool)
            for name, (least, most) in {"latency": interval, **self.limits}.items():
                costs = predicted if name == "latency" else graphs[name].costs(listed)
                inside = (costs >= least) & (costs <= most)
                self._outside[name] += int(np.count_nonzero(~inside))
                kept &= inside
            vectors.append(listed[kept])
            latencies.append(predicted[kept])
        self.pruner = Pruner(np.concatenate(vectors), np.concatenate(latencies))
        if not len(self.pruner.vectors):
            if self._outside["latency"] == space.count():
                raise ArchitectureError(
                    f"space {space}: no architecture's latency is {in_words('latency', *interval)}: "
                    f"it has {in_words('latency', fastest, slowest)}"
                )
            left_out = ", ".join(f"{name} {number:,}" for name, number in self._outside.items())
            raise ArchitectureError(
                f"space {space}: no architecture meets all limits together: of {space.count():,} are left out by "
                f"{left_out}"
            )

    def ask(self) -> Backbone | None:
        """The next candidate to train; None when every one is trained or pruned. Asking again gives the same one."""
        candidates = self.pruner.open()
        if not len(candidates):
            return None
        rng = random.Random(f"{self.seed} {len(self.pruner.trained())}")
        return self.space.decode(self.pruner.vectors[candidates[rng.randrange(len(candidates))]])

    def tell(self, architecture: Backbone, accuracy: float) -> int:
        """Enters a candidate's accuracy in 0..1; returns how many others need no training any more.

        ArchitectureError for an architecture outside the space, the interval or the limits, for one that was told
        before, and for an accuracy outside 0..1.
        """
        vector = self.space.encode(architecture)
        found = np.flatnonzero((self.pruner.vectors == vector).all(axis=1))
        if not len(found):
            limits = " or the limits" if self.limits else ""
            raise ArchitectureError(f"{architecture}: it lies outside the interval{limits} of this search")
        if self.pruner.state[found[0]] == TRAINED:
            raise ArchitectureError(f"{architecture}: its accuracy was told before")
        if not 0 <= accuracy <= 1:
            raise ArchitectureError(f"{architecture}: accuracy {accuracy}, expected 0 to 1")
        return self.pruner.tell(int(found[0]), accuracy)

    def trained(self) -> list[Trained]:
        """All accuracies that were told, in that order."""
        return [self._trained(index) for index in self.pruner.trained()]

    def boundary(self) -> list[Trained]:
        """The trained candidates that no other beats, fastest first."""
        return [self._trained(index) for index in self.pruner.boundary()]

    def counts(self) -> dict[str, int]:
        """How many are in the space, in the interval and all limits, trained, pruned; and what each limit leaves out.

        The latter are there if there are limits, as "outside_" and "latency" or a cost. One architecture may be left
        out by several.
        """
        return {
            "space": self.space.count(),
            "in_interval": len(self.pruner.vectors),
            "trained": len(self.pruner.trained()),
            "pruned": self.pruner.pruned(),
            **({f"outside_{name}": number for name, number in self._outside.items()} if self.limits else {}),
        }

    def latencies(self) -> dict[str, NDArray[np.float64]]:
        """Predicted latencies in ms, each (n,), of the candidates that are "trained", "pruned", and neither: "open"."""
        states = {"trained": TRAINED, "pruned": PRUNED, "open": OPEN}
        return {name: self.pruner.latencies[self.pruner.state == state] for name, state in states.items()}

    def _trained(self, index: int) -> Trained:
        return Trained(
            self.space.decode(self.pruner.vectors[index]),
            float(self.pruner.latencies[index]),
            float(self.pruner.accuracies[index]),
        )
