"""Candidates without those that the rule prunes, so that every strategy chooses from what is left."""

from __future__ import annotations

import random

import numpy as np
from numpy.typing import NDArray

from search.spaces.vectors import Vectors
from search.strategies.candidates import Candidates
from search.strategies.pruning import Pruning, Watched

# Candidates that are drawn at a time, at most.
_BATCH = 4096


class Unpruned(Candidates):
    """What a rule of pruning leaves of candidates, always as the rule says now."""

    def __init__(self, candidates: Candidates, pruning: Pruning) -> None:
        self.whole = candidates
        self.pruning = pruning
        self.heights = candidates.heights
        self._watched: Watched | None = None

    def count(self) -> int | None:
        rest = self.listed()
        return None if rest is None else len(rest)

    def costs(self, vectors: Vectors) -> NDArray[np.float64]:
        return self.whole.costs(vectors)

    def contains(self, vectors: Vectors) -> NDArray[np.bool_]:
        inside = self.whole.contains(vectors)
        inside[inside] = ~self.pruning.pruned(vectors[inside])
        return inside

    def listed(self) -> Vectors | None:
        listed = self.whole.listed()
        if listed is None:
            return None
        if self._watched is None:
            self._watched = Watched(listed, self.whole.costs(listed))
        return listed[~self._watched.pruned(self.pruning)]

    def sample(self, rng: random.Random, number: int) -> Vectors:
        rest = self.listed()
        if rest is not None:
            return rest[[rng.randrange(len(rest)) for _ in range(number if len(rest) else 0)]]
        found = [np.zeros((0, self.length), dtype=np.uint8)]
        missing, batch = number, number
        while missing > 0:
            drawn = self.whole.sample(rng, batch)
            drawn = drawn[~self.pruning.pruned(drawn)][:missing]
            found.append(drawn)
            missing -= len(drawn)
            batch = min(max(missing, 2 * batch), _BATCH)
        return np.concatenate(found)
