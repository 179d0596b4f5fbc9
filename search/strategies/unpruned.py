"""Candidates without those that the rule prunes, so that every strategy chooses from what is left.

Candidates that can be listed are looked at one by one. Of others, what is pruned is drawn again, as long as at least
one in _RARE is left; when fewer are, they are looked for box by box (see strategies/boxes.py).
"""

from __future__ import annotations

import math
import random

import numpy as np
from numpy.typing import NDArray

from search.latency.cells import share_error
from search.latency.counting import Count
from search.spaces.vectors import Vectors
from search.strategies.candidates import Candidates, Rest
from search.strategies.pruning import Pruning, Watched

# Candidates that stand for all, where these are too many to list.
_SAMPLED = 4096

# Where less than one of so many is left, it is not found by drawing again and again.
_RARE = 64

# Candidates that are drawn at a time, at most.
_BATCH = 4096


class Unpruned(Candidates):
    """What a rule of pruning leaves of candidates, always as the rule says now."""

    def __init__(self, candidates: Candidates, pruning: Pruning) -> None:
        self.whole = candidates
        self.pruning = pruning
        self.heights = candidates.heights
        self._watched: Watched | None = None
        # What was found when hardly anything was left, and by which rule.
        self._found: tuple[Vectors, Rest | None] | None = None

    @property
    def watched(self) -> Watched:
        """All candidates, pruned or not; where these are too many to list, a sample of them, always the same."""
        if self._watched is None:
            vectors = self.whole.listed()
            if vectors is None:
                vectors = self.whole.sample(random.Random(0), _SAMPLED)
            self._watched = Watched(vectors, self.whole.costs(vectors))
        return self._watched

    def count(self) -> int | None:
        found = self.counted()
        return None if found.error else found.number

    def counted(self) -> Count:
        rest = self.listed()
        if rest is not None:
            return Count(len(rest))
        if (rare := self._rare()) is not None:
            return rare.counted()
        left = int(np.count_nonzero(~self.watched.pruned(self.pruning)))
        whole, drawn = self.whole.counted(), len(self.watched.vectors)
        error = math.hypot(whole.number * share_error(left, drawn), whole.error * left / drawn)
        return Count(round(whole.number * left / drawn), error)

    def costs(self, vectors: Vectors) -> NDArray[np.float64]:
        return self.whole.costs(vectors)

    def contains(self, vectors: Vectors) -> NDArray[np.bool_]:
        inside = self.whole.contains(vectors)
        inside[inside] = ~self.pruning.pruned(vectors[inside])
        return inside

    def listed(self) -> Vectors | None:
        if self.whole.listed() is not None:
            return self.watched.vectors[~self.watched.pruned(self.pruning)]
        rare = self._rare()
        return None if rare is None else rare.listed()

    def sample(self, rng: random.Random, number: int) -> Vectors:
        rest = self.listed()
        if rest is not None:
            return rest[[rng.randrange(len(rest)) for _ in range(number if len(rest) else 0)]]
        if (rare := self._rare()) is not None:
            return rare.sample(rng, number)
        found = [np.zeros((0, self.length), dtype=np.uint8)]
        missing, batch = number, number
        while missing > 0 and len(drawn := self.whole.sample(rng, batch)):
            drawn = drawn[~self.pruning.pruned(drawn)][:missing]
            found.append(drawn)
            missing -= len(drawn)
            batch = min(max(missing, 2 * batch), _BATCH)
        return np.concatenate(found)

    def _rare(self) -> Rest | None:
        """What is left, looked for box by box; None where drawing finds it, or these candidates have no boxes."""
        if self._found is None or self._found[0] is not self.pruning.tops:
            left = np.count_nonzero(~self.watched.pruned(self.pruning))
            is_rare = left * _RARE < len(self.watched.vectors)
            self._found = self.pruning.tops, self.whole.left_by(self.pruning) if is_rare else None
        return self._found[1]
