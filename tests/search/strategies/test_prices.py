"""Prices of limits, against all choices there are."""

import numpy as np
import pytest
from hypothesis import given, settings

from search.strategies.prices import Prices, priced, remaining
from tests.search.strategies.small_knapsacks import all_choices, problems, within


def padded(losses, costs):
    """Rows of one length, as a knapsack has them."""
    shape = len(losses), max(map(len, losses))
    all_losses, all_costs = np.full(shape, np.inf), np.zeros((*shape, costs[0].shape[1]), dtype=np.int64)
    for row, (loss, cost) in enumerate(zip(losses, costs, strict=True)):
        all_losses[row, : len(loss)], all_costs[row, : len(loss)] = loss, cost - cost.min(axis=0)
    return all_losses, all_costs


def start(costs):
    return Prices(np.zeros(costs), -np.inf, np.inf, None)


@settings(max_examples=100, deadline=None)
@given(problems())
def test_no_choice_within_the_limits_loses_less_than_the_bound_and_none_is_left_out(problem):
    losses, costs, limits = problem
    allowed = {choice: loss for choice, loss, total in all_choices(losses, costs) if within(total, limits)}
    all_losses, all_costs = padded(losses, costs)
    left = np.array(limits, dtype=np.int64) - sum(cost.min(axis=0) for cost in costs)
    left_over = remaining(all_losses, all_costs, left) if (left >= 0).all() else None
    if left_over is None:
        assert not allowed
        return
    for choice in allowed:
        assert np.isfinite(left_over.losses[np.arange(len(choice)), choice]).all()
    found = priced(left_over, start(len(limits)))
    if found is None:
        assert not allowed
        return
    assert found.bound <= min(allowed.values(), default=np.inf) + 1e-9 and (found.prices >= 0).all()
    if found.choices is not None:
        assert allowed[tuple(found.choices.tolist())] == pytest.approx(found.loss, abs=1e-12)
    again = priced(left_over, found)
    assert again is not None and found.bound <= again.bound and again.loss <= found.loss


def one(costs, limits):
    """Two rows; in each, the better candidate costs so much and the worse one, which loses 1 more, nothing."""
    rows = np.array([[[0] * len(limits), cost] for cost in costs], dtype=np.int64)
    return remaining(np.array([[1.0, 0.0]] * len(costs)), rows, np.array(limits))


def test_a_limit_that_binds_has_a_price_and_another_none():
    found = priced(one([[10, 1]] * 4, [25, 100]), start(2))
    # Of four that cost 10 each, 25 buy two and a half.
    assert found.bound == pytest.approx(1.5, abs=1e-3) and found.loss >= 2
    assert found.prices == pytest.approx([2.5, 0], abs=1e-3)


def test_limits_that_exclude_each_other_are_found_out():
    """In each row one cost is 0 and the other 10: together they are 40, and the limits 24."""
    rows = np.array([[[0, 10], [10, 0]]] * 4, dtype=np.int64)
    assert priced(remaining(np.array([[1.0, 0.0]] * 4), rows, np.array([12, 12])), start(2)) is None


def test_what_no_longer_fits_beside_the_cheapest_is_left_out():
    """Without the candidate of 7, what is left in its row costs 3 at least; then that of 5 is too much."""
    losses = np.array([[0.0, 0.0], [0.0, 0.0]])
    costs = np.array([[[7, 0], [0, 3]], [[0, 0], [0, 5]]], dtype=np.int64)
    found = remaining(losses, costs, np.array([6, 7]))
    assert np.isfinite(found.losses).tolist() == [[False, True], [True, False]] and found.left.tolist() == [6, 4]
