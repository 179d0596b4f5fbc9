"""Candidates without those that the rule prunes, so that every strategy chooses from what is left.

Candidates that can be listed are looked at one by one. Of others, what is pruned is drawn again, as long as at least
one in _RARE is left; when fewer are, they are looked for box by box (see strategies/boxes.py).
"""

from __future__ import annotations

import math
import random
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from search.latency.cells import share_error
from search.latency.counting import Count
from search.spaces.vectors import Vectors
from search.strategies.candidates import Candidates, Rest
from search.strategies.drawing import MOST_DRAWS
from search.strategies.pruning import Pruning

# Candidates that stand for all, where these are too many to list; and so many of them to see whether many are left.
_SAMPLED, _SEEN = 2048, 512

# Where less than one of so many is left, it is not found by drawing again and again.
_RARE = 64

# Candidates that are drawn at a time: at least so many, since eight take hardly longer than one, and at most so many.
_AT_LEAST, _BATCH = 8, 4096


class Unpruned(Candidates):
    """What a rule of pruning leaves of candidates, always as the rule says now."""

    def __init__(self, candidates: Candidates, pruning: Pruning) -> None:
        self.whole = candidates
        self.pruning = pruning
        self.heights = candidates.heights
        self._left: _Left | None = None

    def count(self) -> int | None:
        found = self.counted()
        return None if found.error else found.number

    def counted(self) -> Count:
        rest = self.listed()
        if rest is not None:
            return Count(len(rest))
        if (rare := self._now().rare) is not None:
            return rare.counted()
        drawn = len(self._stand_ins)
        left = drawn - int(np.count_nonzero(self.pruning.pruned(self._stand_ins)))
        whole = self.whole.counted()
        error = math.hypot(whole.number * share_error(left, drawn), whole.error * left / drawn)
        return Count(round(whole.number * left / drawn), error)

    def costs(self, vectors: Vectors) -> NDArray[np.float64]:
        return self.whole.costs(vectors)

    def contains(self, vectors: Vectors) -> NDArray[np.bool_]:
        inside = self.whole.contains(vectors)
        inside[inside] = ~self.pruning.pruned(vectors[inside])
        return inside

    def shown(self) -> tuple[Vectors, NDArray[np.bool_]]:
        """All candidates (n, length), or where these are too many to list a sample; and which (n,) are pruned."""
        vectors = self.whole.listed()
        if vectors is None:
            vectors = self._stand_ins
        return vectors, self.pruning.pruned(vectors)

    def listed(self) -> Vectors | None:
        return self._now().listed

    def sample(self, rng: random.Random, number: int) -> Vectors:
        _, rest, rare = self._now()
        if rest is not None:
            return rest[[rng.randrange(len(rest)) for _ in range(number if len(rest) else 0)]]
        if rare is not None:
            return rare.sample(rng, number)
        found = [np.zeros((0, self.length), dtype=np.uint8)]
        missing, batch, tried = number, max(number, _AT_LEAST), 0
        while missing > 0 and tried < MOST_DRAWS and len(drawn := self.whole.sample(rng, batch)):
            tried += len(drawn)
            drawn = drawn[~self.pruning.pruned(drawn)][:missing]
            found.append(drawn)
            missing -= len(drawn)
            batch = min(max(missing, 2 * batch), _BATCH)
        return np.concatenate(found)

    @cached_property
    def _stand_ins(self) -> Vectors:
        """Candidates that stand for all, pruned or not: always the same ones."""
        return self.whole.sample(random.Random(0), _SAMPLED)

    def _now(self) -> _Left:
        """What is left by the rule as it is now."""
        if self._left is None or self._left.tops is not self.pruning.tops:
            listed, rare = self.whole.listed(), None
            if listed is not None:
                listed = listed[~self.pruning.pruned(listed)]
            else:
                seen = self._stand_ins[:_SEEN]
                if (len(seen) - np.count_nonzero(self.pruning.pruned(seen))) * _RARE < len(seen):
                    rare = self.whole.left_by(self.pruning)
                    listed = None if rare is None else rare.listed()
            self._left = _Left(self.pruning.tops, listed, rare)
        return self._left


class _Left(NamedTuple):
    """What a rule, known by its `tops`, leaves: `listed`; or `rare`, looked for box by box; or neither."""

    tops: Vectors
    listed: Vectors | None
    rare: Rest | None
