"""A network of a TieredSpace brought to a latency by its inner widths: as little as it takes, and evenly.

A search by expected latency ends near its goal, not on it. Where the table is the goal's, landing is exact; where the
device is, the network is measured, the goal shifted by what the table was off, and the network landed again.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.errors import ArchitectureError, UnsupportedError
from search.latency import LatencyTable
from search.latency.layer_latencies import layer_latencies
from search.spaces.tiered import Pick, Picks, TieredSpace
from search.spaces.ways import Integers
from search.strategies.knapsack import Knapsack

#: A network lands at most this share of the goal below it.
TOLERANCE = 0.03


def land(
    space: TieredSpace, table: LatencyTable, picks: Picks, goal_ms: float, tolerance: float = TOLERANCE
) -> tuple[Pick | None, ...]:
    """The network with other inner widths whose predicted latency is at most `goal_ms`, and at least that less a share.

    Of all that are within it is the one that changes least: the sum over the layers, each weighed by its time, of the
    squared logarithm of the new width over the old one is the least there is. So wide blocks and narrow ones change by
    about the same ratio, and nothing changes where the network is within already. Layers, kinds and kernels stay.
    Deterministic; predictions are the table's own. A tolerance of less than a ten-thousandth may leave too many
    choices to follow all (see knapsack.py): then another one may change less, or none is found where there is one.

    `goal_ms` is above 0, the share `tolerance` from 0 to 1. ArchitectureError for others, and where no inner widths of
    these layers meet the goal: it says the least and the most that they take. UnsupportedError where the table lacks
    parts of the space.
    """
    if not (0 < goal_ms < math.inf and 0 <= tolerance < 1):
        raise ArchitectureError(
            f"land: found a goal of {goal_ms} ms and a tolerance of {tolerance}, expected one above 0 and one in 0..1"
        )
    network = space.of_picks(picks)
    latencies = layer_latencies(space, table)
    least, most = latencies.interval(goal_ms * (1 - tolerance), goal_ms)
    now = latencies.nanoseconds(picks)
    if least <= now <= most:
        return tuple(picks)
    rows: list[tuple[int, Pick, Integers]] = []
    after, fixed = "Convolution", now
    for number, (layer, pick) in enumerate(zip(latencies.layers, picks, strict=True)):
        if pick is None:
            continue
        if len(layer.widths) > 1:
            times = layer.blocks[after][pick.candidate]
            fixed -= int(times[layer.widths.index(pick.inner)])
            rows.append((number, pick, times))
        after = layer.maker
    ends = [fixed + sum(int(end(times)) for _, _, times in rows) for end in (np.min, np.max)]
    found = None
    if rows and ends[0] <= most and ends[1] >= least:
        losses = [_changes(latencies.layers[number].widths, pick.inner, times) for number, pick, times in rows]
        found = _within(losses, [times for _, _, times in rows], least - fixed, most - fixed)
    if found is None:
        fastest, slowest = (float(ms) for ms in latencies.milliseconds(ends))
        share = f"{goal_ms * (1 - tolerance):.6g} to {goal_ms:.6g} ms" if tolerance else f"{goal_ms:.6g} ms"
        raise ArchitectureError(
            f"{network}: found no inner widths of its layers that take {share}; there are such of {fastest:.6g} to "
            f"{slowest:.6g} ms"
        )
    landed = list(picks)
    for (number, pick, _), choice in zip(rows, found, strict=True):
        landed[number] = Pick(pick.candidate, latencies.layers[number].widths[choice])
    return tuple(landed)


def _changes(widths: tuple[int, ...], now: int, times: Integers) -> NDArray[np.float64]:
    """What each width of a layer loses: the squared logarithm of its ratio, in as much as the layer takes, in ms."""
    own = max(int(times[widths.index(now)]), 1) / 1e6
    return own * np.log(np.array(widths) / now) ** 2


def _within(losses: list[NDArray[np.float64]], times: list[Integers], least: int, most: int) -> tuple[int, ...] | None:
    """The choice of each row that loses least in sum, of those whose times sum to least..most; None for none."""

    def total(choices: tuple[int, ...]) -> int:
        return sum(int(row[choice]) for row, choice in zip(times, choices, strict=True))

    # What is best with one end alone mostly lies within the other, and then is the best of all.
    for sign, limit in ((1, most), (-1, -least)):
        solution = Knapsack(losses, [sign * row[:, None] for row in times]).solve([limit])
        if solution is None:
            return None
        if least <= total(solution.choices) <= most:
            return solution.choices
    both = Knapsack(losses, [np.stack([row, -row], axis=1) for row in times])
    try:
        solution = both.solve([most, -least])
    except UnsupportedError:
        return None
    return None if solution is None else solution.choices
