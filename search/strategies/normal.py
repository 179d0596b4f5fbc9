"""The normal distribution on arrays, by numpy alone: its distribution function, and its mean and variance above 0."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# erfc(z) = t exp(-z^2 + P(t)) with t = 2 / (2 + z), from the highest power down: W. H. Press and others, Numerical
# Recipes, 2nd edition, section 6.2. Its relative error is under 1.2e-7 for every z >= 0.
_ERFC = (0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368)
_ERFC_LAST = -1.26551223


def _scaled_erfc(z: Floats) -> Floats:
    """exp(z^2) erfc(z) for z >= 0."""
    t = 2 / (2 + z)
    power = np.full_like(t, _ERFC[0])
    for coefficient in _ERFC[1:]:
        power *= t
        power += coefficient
    power *= t
    power += _ERFC_LAST
    return t * np.exp(power)


def below(x: Floats) -> Floats:
    """The probability that a standard normal number lies below x; of any shape. Relative error under 2e-7 for x < 0."""
    z = np.abs(x) / np.sqrt(2)
    tail = 0.5 * _scaled_erfc(z) * np.exp(-z * z)
    return np.where(x < 0, tail, 1 - tail)


def above_zero(mean: Floats, variance: Floats) -> tuple[Floats, Floats, Floats]:
    """Of normal numbers with mean and variance, given that they are above 0: log probability, mean, variance."""
    deviation = np.sqrt(variance)
    a = mean / deviation
    z = np.abs(a) / np.sqrt(2)
    scaled = _scaled_erfc(z)
    tail = 0.5 * scaled * np.exp(-z * z)
    with np.errstate(divide="ignore"):
        logs = np.where(a < 0, np.log(0.5 * scaled) - z * z, np.log1p(-tail))
    hazard = np.where(a < 0, np.sqrt(2 / np.pi) / scaled, np.exp(-z * z) / np.sqrt(2 * np.pi) / (1 - tail))
    # Far below 0, a + hazard and 1 - hazard (a + hazard) are differences of nearly equal numbers: their series instead.
    far = a < -8
    b = np.where(far, a, -8.0) ** -2
    shift = np.where(far, (1 - 2 * b + 10 * b * b) / np.where(far, -a, 8.0), a + hazard)
    shrink = np.where(far, b * (1 - 6 * b + 50 * b * b), 1 - hazard * (a + hazard))
    return logs, deviation * shift, variance * shrink
