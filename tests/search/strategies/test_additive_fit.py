"""Additive effects of candidates: found exactly where there are some, with the power of errors in which they add."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.strategies.accuracy_table import AccuracyTable, named_rows
from search.strategies.additive_fit import POWERS, fit_rows

ROWS = (3, 2, 4)
EVERY = np.array(list(itertools.product(*map(range, ROWS))))
# What each candidate adds to errors of 0.1 raised to a power, as a share.
EFFECTS = [[0.0, 0.05, 0.2], [0.1, 0.0], [0.05, 0.15, 0.0, 0.1]]


def errors_of(choices, power):
    summed = sum(np.array(row)[choices[:, place]] for place, row in enumerate(EFFECTS))
    return 0.1 * (np.exp(summed) if power == 0 else (1 + power * summed) ** (1 / power))


def table_of(entries) -> AccuracyTable:
    codes = [[str(number) for number in range(row)] for row in ROWS]
    return AccuracyTable("a space", named_rows("abc", codes, entries.rows), entries.best, entries.power)


@given(st.sampled_from([power for power in POWERS if power > -1.5]), st.integers(0, 2**32))
def test_the_power_that_adds_and_the_effects_are_found(power, seed):
    choices = np.random.default_rng(seed).permutation(EVERY)[:18]
    table = table_of(fit_rows(ROWS, choices, 1 - errors_of(choices, power)))
    assert table.power == power
    assert table.expected(table.loss(choices)) == pytest.approx(1 - errors_of(choices, power), abs=1e-9)


def test_entries_are_of_networks_that_are_otherwise_the_best():
    entries = fit_rows(ROWS, EVERY, 1 - errors_of(EVERY, -1.0))
    best = (0, 1, 2)
    for row, accuracies in enumerate(entries.rows):
        choices = np.array([[*best[:row], number, *best[row + 1 :]] for number in range(ROWS[row])])
        assert accuracies == pytest.approx(1 - errors_of(choices, -1.0))
    assert entries.best == pytest.approx(0.9)


def test_noise_does_not_hide_the_power():
    rng = np.random.default_rng(0)
    for power in (0.0, -1.0):
        errors = errors_of(EVERY, power) * np.exp(rng.normal(0, 0.005, len(EVERY)))
        assert fit_rows(ROWS, EVERY, 1 - errors).power == power


@pytest.mark.parametrize("accuracies", [[0.9, 0.8, 0.7], [0.9, 0.9, 0.9]])
def test_networks_that_tell_no_powers_apart_have_the_first(accuracies):
    """Three networks, three unknowns; and networks that are all as accurate."""
    entries = fit_rows((2, 2), np.array([[0, 0], [0, 1], [1, 0]]), np.array(accuracies))
    assert entries.power == 0
    assert entries.rows[0] == pytest.approx([accuracies[0], accuracies[2]])
    assert entries.rows[1] == pytest.approx([accuracies[0], accuracies[1]])


def test_errors_stay_between_none_and_all():
    """However wild what was seen is."""
    for seed in range(20):
        accuracies = np.random.default_rng(seed).choice([0.0, 0.5, 1.0], len(EVERY))
        table = table_of(fit_rows(ROWS, EVERY, accuracies))
        assert all(0 <= one <= 1 for row in table.rows for one in row.accuracies)
        assert np.isfinite(table.loss(EVERY)).all() and 0 <= table.best <= 1
