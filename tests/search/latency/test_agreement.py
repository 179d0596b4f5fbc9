"""Errors and rank correlation, against numbers worked by hand and against scipy."""

import math

import numpy as np
import pytest

from prototxt_gen.errors import CaffeError
from search.latency.agreement import agreement, kendall_tau


def test_errors_are_shares_of_what_was_measured():
    found = agreement([1.0, 2.0, 4.0, 8.0], [1.06, 1.84, 4.0, 10.0])
    assert found.networks == 4 and found.worst == 3
    assert found.mean_error == pytest.approx((0.06 + 0.08 + 0 + 0.25) / 4)
    assert found.bias == pytest.approx((0.06 - 0.08 + 0 + 0.25) / 4)
    assert (found.worst_error, found.within_5, found.within_10) == (0.25, 0.25, 0.75)
    assert str(found) == "mean error 9.75 %, worst 25.00 %, Kendall's tau 1.000"


@pytest.mark.parametrize(
    ("first", "second", "tau"),
    [
        ([1, 2, 3], [4, 5, 6], 1.0),
        ([1, 2, 3], [6, 5, 4], -1.0),
        ([1, 2, 3, 4], [1, 2, 4, 3], 4 / 6),
        # One pair of five is tied in the second row: of 6 pairs 5 count there.
        ([1, 2, 3, 4], [1, 2, 2, 4], 5 / math.sqrt(6 * 5)),
    ],
)
def test_tau_by_hand(first, second, tau):
    assert kendall_tau(first, second) == pytest.approx(tau)


@pytest.mark.parametrize(("first", "second"), [([1], [1]), ([], []), ([1, 1], [1, 2])])
def test_there_is_no_tau_where_nothing_has_an_order(first, second):
    assert math.isnan(kendall_tau(first, second))


def test_tau_is_scipys():
    stats = pytest.importorskip("scipy.stats")
    numbers = np.random.default_rng(0)
    for size in (2, 7, 300):
        first, second = numbers.integers(0, 40, size), numbers.normal(size=size).round(1)
        assert kendall_tau(first, second) == pytest.approx(stats.kendalltau(first, second).statistic, nan_ok=True)


@pytest.mark.parametrize(
    ("measured", "predicted"),
    [([], []), ([1.0], [1.0, 2.0]), ([0.0], [1.0]), ([1.0], [math.nan]), ([math.inf], [1.0]), ([-1.0], [1.0])],
)
def test_what_has_no_error_is_refused(measured, predicted):
    with pytest.raises(CaffeError, match=r"measured and predicted latencies: (found|expected)"):
        agreement(measured, predicted)
