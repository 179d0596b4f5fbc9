"""The normal distribution by numpy alone, against Python's own erfc and against integrals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from search.strategies.normal import above_zero, below


def test_below_agrees_with_erfc_far_into_the_tail() -> None:
    x = np.concatenate([np.linspace(-35, 8, 500), [0.0]])
    expected = np.array([math.erfc(-value / math.sqrt(2)) / 2 for value in x])
    np.testing.assert_allclose(below(x), expected, rtol=3e-7)


@pytest.mark.parametrize("mean", [-20.0, -9.0, -7.9, -3.0, -0.5, 0.0, 0.5, 3.0, 12.0])
@pytest.mark.parametrize("variance", [0.25, 1.0, 9.0])
def test_above_zero_agrees_with_integrals(mean: float, variance: float) -> None:
    deviation = math.sqrt(variance)
    first = max(0.0, mean - 12 * deviation)
    # Below 0 the rest falls like exp(mean x / variance).
    reach = 40 * variance / -mean if mean < -3 * deviation else 12 * deviation
    step = (max(0.0, mean) + reach - first) / 400_000
    x = first + step * (np.arange(400_000) + 0.5)
    density = np.exp(-np.square(x - mean) / (2 * variance) + (mean**2 / (2 * variance) if mean < 0 else 0))
    whole = density.sum() * step
    center = (density * x).sum() * step / whole
    spread = (density * np.square(x - center)).sum() * step / whole
    scale = -(mean**2) / (2 * variance) if mean < 0 else 0.0
    logs = math.log(whole / math.sqrt(2 * math.pi * variance)) + scale

    found = above_zero(np.array([mean]), np.array([variance]))
    np.testing.assert_allclose(found[0], logs, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[1], center, rtol=2e-3)
    np.testing.assert_allclose(found[2], spread, rtol=2e-2)
