"""The spread of a run: right for normal runs, hardly moved by runs that came out far off."""

from __future__ import annotations

import numpy as np
import pytest

from search.strategies.spread import FEWEST, share_of, spread_of


@pytest.mark.parametrize("numbers", [[2], [3], [10], [1, 2, 3, 5]], ids=str)
def test_of_normal_runs_it_is_their_standard_deviation(numbers):
    rng = np.random.default_rng(0)
    runs = numbers * (16_000 // sum(numbers))
    accuracies = [rng.normal(rng.uniform(0.3, 0.9), 0.02, number).tolist() for number in runs]
    assert spread_of(accuracies) == pytest.approx(0.02, rel=0.03)


@pytest.mark.parametrize("number", [2, 3])
def test_a_tenth_of_all_runs_far_off_changes_it_by_less_than_half(number):
    rng = np.random.default_rng(1)
    sound = rng.normal(0.9, 0.004, (400, number))
    off = sound.copy()
    off.flat[rng.choice(off.size, off.size // 10, replace=False)] = 0.03
    assert spread_of(off.tolist()) == pytest.approx(spread_of(sound.tolist()), rel=0.5)
    assert np.sqrt(off.var(axis=1, ddof=1).mean()) > 30 * 0.004


@pytest.mark.parametrize(
    ("runs", "spread"),
    [
        ([], None),
        ([[0.5]] * 100, None),
        ([[0.5, 0.6]] * (FEWEST - 1), None),
        ([[0.5, 0.6]] * FEWEST, 0.1),
        ([[0.5] * (FEWEST + 1)], 0.0),
        ([[0.5, 0.6]] * 3 + [[0.5, 0.7]] * 3, 0.15),
        ([[0.5, 0.6]] * 4 + [[0.5, 0.9, 0.9], [0.4]], 0.1),
    ],
)
def test_it_is_the_median_of_the_differences_once_there_are_enough(runs, spread):
    expected = None if spread is None else pytest.approx(spread / 0.9538726)
    assert spread_of(runs) == expected


def test_as_a_share_of_the_error_it_is_the_same_for_good_and_bad_networks():
    rng = np.random.default_rng(2)
    good, bad = ([(1 - error * rng.lognormal(0, 0.1, 2)).tolist() for _ in range(2000)] for error in (0.05, 0.3))
    assert share_of(good) == pytest.approx(0.1, rel=0.06)
    assert share_of(bad) == pytest.approx(0.1, rel=0.06)


def test_runs_without_an_error_have_a_share_too():
    assert share_of([[1.0, 1.0]] * FEWEST) == 0
