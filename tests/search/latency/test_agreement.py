"""Errors, shares and tau of predictions: against numbers worked out by hand, and against SciPy."""

import math
import random

import pytest

from prototxt_gen.errors import UnsupportedError
from search.latency.agreement import agreement, kendall_tau


def test_errors_and_shares():
    found = agreement([1.04, 1.92, 3.0, 5.0], [1.0, 2.0, 3.0, 4.0])
    assert found.count == 4
    assert found.mean_error == pytest.approx((0.04 + 0.04 + 0 + 0.25) / 4)
    assert found.bias == pytest.approx((0.04 - 0.04 + 0 + 0.25) / 4)
    assert (found.worst, found.worst_index) == (0.25, 3)
    assert (found.within_5, found.within_10) == (0.75, 0.75)
    assert found.tau == 1.0


@pytest.mark.parametrize(
    ("first", "second", "tau"),
    [
        ([1, 2, 3], [10, 20, 30], 1.0),
        ([1, 2, 3], [30, 20, 10], -1.0),
        ([1, 2, 3, 4], [1, 2, 4, 3], 4 / 6),
        ([1, 1, 2], [1, 2, 3], 2 / math.sqrt(2 * 3)),
    ],
)
def test_tau_by_hand(first, second, tau):
    assert kendall_tau(first, second) == pytest.approx(tau)


def test_tau_of_many_is_scipys():
    stats = pytest.importorskip("scipy.stats")
    rng = random.Random(0)
    first, second = ([rng.randrange(40) for _ in range(300)] for _ in range(2))
    assert kendall_tau(first, second) == pytest.approx(stats.kendalltau(first, second).statistic)


def test_no_order_has_no_tau():
    assert math.isnan(kendall_tau([1, 1], [1, 2]))


@pytest.mark.parametrize(
    ("predicted", "measured"), [([], []), ([1.0], [1.0, 2.0]), ([1.0], [0.0]), ([1.0], [math.nan])]
)
def test_what_cannot_be_compared_is_refused(predicted, measured):
    with pytest.raises(UnsupportedError, match="agreement"):
        agreement(predicted, measured)
