"""The hypervolume against counting small rectangles, the expected gain against Monte Carlo."""

from __future__ import annotations

import numpy as np
import pytest

from search.strategies.hypervolume import expected_gain, hypervolume, staircase

REFERENCE = (10.0, 0.4)


def points(seed: int, number: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 11, number), rng.uniform(0.2, 0.95, number)


@pytest.mark.parametrize(("seed", "number"), [(0, 1), (1, 5), (2, 40)])
def test_hypervolume_is_the_area_that_is_dominated(seed: int, number: int) -> None:
    costs, accuracies = points(seed, number)
    at = (np.arange(2000) + 0.5) / 2000 * REFERENCE[0]
    best = np.where(costs <= at[:, None], accuracies, REFERENCE[1]).max(axis=1)
    area = np.maximum(best - REFERENCE[1], 0).mean() * REFERENCE[0]
    assert hypervolume(costs, accuracies, REFERENCE) == pytest.approx(area, abs=0.02)


def test_hypervolume_by_hand() -> None:
    # 0.1 from 2 to 5, 0.3 from 5 to 10; the third is beaten, the fourth costs more than the reference.
    costs, accuracies = np.array([5.0, 2.0, 6.0, 10.5]), np.array([0.7, 0.5, 0.6, 0.9])
    assert hypervolume(costs, accuracies, REFERENCE) == pytest.approx(0.1 * 3 + 0.3 * 5)
    assert hypervolume(costs[:0], accuracies[:0], REFERENCE) == 0


@pytest.mark.parametrize(("mean", "deviation"), [(-1.0, 0.3), (-2.0, 0.05), (-0.4, 0.5), (-3.5, 1.0)])
@pytest.mark.parametrize("cost", [0.5, 4.0, 9.9])
def test_expected_gain_is_the_mean_of_gains(mean: float, deviation: float, cost: float) -> None:
    costs, accuracies = points(3, 12)
    before = hypervolume(costs, accuracies, REFERENCE)
    drawn = 1 - np.exp(np.random.default_rng(4).normal(mean, deviation, 4000))
    gains = [hypervolume(np.append(costs, cost), np.append(accuracies, one), REFERENCE) - before for one in drawn]
    found = expected_gain(
        np.array([cost]), np.array([[mean]]), np.array([[deviation]]), staircase(costs, accuracies, REFERENCE), 10.0
    )
    assert found.shape == (1, 1)
    assert found[0, 0] == pytest.approx(np.mean(gains), abs=5 * np.std(gains) / np.sqrt(len(gains)) + 1e-6)


def test_what_costs_more_than_the_reference_gains_nothing() -> None:
    boundary = staircase(*points(3, 12), REFERENCE)
    assert expected_gain(np.array([10.5]), np.array([-5.0]), np.array([0.1]), boundary, 10.0)[0] == 0
