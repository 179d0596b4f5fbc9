"""A space of over 10^12 architectures whose accuracies are made up as those of real tables are.

No table lists so many trained networks. So this says what strategies find if a large space is like the tables of
docs/search.md in what matters to them: more width or depth helps, ever less; distant pairs follow the order nearly
always and neighbours in three of four cases; a run has noise. It says nothing of real networks' accuracies.

The error of a network is (FLOOR + SCALE * mean over stages of (1 + capacity)^-POWER) * exp(own). A stage's capacity
is the sum of its blocks' widths, each to the power of WIDE, times the stage's worth: this part is monotone, but no sum
over blocks, neither is its logarithm. `own` is a network's own, with the order or against it: a fixed random function
of the widths, part of it smooth (what suits a region of the space), part of it rough (no neighbour says much of it).

Run: python benchmarks/made_up_networks.py tells how often pairs follow the order.
"""

from __future__ import annotations

import hashlib
import random
import sys
from functools import cached_property

import numpy as np
from made_up import made_up_table
from numpy.typing import NDArray

from search import BackboneSpace
from search.spaces.vectors import Vectors
from search.strategies.hypervolume import hypervolume
from search.strategies.order import non_dominated, precedes
from search.strategies.space_candidates import SpaceCandidates

SPACE = BackboneSpace(depths=((1, 20),) * 3, widths=(24, 32, 48, 64, 96, 128, 192, 256, 512))
INTERVAL = (2.0, 60.0)
FLOOR, SCALE, POWER, WIDE = 0.18, 0.6, 0.6, 0.7
WORTH = (1.0, 1.6, 2.4)
#: Deviations of what is a network's own, in the logarithm of its error; and the noise of a run, as accuracy.
SMOOTH, ROUGH, NOISE = 0.03, 0.0015, 0.0015
#: Random features of each part, and how fast they turn: radians for a value of one coordinate.
FEATURES, SLOW, FAST = 64, 0.06, 1.5
#: Candidates that say what is usual; the reference point is the largest cost and 5th percentile of accuracy of them.
USUAL = 5000
#: What a search that knows the truth does to find the best boundary: bins by cost, and rounds at most.
BINS, ROUNDS = 150, 400


class MadeUpNetworks:
    """The space as what strategies are compared on; it has what `NetworkTable` has for that."""

    name = "made_up"

    def __init__(self) -> None:
        self.candidates = SpaceCandidates(SPACE, made_up_table(SPACE), INTERVAL)
        self.notes = ("made up", f"of {SPACE} within {INTERVAL[0]:g} to {INTERVAL[1]:g} ms; made-up accuracies")
        made = (FLOOR, SCALE, POWER, WIDE, WORTH, SMOOTH, ROUGH, NOISE, FEATURES, SLOW, FAST, USUAL, BINS, ROUNDS)
        self.digest = hashlib.sha256(f"{SPACE} {INTERVAL} {made}".encode()).hexdigest()[:8]
        rng = np.random.default_rng(0)
        length = self.candidates.length
        self._turns = np.column_stack([rng.normal(0, speed, (length, FEATURES)) for speed in (SLOW, FAST)])
        self._phases = rng.uniform(0, 2 * np.pi, 2 * FEATURES)
        self._weights = np.repeat([SMOOTH, ROUGH], FEATURES) * np.sqrt(2 / FEATURES)

    @property
    def count(self) -> int:
        return self.candidates.counted().number

    def truth_of(self, vectors: Vectors) -> NDArray[np.float64]:
        """The true accuracies (n,) of vectors (n, length)."""
        widths = np.array([0, *SPACE.widths], dtype=np.float64)[vectors] / SPACE.widths[-1]
        worth = np.repeat(WORTH, [most for _, most in SPACE.depths])
        parts = np.cumsum([most for _, most in SPACE.depths])[:-1]
        capacities = [part.sum(axis=1) for part in np.split(worth * widths**WIDE, parts, axis=1)]
        error = FLOOR + SCALE / len(capacities) * sum((1 + capacity) ** -POWER for capacity in capacities)
        own = np.cos(vectors.astype(np.float64) @ self._turns + self._phases) @ self._weights
        return np.asarray(1 - error * np.exp(own))

    def run_of(self, vector: Vectors, rng: random.Random) -> float:
        """The accuracy that one run shows."""
        return float(self.truth_of(vector[None])[0]) + rng.gauss(0, NOISE)

    @cached_property
    def _usual(self) -> Vectors:
        return self.candidates.sample(random.Random(0), USUAL)

    @cached_property
    def reference(self) -> tuple[float, float]:
        usual = self._usual
        return float(self.candidates.costs(usual).max()), float(np.percentile(self.truth_of(usual), 5))

    @cached_property
    def whole(self) -> float:
        """The hypervolume of the best boundary that is known: climbing from many, by the truth, until nothing rises."""
        vectors = self.best
        return hypervolume(self.candidates.costs(vectors), self.truth_of(vectors), self.reference)

    @cached_property
    def best(self) -> Vectors:
        """The non-dominated ones of the best in each of BINS bins by cost, each of whose neighbours was looked at."""
        edges = np.geomspace(INTERVAL[0], self.reference[0], BINS + 1)
        held: dict[int, tuple[float, Vectors]] = {}
        new = self._usual
        for _ in range(ROUNDS):
            costs, truth = self.candidates.costs(new), self.truth_of(new)
            bins = np.searchsorted(edges, costs)
            risen = []
            for place in np.argsort(-truth, kind="stable"):
                if bins[place] not in held or held[bins[place]][0] < truth[place]:
                    held[int(bins[place])] = float(truth[place]), new[place]
                    risen.append(new[place])
            if not risen:
                break
            new = np.unique(np.vstack(self.candidates.neighbours_of(np.array(risen))), axis=0)
        found = np.array([vector for _, vector in held.values()])
        return found[non_dominated(self.candidates.costs(found), self.truth_of(found))]


def main() -> int:
    """How often pairs follow the order, by how far apart they are."""
    networks = MadeUpNetworks()
    usual = networks.candidates.sample(random.Random(1), 3000)
    truth = networks.truth_of(usual)
    print(f"{networks.count:,} architectures {networks.notes[1]}; accuracies {truth.min():.3f} to {truth.max():.3f}")
    held, all_steps = 0, 0
    for vector, steps in zip(usual[:300], networks.candidates.neighbours_of(usual[:300]), strict=True):
        above = networks.truth_of(steps) >= networks.truth_of(vector[None])[0]
        larger = steps.astype(int).sum(axis=1) > vector.astype(int).sum()
        held, all_steps = held + int((above == larger).sum()), all_steps + len(steps)
    print(f"neighbours that follow the order: {100 * held / all_steps:.1f} % of {all_steps:,}")
    follow = [truth[precedes(usual, vector)] <= accuracy for vector, accuracy in zip(usual, truth, strict=True)]
    joined = np.concatenate(follow)
    print(f"comparable pairs of evenly drawn ones: {100 * joined.mean():.1f} % of {len(joined) - len(usual):,}")
    best = networks.best
    costs, truth = networks.candidates.costs(best), networks.truth_of(best)
    print(f"best boundary: {len(best)} networks, {costs.min():.2f} to {costs.max():.2f} ms, ", end="")
    print(f"{truth.min():.3f} to {truth.max():.3f}; reference point {networks.reference}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
