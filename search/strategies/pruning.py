"""Which candidates need no training any more (POP, section 3.3), told from the trained ones alone.

For every trained w let y_w be the fastest trained network that is no less accurate. Every untrained x <= w with
Lat(x) > Lat(y_w) is pruned: Acc(x) <= Acc(w) <= Acc(y_w) by assumption, so y_w is faster and no less accurate.

With a margin, y_w must be more accurate than w by at least that much: one run of a network tells its accuracy to within
a run's spread only, and of two neighbours in the order the smaller is often the better one. The paper has no margin.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from search.spaces.vectors import Vectors
from search.strategies.candidates import Candidates
from search.strategies.chooser import Results
from search.strategies.spread import USUAL_SPREAD

#: The default margin is so many times the spread of a run (see search/strategies/spread.py).
SPREADS = 2.5

# Candidates that are compared at a time: what is worked on stays in the processor's cache.
_AT_ONCE = 4096


def usual_margin(results: Results) -> float:
    """SPREADS times the measured spread of a run, or where too few were run twice to measure it, of USUAL_SPREAD."""
    spread = results.spread()
    return SPREADS * (USUAL_SPREAD if spread is None else spread)


class Pruning:
    """The rule: arrays of the trained candidates, none of the space.

    `margin` is an accuracy in 0..1: 0 is the paper's rule, infinity prunes nothing, None is
    `usual_margin`. On ties: a candidate exactly as fast as
    y_w is not pruned, and a network that is more accurate than w by exactly the margin can be y_w.
    """

    def __init__(self, candidates: Candidates, margin: float | None = 0.0) -> None:
        self.candidates = candidates
        self._asked = margin
        self.update(Results(candidates.length))

    def __str__(self) -> str:
        """The rule in words; the same as long as it is asked for in the same words."""
        if self._asked is None:
            return f"pruned with a margin of {SPREADS:g} spreads of a run"
        if math.isinf(self._asked):
            return "nothing pruned"
        return f"pruned with a margin of {self._asked:g}" if self._asked else "pruned"

    def update(self, results: Results) -> None:
        """The rule follows from these results alone; whatever was told before is forgotten."""
        #: The margin that holds now.
        self.margin = usual_margin(results) if self._asked is None else self._asked
        accuracies = results.accuracies
        order = np.argsort(accuracies, kind="stable")
        # The fastest of those from each place in the order of accuracies on.
        fastest = np.append(np.minimum.accumulate(results.costs[order][::-1])[::-1], np.inf)
        rivals = np.searchsorted(accuracies[order], accuracies + self.margin)
        ceilings = fastest[rivals]
        useful = np.argsort(ceilings, kind="stable")[: np.count_nonzero(np.isfinite(ceilings))]
        #: Each w (m, length) that has a y_w, and Lat(y_w) (m,), ascending: what lies below w and costs more is pruned.
        self.tops, self.ceilings = results.vectors[useful], ceilings[useful]
        self._above: NDArray[np.uint64] | None = None

    def ceilings_of(self, vectors: Vectors) -> NDArray[np.float64]:
        """What candidates (n, length) may cost at most, not to be pruned (n,): infinity where nothing prunes them."""
        found = np.full(len(vectors), np.inf)
        if not len(self.tops):
            return found
        if self._above is None:
            self._above = _above(self.tops)
        largest = min(self._above.shape[1] - 1, 255)
        for start in range(0, len(vectors), _AT_ONCE):
            columns = np.minimum(vectors[start : start + _AT_ONCE], largest).T
            words = self._above[0].take(columns[0], axis=0)
            for above, column in zip(self._above[1:], columns[1:], strict=True):
                words &= above.take(column, axis=0)
            # The first w of all that a candidate lies below has the least ceiling.
            place = (words != 0).argmax(axis=1)
            word = words[np.arange(len(words)), place]
            below = np.flatnonzero(word)
            lowest = word[below] & (~word[below] + np.uint64(1))
            bit = np.frexp(lowest.astype(np.float64))[1] - 1
            found[start + below] = self.ceilings[64 * place[below] + bit]
        return found

    def pruned(self, vectors: Vectors) -> NDArray[np.bool_]:
        """Which (n,) of candidates (n, length) the rule leaves out; of trained ones, what it would say of others."""
        return self.candidates.costs(vectors) > self.ceilings_of(vectors)


def _above(tops: Vectors) -> NDArray[np.uint64]:
    """By coordinate and value, which tops (m, length) have at least this value there: bits in words, the first lowest.

    (length, values, words); the last value is larger than any top has.
    """
    values = np.arange(int(tops.max(initial=0)) + 2)
    bits = np.packbits(tops.T[:, None] >= values[:, None], axis=-1, bitorder="little")
    padded = np.zeros((*bits.shape[:2], -(-bits.shape[2] // 8) * 8), dtype=np.uint8)
    padded[:, :, : bits.shape[2]] = bits
    return padded.view(np.dtype("<u8")).astype(np.uint64)
