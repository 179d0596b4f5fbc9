"""The knapsack, exact and approximated, against all choices there are."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prototxt_gen.errors import UnsupportedError
from search.strategies import knapsack
from search.strategies.approximating import evolved, greedy
from search.strategies.knapsack import TIE, Knapsack
from tests.search.strategies.small_knapsacks import all_choices, problems, within


@settings(max_examples=200, deadline=None)
@given(problems())
def test_nothing_within_the_limits_is_better(problem):
    losses, costs, limits = problem
    allowed = {choice: loss for choice, loss, total in all_choices(losses, costs) if within(total, limits)}
    found = Knapsack(losses, costs).solve(limits)
    if found is None:
        assert not allowed
        return
    assert allowed[found.choices] == pytest.approx(found.loss, abs=1e-12)
    assert found.loss <= min(allowed.values()) + 2 * TIE and found.gap == 0


@settings(max_examples=20, deadline=None)
@given(problems(), st.integers(0, 3))
def test_what_is_approximated_is_within_the_limits_and_no_better(problem, seed):
    losses, costs, limits = problem
    allowed = {choice: loss for choice, loss, total in all_choices(losses, costs) if within(total, limits)}
    solver = Knapsack(losses, costs)
    for found in (greedy(solver, limits), evolved(solver, limits, random.Random(seed))):
        if found is None:
            # With one limit the cheapest choice is within it if any is.
            assert not allowed or len(limits) > 1
        else:
            assert allowed[found.choices] == pytest.approx(found.loss, abs=1e-12)
            assert found.loss >= min(allowed.values()) - 1e-12 and found.gap is None


def one_of_many(seed, rows=12, candidates=6, costs=2):
    rng = np.random.default_rng(seed)
    return Knapsack(
        [rng.random(candidates) for _ in range(rows)],
        [rng.integers(0, 10**6, (candidates, costs)) for _ in range(rows)],
    )


def test_where_labels_are_dropped_the_gap_says_how_much_better_a_choice_may_be(monkeypatch):
    gaps, worse = [], 0
    for seed in range(6):
        solver = one_of_many(seed)
        limits = (solver.least + (solver.most - solver.least) * 0.3).astype(int).tolist()
        best = solver.solve(limits)
        assert best.gap == 0
        for most in (1, 3):
            with monkeypatch.context() as patch:
                patch.setattr(knapsack, "MOST_LABELS", most)
                found = solver.solve(limits)
            assert solver.fits(found.choices, limits) and solver.loss(found.choices) == pytest.approx(found.loss)
            assert found.loss - found.gap <= best.loss + TIE and best.loss <= found.loss + TIE
            gaps.append(found.gap)
            worse += found.loss > best.loss + TIE
    assert 0.0 in gaps and max(gaps) > 0 and worse


def test_where_labels_are_dropped_and_nothing_is_found_that_is_no_proof(monkeypatch):
    """Of subsets of these, one sums to just half: both limits leave nothing else."""
    numbers = np.random.default_rng(1).integers(0, 10**9, 24)
    half = int(numbers[::2].sum())
    costs = [np.array([[number, 0], [0, number]]) for number in numbers.tolist()]
    solver = Knapsack([np.zeros(2) for _ in costs], costs)
    monkeypatch.setattr(knapsack, "MOST_LABELS", 3)
    with pytest.raises(UnsupportedError, match="limits of 2 costs: found no choice among the 3"):
        solver.solve([half, int(numbers.sum()) - half])


@pytest.mark.parametrize("costs", [1, 2])
def test_of_equal_losses_the_cheaper_choice_is_taken(costs):
    tied = [np.array([0.25, 0.25, 0.5])] * 3
    prices = [np.array([[5], [3], [1]]).repeat(costs, axis=1)] * 3
    assert Knapsack(tied, prices).solve([15] * costs).choices == (1, 1, 1)


def test_a_cost_of_many_bits_is_not_rounded():
    """A limit is met to the last unit, however large the numbers are."""
    base = 2**60
    solver = Knapsack([np.array([1.0, 0.0])] * 3, [np.array([[base], [base + 1]])] * 3)
    for more, loss in ((0, 3), (1, 2), (2, 1), (3, 0)):
        assert solver.solve([3 * base + more]).loss == loss
    assert solver.solve([3 * base - 1]) is None
