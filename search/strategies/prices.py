"""Prices of a multiple-choice knapsack's limits, its Lagrange multipliers: what a unit of each cost is worth in loss.

Each row takes what is best for it at the prices. What all rows then lose and pay, less what the limits are worth, is
no more than any choice within the limits loses. The prices are looked for that make this bound the largest, by steps
along its gradient (Polyak, Minimization of unsmooth functionals, 1969). Any prices give a bound.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

# Steps at most; and after so many that bring nothing they are halved.
_STEPS, _PATIENCE = 60, 4
# Steps along a gradient whose square is less than this, or for a bound that is so near, lead nowhere.
_FLAT, _NEAR = 1e-18, 1e-9
# The most that a limit is worth, in what losses range over: above that, rounding would show.
_MOST = 100.0


class Prices(NamedTuple):
    """What limits are worth, and what is known by that.

    `prices` (costs,) are for a whole limit, 0 for one that does not bind. No choice within the limits loses less than
    `bound`. `loss` and `choices` (rows,) are the best choice within the limits that was met on the way: infinity and
    None if there was none.
    """

    prices: Floats
    bound: float
    loss: float
    choices: NDArray[np.intp] | None


class Remaining(NamedTuple):
    """The candidates that fit into limits: the least costs of each row are taken from the costs and the limits.

    `losses` (rows, candidates) is infinite where there is no candidate, `costs` (rows, candidates, costs) are 0 or
    more, and `left` (costs,) is what the limits leave.
    """

    losses: Floats
    costs: Integers
    left: Integers

    def shares(self) -> Floats:
        """What candidates cost in shares of what is left, (rows, candidates, costs)."""
        return self.costs / np.maximum(self.left, 1)


def remaining(losses: Floats, costs: Integers, left: Integers) -> Remaining | None:
    """What fits into `left` beside the cheapest candidates of the other rows; None where nothing does."""
    there = np.isfinite(losses)
    while True:
        fits = there & (costs <= left).all(axis=2)
        if not fits.any(axis=1).all():
            return None
        least = np.where(fits[:, :, None], costs, np.iinfo(np.int64).max).min(axis=1)
        if not least.any() and (fits == there).all():
            return Remaining(np.where(there, losses, np.inf), costs, left)
        # What all choices cost may leave too little for further candidates.
        costs, left, there = costs - least[:, None], left - least.sum(axis=0), fits
        if (left < 0).any():
            return None


def priced(problem: Remaining, known: Prices) -> Prices | None:
    """The best prices that some steps find, from `known` ones on; None where they prove that nothing is within limits.

    Steps are the better the less a known choice loses.
    """
    losses, costs, left = problem
    shares, rows = problem.shares(), np.arange(len(losses))
    most = float(np.where(np.isfinite(losses), losses, -np.inf).max(axis=1).sum())
    spread = most - float(losses.min(axis=1).sum()) or 1.0
    found, prices, step, stale = known, known.prices, 1.0, 0
    for _ in range(_STEPS):
        reduced = losses + shares @ prices
        best = reduced.argmin(axis=1)
        bound = float(reduced[rows, best].sum() - prices.sum())
        used = costs[rows, best].sum(axis=0)
        if (used <= left).all() and (loss := float(losses[rows, best].sum())) < found.loss:
            found = found._replace(loss=loss, choices=best)
        if bound > found.bound + _NEAR:
            found, stale = found._replace(prices=prices, bound=bound), 0
        else:
            stale += 1
            if stale == _PATIENCE:
                prices, step, stale = found.prices, step / 2, 0
                continue
        # More than the largest losses: far beyond what rounding does.
        if bound > most + 1e-6 * (spread + abs(most)):
            return None
        slope = used / np.maximum(left, 1) - 1.0
        slope[(left == 0) | ((prices <= 0) & (slope < 0))] = 0
        steepness = float(slope @ slope)
        if steepness < _FLAT or found.loss - found.bound < _NEAR:
            break
        aim = found.loss if found.choices is not None else found.bound + spread / 2
        prices = np.clip(prices + step * (aim - bound) / steepness * slope, 0, _MOST * spread)
    return found
