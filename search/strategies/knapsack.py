"""One candidate of each row, with the least summed loss, within limits of summed costs: a multiple-choice knapsack.

Solved exactly. For each cost, dynamic programming over its rounded values says what the rows behind lose at least with
what is left of the limit (costs are rounded down, so that it is a bound). Then partial choices are followed row by row,
and those are dropped that cannot be better any more than a choice which is known, or that another one beats. The bounds
are tight, so few are left. No resolution of costs or losses decides what comes out, but one: see `TIE`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.errors import UnsupportedError

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

#: Of choices whose losses are equal the one is taken that costs less, in shares of what the costs range over. So a loss
#: may be this much above the least: accuracies of so many images there are none.
TIE = 1e-9
# So many steps, at most, from 0 to what a limit leaves above the cheapest choice, and at least half of them.
CELLS = 8192
# Partial choices that are followed at most. If there are more, the answer says by how much it may be off.
MOST_LABELS = 20_000
# Losses that differ by less are equal: sums of them are rounded.
_EQUAL = 1e-13
# What the whole of a limit costs, in the largest loss that there can be, where a choice is looked for in a hurry.
_PRICES = (0.0, 0.1, 0.3, 1.0, 3.0, 100.0)
# Where costs are weighed against each other: the bits of a limit that count, and of a whole one that is weighed.
_BITS, _ONE = 20, 2**40
# Of so many labels at a time it is asked which of them others beat, where there are several costs.
_PAIRS = 512


class Solution(NamedTuple):
    """The number of the candidate of each row, their summed loss, and by how much the least loss may be smaller.

    A `gap` of 0 says that nothing is better by more than `TIE`, None that it is not known.
    """

    choices: tuple[int, ...]
    loss: float
    gap: float | None


class _Direction(NamedTuple):
    """Several costs as one: each without its last bits, weighed, summed, and counted in cells of 2^size.

    What is rounded down by candidates is, for their sum, rounded down by no less. So every choice within limits is
    within them here, too.
    """

    cuts: tuple[int, ...]
    weights: tuple[int, ...]
    size: int

    def cells(self, amounts: Integers) -> Integers:
        """How many cells amounts (n, costs) are, (n,); so many that are more than any limit are some that are more."""
        total = np.zeros(len(amounts), dtype=np.int64)
        for cost, (cut, weight) in enumerate(zip(self.cuts, self.weights, strict=True)):
            if weight:
                # Where one cost is beyond any limit, the sum is; it has to fit 64 bits.
                total += np.minimum(amounts[:, cost] >> cut, (CELLS << self.size) // weight + 1) * weight
        return np.minimum(total >> self.size, CELLS)


class Knapsack:
    """Rows of candidates with losses (candidates,) each, and with costs (candidates, costs), whole numbers.

    Sums of costs must be less than 2^62. No row may be empty.
    """

    def __init__(self, losses: Sequence[Floats], costs: Sequence[Integers]) -> None:
        self.losses = [np.asarray(row, dtype=np.float64) for row in losses]
        self.costs = given = [np.asarray(row, dtype=np.int64) for row in costs]
        #: What the cheapest candidates of all rows cost together, by cost: (costs,). No choice costs less.
        self.least: Integers = np.sum([row.min(axis=0) for row in given], axis=0)
        #: The same of the dearest ones.
        self.most: Integers = np.sum([row.max(axis=0) for row in given], axis=0)
        # From here on costs are what a candidate costs more than its row's cheapest, and losses settle ties.
        above = [row - row.min(axis=0) for row in given]
        part = TIE / max(len(self.least), 1) / np.maximum(self.most - self.least, 1)
        settled = [loss + cost @ part for loss, cost in zip(self.losses, above, strict=True)]
        self._kept = [_unbeaten(loss, cost) for loss, cost in zip(settled, above, strict=True)]
        self._losses = [loss[kept] for loss, kept in zip(settled, self._kept, strict=True)]
        self._costs = [cost[kept] for cost, kept in zip(above, self._kept, strict=True)]
        self._bound = lru_cache(maxsize=32)(self._bound_of)

    def loss(self, choices: Sequence[int]) -> float:
        """The summed loss of a choice."""
        return sum(float(losses[number]) for losses, number in zip(self.losses, choices, strict=True))

    def fits(self, choices: Sequence[int], limits: Sequence[int]) -> bool:
        """Whether a choice costs at most `limits` (costs,)."""
        total = sum(costs[number] for costs, number in zip(self.costs, choices, strict=True))
        return bool((total <= np.asarray(limits)).all())

    def cheapest(self, limits: Sequence[int]) -> tuple[int, ...] | None:
        """The choice of what costs least in each row, in shares of what limits leave; None where that is beyond them.

        Of several limits it may be beyond one where other choices are within all.
        """
        left = np.maximum(np.asarray(limits, dtype=np.float64) - self.least, 1.0)
        found = tuple(int(((costs - costs.min(axis=0)) / left).sum(axis=1).argmin()) for costs in self.costs)
        return found if self.fits(found, limits) else None

    def solve(self, limits: Sequence[int]) -> Solution | None:
        """The choice of the least loss whose costs are at most `limits` (costs,); None where there is none.

        UnsupportedError where several limits leave so little that neither a choice is found nor shown to be none.
        """
        left = np.minimum(np.asarray(limits, dtype=np.int64), self.most) - self.least
        if (left < 0).any():
            return None
        directions = _directions(left)
        bounds = [self._bound(direction) for direction in directions]

        def behind(row: int, left: Integers) -> Floats:
            """What the rows from this one on lose at least (n,) with what is left of each cost (n, costs)."""
            if not bounds:
                return np.full(len(left), sum(float(losses.min()) for losses in self._losses[row:]))
            cells = (direction.cells(left) for direction in directions)
            return np.maximum.reduce([bound[row][one] for bound, one in zip(bounds, cells, strict=True)])

        return self._improved(behind, left, *self._descended(behind, left))

    def _bound_of(self, direction: _Direction) -> list[Floats]:
        """For each row, and the end, what it and those behind lose at least, by how many cells are left."""
        found = [np.zeros(CELLS)]
        for losses, costs in zip(reversed(self._losses), reversed(self._costs), strict=True):
            after, here = found[-1], np.full(CELLS, np.inf)
            for loss, cells in zip(losses.tolist(), direction.cells(costs).tolist(), strict=True):
                np.minimum(here[cells:], after[: CELLS - cells] + loss, out=here[cells:])
            found.append(here)
        return found[::-1]

    def _descended(self, behind: Any, left: Integers) -> tuple[tuple[int, ...], float]:
        """The best of some choices within the limits; (), infinity where none was found, which is no proof of anything.

        In each row the candidate is taken that is best by the bound of what is behind, and by what it costs, too, at
        several prices: with several limits, what is best for one of them may leave too little of another.
        """
        return min((self._at_price(behind, left, price) for price in _PRICES), key=lambda found: found[1])

    def _at_price(self, behind: Any, left: Integers, price: float) -> tuple[tuple[int, ...], float]:
        choices, total = [], 0.0
        share = price * sum(float(np.ptp(losses)) for losses in self._losses) / np.maximum(left, 1)
        for row, (losses, costs) in enumerate(zip(self._losses, self._costs, strict=True)):
            rest = left - costs
            fits = np.flatnonzero((rest >= 0).all(axis=1))
            if not len(fits):
                return (), np.inf
            best = int(fits[(losses[fits] + behind(row + 1, rest[fits]) + (costs[fits] * share).sum(axis=1)).argmin()])
            choices.append(best)
            left, total = rest[best], total + float(losses[best])
        return tuple(choices), total

    def _improved(self, behind: Any, left: Integers, choices: tuple[int, ...], best: float) -> Solution | None:
        """The best choice there is: the known one, unless a better one is found by following all that may be better."""
        labels = np.zeros(1)  # what the rows so far have lost
        rest = left[None]
        steps: list[tuple[Integers, Integers]] = []  # for each row the labels' origins and candidates
        missed = best  # what was dropped unfinished loses at least so much
        for row, (losses, costs) in enumerate(zip(self._losses, self._costs, strict=True)):
            count = len(losses)
            after = (rest[:, None] - costs).reshape(len(labels) * count, costs.shape[1])
            lost = (labels[:, None] + losses).ravel()
            taken = np.flatnonzero((after >= 0).all(axis=1))
            at_least = lost[taken] + behind(row + 1, after[taken])
            open_ = at_least < best - _EQUAL
            taken, at_least = taken[open_], at_least[open_]
            if len(taken) > MOST_LABELS:
                order = np.argsort(at_least, kind="stable")
                missed = min(missed, float(at_least[order[MOST_LABELS]]))
                taken = taken[order[:MOST_LABELS]]
            taken = taken[_unbeaten(lost[taken], -after[taken])]
            if not len(taken):
                break
            steps.append((taken // count, taken % count))
            labels, rest = lost[taken], after[taken]
        else:
            place = int(labels.argmin())
            best = float(labels[place])
            found = []
            for origins, numbers in reversed(steps):
                found.append(int(numbers[place]))
                place = int(origins[place])
            choices = tuple(reversed(found))
        if not choices:
            if missed < np.inf:
                raise UnsupportedError(
                    f"limits of {len(left)} costs: found no choice among the {MOST_LABELS:,} that were followed"
                )
            return None
        chosen = tuple(int(kept[number]) for kept, number in zip(self._kept, choices, strict=True))
        # What settles ties is no gap.
        return Solution(chosen, self.loss(chosen), best - missed if best - missed > TIE else 0.0)


def _unbeaten(losses: Floats, costs: Integers) -> Integers:
    """Which of some (n,) no other one beats: none loses less or as much, and costs no more. Of equal ones, the first.

    Of many with several costs, some that are beaten may be among them.
    """
    order = np.lexsort((losses, *costs.T[::-1]))
    if costs.shape[1] == 0:
        return order[:1]
    if costs.shape[1] == 1:
        sorted_losses = losses[order]
        before = np.concatenate([[np.inf], np.minimum.accumulate(sorted_losses)[:-1]])
        return np.sort(order[sorted_losses < before])
    # Whoever beats another one stands before it in this order, and, as both cost about the same, not long before.
    found = []
    for start in range(0, len(order), _PAIRS):
        some = order[start : start + _PAIRS]
        beats = losses[some][:, None] <= losses[some]
        for cost in costs[some].T:
            beats &= cost[:, None] <= cost
        found.append(some[~np.triu(beats, 1).any(axis=0)])
    return np.sort(np.concatenate(found)) if found else order


def _directions(left: Integers) -> list[_Direction]:
    """In what costs are bounded, where so much is `left` of each (costs,): each by itself, and sums of all.

    Where several limits bind, their sums, each in shares of what is left, bind more than any one of them.
    """
    amounts = left.tolist()
    cuts = tuple(max(0, amount.bit_length() - _BITS) for amount in amounts)
    none = (0,) * len(amounts)
    found = [(none, tuple(int(cost == own) for cost in range(len(amounts)))) for own in range(len(amounts))]
    if len(amounts) > 1:
        for weighed in _weights(len(amounts)):
            whole = zip(weighed, amounts, cuts, strict=True)
            found.append((cuts, tuple(int(weight * _ONE) // max(amount >> cut, 1) for weight, amount, cut in whole)))
    directions = []
    for own_cuts, weights in found:
        most = sum((amount >> cut) * weight for amount, cut, weight in zip(amounts, own_cuts, weights, strict=True))
        # A power of two, so that limits of about the same size share their bounds.
        directions.append(_Direction(own_cuts, weights, max(0, most.bit_length() - CELLS.bit_length() + 1)))
    return directions


def _weights(limits: int) -> list[list[float]]:
    """How several limits are weighed against each other: evenly, and each one more than the others."""
    return [[1.0] * limits, *([1.0 if place == first else 0.3 for place in range(limits)] for first in range(limits))]
