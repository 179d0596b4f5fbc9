"""A curve from the sum of a network's parts to its time, for devices on which time does not just add up.

Throughput is such a number: a device that fills its batches, or that hides one thing behind another, takes a few
percent less or more than the parts' sum, by how large the sum is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Curve(NamedTuple):
    """Sums and times, both in ms and increasing; straight lines between, and in proportion beyond both ends."""

    sums: tuple[float, ...]
    times: tuple[float, ...]

    def times_of(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """The times of networks (n,) from the sums of their parts."""
        return _along(sums, np.asarray(self.sums), np.asarray(self.times))

    def sums_of(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sums (n,) at which the curve has these times."""
        return _along(times, np.asarray(self.times), np.asarray(self.sums))


def is_curve(found: object) -> bool:
    """Whether something read from a file holds the numbers of a curve."""
    if not isinstance(found, dict) or set(found) != {"sums", "times"}:
        return False
    lists = list(found.values())
    return all(isinstance(one, list) and len(one) == len(lists[0]) >= 2 and _increases(one) for one in lists)


def _increases(numbers: list[object]) -> bool:
    before = 0.0
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not before < number < math.inf:
            return False
        before = number
    return True


def _along(values: NDArray[np.float64], at: NDArray[np.float64], to: NDArray[np.float64]) -> NDArray[np.float64]:
    inside = np.interp(values, at, to)
    low, high = values * (to[0] / at[0]), values * (to[-1] / at[-1])
    return np.where(values < at[0], low, np.where(values > at[-1], high, inside))


def first_whole(holds: Callable[[int], bool]) -> int:
    """The first whole number from which on something holds, by halving; none is further from 0 than 2^62."""
    low, high = -(2**62), 2**62
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low
