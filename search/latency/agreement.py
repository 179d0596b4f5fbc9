"""How well predictions agree with measurements: errors, shares and Kendall's tau."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from prototxt_gen.errors import UnsupportedError


@dataclass(frozen=True)
class Agreement:
    """Errors are predictions over measurements less 1: 0.02 is 2 % too slow, -0.02 is 2 % too fast.

    `mean_error` is the mean of their absolute values, `bias` their mean with the sign, `worst` the one furthest from 0
    and `worst_index` whose it is. `within_5` and `within_10` are the shares that are at most 5 % and 10 % off. `tau` is
    Kendall's tau-b of the two orders, NaN where one of the two has no order at all.
    """

    count: int
    mean_error: float
    bias: float
    worst: float
    worst_index: int
    within_5: float
    within_10: float
    tau: float


def agreement(predicted: ArrayLike, measured: ArrayLike) -> Agreement:
    """Compares predictions with measurements, in ms. UnsupportedError where there is nothing to compare."""
    expected, found = np.asarray(predicted, np.float64), np.asarray(measured, np.float64)
    if expected.shape != found.shape or expected.ndim != 1 or not len(expected):
        raise UnsupportedError(
            f"agreement: found {expected.size} predictions and {found.size} measurements, expected as many of both"
        )
    if not np.isfinite(found).all() or found.min() <= 0:
        raise UnsupportedError("agreement: measurements must be milliseconds above 0")
    errors = expected / found - 1
    off = np.abs(errors)
    worst = int(off.argmax())
    return Agreement(
        count=len(errors),
        mean_error=float(off.mean()),
        bias=float(errors.mean()),
        worst=float(errors[worst]),
        worst_index=worst,
        within_5=float((off <= 0.05).mean()),
        within_10=float((off <= 0.10).mean()),
        tau=kendall_tau(expected, found),
    )


def kendall_tau(first: ArrayLike, second: ArrayLike) -> float:
    """Kendall's tau-b of two lists, ties counted as in Kendall (1945): 1 for the same order, -1 for the opposite."""
    one, two = np.asarray(first, np.float64), np.asarray(second, np.float64)
    concordant = firsts = seconds = 0
    # Row by row, so that ten thousand networks do not need gigabytes.
    for index in range(len(one) - 1):
        signs, others = np.sign(one[index + 1 :] - one[index]), np.sign(two[index + 1 :] - two[index])
        concordant += int((signs * others).sum())
        firsts += int(np.count_nonzero(signs))
        seconds += int(np.count_nonzero(others))
    return concordant / math.sqrt(firsts * seconds) if firsts and seconds else math.nan
