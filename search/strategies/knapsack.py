"""One candidate of each row, with the least summed loss, within limits of summed costs: a multiple-choice knapsack.

Solved exactly. Prices of the limits (see prices.py) bound what any choice loses, and leave out candidates with which it
loses more than a choice that is known. For each cost, and for their sum at these prices, dynamic programming over
rounded values says what the rows behind lose at least with what is left of the limits (costs are rounded down, so that
it is a bound). Then partial choices are followed row by row, and those are dropped that cannot be better any more than
the known choice, or that another one beats: first only the few that promise most, which finds a better known choice,
then as many as it takes. No resolution of costs or losses decides what comes out, but one: see `TIE`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.errors import UnsupportedError
from search.strategies.prices import Floats, Integers, Prices, Remaining, priced, remaining

#: Of choices whose losses are equal the one is taken that costs less, in shares of what the costs range over. So a loss
#: may be this much above the least: accuracies of so many images there are none.
TIE = 1e-9
# Partial choices that are followed at most. If there are more, the answer says by how much it may be off.
MOST_LABELS = 20_000
# Losses that differ by less are equal: sums of them are rounded.
_EQUAL = 1e-13
# Where costs are weighed against each other: the bits of a limit that count, and of a whole one that is weighed.
_BITS, _ONE = 20, 2**40
# Of so many labels at a time it is asked which of them others beat, where there are several costs.
_PAIRS = 512


class _Round(NamedTuple):
    """How hard a better choice is looked for.

    So many partial choices (labels) are followed at a time. From 0 to what a limit leaves there are at most so many
    `cells`, and at least half of them. Costs are summed at the prices, and with one after another's times each of
    `tilts`.
    """

    labels: int
    cells: int
    tilts: tuple[float, ...]


# The rounds before that of all labels: each finds a better known choice, so that the next ones follow fewer.
_FEWER = (_Round(32, 2048, ()), _Round(1000, 2048, ()))
_CELLS, _TILTS = 16_384, (0.8, 1.2)


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
        """How many cells amounts (n, costs) are, (n,); none of them may be above a limit."""
        total = np.zeros(len(amounts), dtype=np.int64)
        for cost, (cut, weight) in enumerate(zip(self.cuts, self.weights, strict=True)):
            if weight:
                total += (amounts[:, cost] >> cut) * weight
        return total >> self.size


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
        # Rows of one length: behind a row's last candidate losses are infinite.
        shape = len(given), max(map(len, self._kept))
        self._losses, self._costs = np.full(shape, np.inf), np.zeros((*shape, len(self.least)), dtype=np.int64)
        for row, kept in enumerate(self._kept):
            self._losses[row, : len(kept)], self._costs[row, : len(kept)] = settled[row][kept], above[row][kept]

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
        problem = remaining(self._losses, self._costs, left) if (left >= 0).all() else None
        if problem is None:
            return None
        known, missed = Prices(np.zeros(len(left)), -np.inf, np.inf, None), np.inf
        last = _Round(MOST_LABELS, _CELLS, _TILTS)
        for search in (*(few for few in _FEWER if few.labels < last.labels), last):
            prices = priced(problem, known)
            if prices is None:
                return None
            known = prices
            rows = _open(problem, known)
            if not all(map(len, rows)):
                missed = known.loss
                break
            found = _followed(problem, known, rows, search)
            missed = found.missed
            if found.choices is not None:
                known = known._replace(loss=found.loss, choices=found.choices)
            if missed >= known.loss - _EQUAL:
                break
        if known.choices is None:
            if missed < np.inf:
                raise UnsupportedError(
                    f"limits of {len(left)} costs: found no choice among the {MOST_LABELS:,} that were followed"
                )
            return None
        chosen = tuple(int(kept[number]) for kept, number in zip(self._kept, known.choices, strict=True))
        # What settles ties is no gap.
        gap = known.loss - missed
        return Solution(chosen, self.loss(chosen), gap if gap > TIE else 0.0)


class _Followed(NamedTuple):
    """The best choice, None where none is better than the known one, and its loss or that one's.

    What was dropped unfinished loses at least `missed`.
    """

    choices: NDArray[np.intp] | None
    loss: float
    missed: float


def _open(problem: Remaining, prices: Prices) -> list[NDArray[np.intp]]:
    """Of each row the candidates with which a choice may lose less than the known one."""
    reduced = problem.losses + problem.shares() @ prices.prices
    least = reduced.min(axis=1)
    at_least = least.sum() - prices.prices.sum() + (reduced - least[:, None])
    return [np.flatnonzero(row) for row in np.isfinite(reduced) & (at_least < prices.loss - _EQUAL)]


def _followed(problem: Remaining, prices: Prices, rows: Sequence[NDArray[np.intp]], search: _Round) -> _Followed:
    """The best choice of some candidates of each row that loses less than the known one."""
    best = prices.loss
    all_losses = [losses[row] for losses, row in zip(problem.losses, rows, strict=True)]
    all_costs = [costs[row] for costs, row in zip(problem.costs, rows, strict=True)]
    behind = _behind(all_losses, all_costs, problem.left, prices.prices, search)
    labels = np.zeros(1)  # what the rows so far have lost
    rest = problem.left[None]
    steps: list[tuple[Integers, Integers]] = []  # for each row the labels' origins and candidates
    missed = np.inf
    for row, (losses, costs) in enumerate(zip(all_losses, all_costs, strict=True)):
        count = len(losses)
        after = (rest[:, None] - costs).reshape(len(labels) * count, costs.shape[1])
        lost = (labels[:, None] + losses).ravel()
        taken = np.flatnonzero((after >= 0).all(axis=1))
        at_least = lost[taken] + behind(row + 1, after[taken])
        open_ = at_least < best - _EQUAL
        taken, at_least = taken[open_], at_least[open_]
        if len(taken) > search.labels:
            order = np.argsort(at_least, kind="stable")
            missed = min(missed, float(at_least[order[search.labels]]))
            taken = taken[order[: search.labels]]
        taken = taken[_unbeaten(lost[taken], -after[taken])]
        if not len(taken):
            return _Followed(None, best, min(missed, best))
        steps.append((taken // count, taken % count))
        labels, rest = lost[taken], after[taken]
    place = labels.argmin()
    choices = np.zeros(len(rows), dtype=np.intp)
    loss = float(labels[place])
    for row in reversed(range(len(rows))):
        origins, numbers = steps[row]
        choices[row] = rows[row][numbers[place]]
        place = origins[place]
    return _Followed(choices, loss, min(missed, loss))


def _behind(
    losses: Sequence[Floats], costs: Sequence[Integers], left: Integers, prices: Floats, search: _Round
) -> Callable[[int, Integers], Floats]:
    """A function: what the rows from this one on lose at least (n,) with what is left of each cost (n, costs).

    By `prices` for the limits `left` (costs,), and by dynamic programming for each cost and for sums of all.
    """
    units = prices / np.maximum(left, 1)
    paid = [float((loss + cost @ units).min()) for loss, cost in zip(losses, costs, strict=True)]
    at_prices = np.cumsum([0.0, *paid[::-1]])[::-1]
    directions = _directions(left, prices, search)
    bounds = [_bound_of(losses, costs, direction, search.cells) for direction in directions]

    def behind(row: int, rest: Integers) -> Floats:
        found = at_prices[row] - rest @ units
        for direction, bound in zip(directions, bounds, strict=True):
            np.maximum(found, bound[row][direction.cells(rest)], out=found)
        return found

    return behind


def _bound_of(losses: Sequence[Floats], costs: Sequence[Integers], direction: _Direction, count: int) -> list[Floats]:
    """For each row, and the end, what it and those behind lose at least, by how many cells are left."""
    found = [np.zeros(count)]
    for row_losses, row_costs in zip(reversed(losses), reversed(costs), strict=True):
        after, here = found[-1], np.full(count, np.inf)
        for loss, cells in zip(row_losses.tolist(), direction.cells(row_costs).tolist(), strict=True):
            np.minimum(here[cells:], after[: count - cells] + loss, out=here[cells:])
        found.append(here)
    return found[::-1]


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


def _directions(left: Integers, prices: Floats, search: _Round) -> list[_Direction]:
    """In what costs are bounded, where so much is `left` of each (costs,): each by itself, and their sum at prices.

    Where several limits bind, their sum, each in shares of what is left, binds more than any one of them.
    """
    amounts = left.tolist()
    none = (0,) * len(amounts)
    found = [(none, tuple(int(cost == own) for cost in range(len(amounts)))) for own in range(len(amounts))]
    binding = np.flatnonzero(prices).tolist()
    if len(binding) > 1:
        cuts = tuple(max(0, amount.bit_length() - _BITS) for amount in amounts)
        for cost, tilt in ((0, 1.0), *product(binding, search.tilts)):
            tilted = prices.copy()
            tilted[cost] *= tilt
            whole = zip((tilted / tilted.max()).tolist(), amounts, cuts, strict=True)
            found.append((cuts, tuple(int(weight * _ONE) // max(amount >> cut, 1) for weight, amount, cut in whole)))
    directions = []
    for own_cuts, weights in found:
        most = sum((amount >> cut) * weight for amount, cut, weight in zip(amounts, own_cuts, weights, strict=True))
        # A power of two, so that no rounding is needed but that of a shift.
        directions.append(_Direction(own_cuts, weights, max(0, most.bit_length() - search.cells.bit_length() + 1)))
    return directions
