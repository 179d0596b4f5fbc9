"""One candidate of each row, with the least summed loss, within limits of summed costs: a multiple-choice knapsack.

Solved exactly. For each cost, dynamic programming over its rounded values says what the rows behind lose at least with
what is left of the limit (costs are rounded down, so that it is a bound). Then partial choices are followed row by row,
and those are dropped that cannot be better any more than a choice which is known, or that another one beats. The bounds
are tight, so few are left.
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

# So many steps, at most, from 0 to what a limit leaves above the cheapest choice, and at least half of them.
CELLS = 8192
# Partial choices that are followed at most. If there are more, the answer says by how much it may be off.
MOST_LABELS = 20_000
# Losses that differ by less are equal: sums of them are rounded.
_EQUAL = 1e-12
# What the whole of a limit costs, in the largest loss that there can be, where a choice is looked for in a hurry.
_PRICES = (0.0, 0.1, 0.3, 1.0, 3.0, 100.0)
# A whole limit where costs are weighed against each other.
_ONE = 2**40
# Above so many labels, which of them others beat is only asked of neighbours in the order of the first cost.
_MOST_PAIRS = 2000


class Solution(NamedTuple):
    """The number of the candidate of each row, their summed loss, and by how much the least loss may be smaller.

    A `gap` of 0 says that nothing is better, None that it is not known.
    """

    choices: tuple[int, ...]
    loss: float
    gap: float | None


class Knapsack:
    """Rows of candidates with losses (candidates,) each, and with costs (candidates, costs), whole numbers."""

    def __init__(self, losses: Sequence[Floats], costs: Sequence[Integers]) -> None:
        self.losses = [np.asarray(row, dtype=np.float64) for row in losses]
        self.costs = given = [np.asarray(row, dtype=np.int64) for row in costs]
        #: What the cheapest candidates of all rows cost together, by cost: (costs,). No choice costs less.
        self.least: Integers = np.sum([row.min(axis=0) for row in given], axis=0)
        #: The same of the dearest ones.
        self.most: Integers = np.sum([row.max(axis=0) for row in given], axis=0)
        # From here on costs are what a candidate costs more than its row's cheapest.
        above = [row - row.min(axis=0) for row in given]
        self._kept = [_unbeaten(loss, cost) for loss, cost in zip(self.losses, above, strict=True)]
        self._losses = [loss[kept] for loss, kept in zip(self.losses, self._kept, strict=True)]
        self._costs = [cost[kept] for cost, kept in zip(above, self._kept, strict=True)]
        self._bound = lru_cache(maxsize=256)(self._bound_of)

    def loss(self, choices: Sequence[int]) -> float:
        """The summed loss of a choice."""
        return sum(float(losses[number]) for losses, number in zip(self.losses, choices, strict=True))

    def fits(self, choices: Sequence[int], limits: Sequence[int]) -> bool:
        """Whether a choice costs at most `limits` (costs,)."""
        total = sum(costs[number] for costs, number in zip(self.costs, choices, strict=True))
        return bool((total <= np.asarray(limits)).all())

    def cheapest(self, limits: Sequence[int]) -> tuple[int, ...] | None:
        """The choice of each row's cheapest candidate, in shares of the limits; None where it is not within them."""
        shares = np.maximum(np.asarray(limits, dtype=np.float64), 1.0)
        found = tuple(int((costs / shares).sum(axis=1).argmin()) for costs in self.costs)
        return found if self.fits(found, limits) else None

    def solve(self, limits: Sequence[int]) -> Solution | None:
        """The choice of the least loss whose costs are at most `limits` (costs,); None where there is none.

        UnsupportedError where several limits leave so little that neither a choice is found nor shown to be none.
        """
        left = np.minimum(np.asarray(limits, dtype=np.int64), self.most) - self.least
        if (left < 0).any():
            return None
        directions = [tuple(row) for row in np.eye(len(left), dtype=np.int64).tolist()]
        if len(left) > 1:
            # Where several limits bind, their sums, each in shares of what is left, bind more than any one of them.
            directions += [
                tuple(int(weight * _ONE) // max(int(amount), 1) for weight, amount in zip(weights, left, strict=True))
                for weights in _weights(len(left))
            ]
        # A power of two each, so that limits of about the same size share their bounds.
        most = [int(left @ np.array(direction)) for direction in directions]
        shifts = [max(0, amount.bit_length() - CELLS.bit_length() + 1) for amount in most]
        bounds = [self._bound(*asked) for asked in zip(directions, shifts, strict=True)]
        weighing = np.array(directions, dtype=np.int64).reshape(len(directions), len(left)).T

        def behind(row: int, left: Integers) -> Floats:
            """What the rows from this one on lose at least (n,) with what is left of each cost (n, costs)."""
            if not bounds:
                return np.full(len(left), sum(float(losses.min()) for losses in self._losses[row:]))
            cells = (left @ weighing) >> np.array(shifts)
            return np.maximum.reduce([bound[row][cells[:, number]] for number, bound in enumerate(bounds)])

        return self._improved(behind, left, *self._descended(behind, left))

    def _bound_of(self, direction: tuple[int, ...], shift: int) -> list[Floats]:
        """For each row, and the end, what it and those behind lose at least, by what is left of a sum of costs.

        The costs are weighed by `direction`, and counted in cells of 2^shift. What is left is rounded down, and so is
        each candidate's: their sums are then no larger, so that every choice within the limit is within it here, too.
        """
        found = [np.zeros(CELLS)]
        for losses, costs in zip(reversed(self._losses), reversed(self._costs), strict=True):
            after, here = found[-1], np.full(CELLS, np.inf)
            weighed = sum(
                # A cost beyond the limit stays beyond it, and fits 64 bits.
                np.minimum(costs[:, cost], 4 * _ONE * CELLS // max(weight, 1)) * weight
                for cost, weight in enumerate(direction)
            )
            for loss, cells in zip(losses.tolist(), (np.asarray(weighed) >> shift).tolist(), strict=True):
                if cells < CELLS:
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
        return Solution(chosen, best, max(0.0, best - missed))


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
    if len(order) > _MOST_PAIRS:
        return np.sort(order)
    # Whoever beats another one stands before it in this order.
    by_loss, by_cost = losses[order], costs[order]
    beats = (by_loss[:, None] <= by_loss) & (by_cost[:, None] <= by_cost[None]).all(axis=2)
    return np.sort(order[~np.triu(beats, 1).any(axis=0)])


def _weights(limits: int) -> list[list[float]]:
    """How several limits are weighed against each other: evenly, and each one more than the others."""
    return [[1.0] * limits, *([1.0 if place == first else 0.3 for place in range(limits)] for first in range(limits))]
