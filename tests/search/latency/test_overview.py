"""What a space holds, in milliseconds and in words, against the list of all its networks."""

import math
import random
from itertools import pairwise

import numpy as np
import pytest

from prototxt_gen.errors import UnsupportedError
from search.latency import Entry, LatencyTable, space_parts
from search.latency.cells import Between
from search.latency.overview import Overview, bounds, whole
from search.spaces import BackboneSpace
from tests.search.latency.graphs import small_space


def table_of(space: BackboneSpace, least: float = 0.001, most: float = 2.0, seed: int = 0) -> LatencyTable:
    rng = random.Random(seed)
    times = {key: round(rng.uniform(least, most), rng.choice((1, 2, 6))) for key in space_parts(space)}
    return LatencyTable({}, {key: Entry(ms, (ms, ms), 1) for key, ms in times.items()}, call_ms=0.01)


def latencies_of(space: BackboneSpace, table: LatencyTable) -> list[float]:
    return sorted(table.predict(architecture, space.input_shape) for architecture in space)


@pytest.mark.parametrize("seed", range(5))
def test_ends_middle_and_counts_are_those_of_the_list(seed):
    rng = random.Random(seed)
    space = small_space(rng)
    table = table_of(space, seed=seed)
    overview, expected = Overview(space, table), latencies_of(space, table)
    assert overview.fastest.ms == expected[0] and overview.slowest.ms == expected[-1]
    assert overview.middle_ms == (expected[(len(expected) - 1) // 2],) * 2
    for network in (overview.fastest, overview.middle, overview.slowest):
        assert table.predict(network.architecture, space.input_shape) == network.ms
    assert overview.middle.ms == overview.middle_ms[0]
    limits = [0.0, math.inf, *(rng.choice(expected) + rng.choice((-1e-9, 0.0, 1e-9)) for _ in range(20))]
    for least, most in pairwise(limits):
        inside = [ms for ms in expected if least <= ms <= most]
        assert overview.within((least, most)) == (len(inside), len(inside))
        largest = overview.slowest_within((least, most))
        assert (largest and largest.ms) == (inside[-1] if inside else None)
        drawn = overview.sample(rng, 5, (least, most))
        assert len(drawn) == (5 if inside else 0)
        assert all(least <= table.predict(one, space.input_shape) <= most for one in drawn)


@pytest.mark.parametrize(("least", "most"), [(0.001, 2.0), (1.0, 1.1), (0.5, 0.5), (0.0, 0.0), (1e-6, 3e-6), (0, 900)])
def test_a_histogram_holds_every_network_once(least, most):
    space = BackboneSpace(((1, 3), (1, 2)), (8, 16, 24), stem=(4,), classes=2, input_shape=(1, 1, 8, 8))
    table = table_of(space, least, most)
    table.call_ms = 0.0
    expected = np.array(latencies_of(space, table))
    rows = Overview(space, table).histogram(12)
    assert 1 <= len(rows) <= 14
    assert all(first.most == second.above for first, second in pairwise(rows))
    for row in rows:
        inside = int(((expected > row.above) & (expected <= row.most)).sum())
        assert row.networks == (inside, inside)
    assert sum(row.networks.least for row in rows) == space.count()
    assert rows[0].networks.least and rows[-1].networks.least


def test_verdicts():
    space = BackboneSpace(((1, 2),), (8,), stem=(4,), classes=2, input_shape=(1, 1, 8, 8))
    # Stem, first block, second block, head: networks of 3 and of 4 ms.
    overview = Overview(space, LatencyTable({}, {key: Entry(1.0, (1.0, 1.0), 1) for key in space_parts(space)}))
    assert [overview.fastest.ms, overview.slowest.ms] == [3.0, 4.0]
    for interval, expected in {
        (0.0, 3.5): "at most 3.5 ms: can be met: 1 of 2 architectures (50 %)",
        (3.0, math.inf): "at least 3 ms: can be met: 2 of 2 architectures (100 %)",
        (0.0, math.inf): "any latency: can be met: 2 of 2 architectures (100 %)",
        (0.0, 2.0): "at most 2 ms: cannot be met: the fastest takes 3 ms, 1 ms too many (50 % of the limit)",
        (0.0, 0.0): "at most 0 ms: cannot be met: the fastest takes 3 ms, 3 ms too many",
        (5.0, 6.0): "5 to 6 ms: cannot be met: the slowest takes 4 ms, 1 ms less than the least",
        (3.25, 3.5): "3.25 to 3.5 ms: cannot be met: the nearest take 3 and 4 ms",
    }.items():
        assert overview.verdict(interval) == expected


def test_missing_parts_are_listed():
    space = BackboneSpace(((1, 1),), (8,), stem=(4,), classes=2, input_shape=(1, 1, 8, 8))
    with pytest.raises(UnsupportedError, match=r"not in the latency table: basic 4-8-8 s2 4x4, head 8-2 2x2, stem"):
        Overview(space, LatencyTable({}))


def test_numbers_in_words_are_never_closer_than_the_bounds():
    assert whole(1234567) == "1,234,567" and whole(10**15) == "1,000,000,000,000,000"
    assert whole(123456789 * 10**30) == "about 1.23456e38"
    assert bounds(Between(7, 7)) == "7"
    assert bounds(Between(0, 10**6)) == "between 0 and 1,000,000"
    assert bounds(Between(1234567 * 10**12, 1234567 * 10**12 + 1)) == "between 1.23456e18 and 1.23457e18"
    assert bounds(Between(10**15, 2 * 10**15)) == "between 1.00000e15 and 2.00000e15"
    assert whole(9999999 * 10**12, 1) == "1.00000e19"


def test_shares_of_bounds_are_rounded_outwards():
    space = BackboneSpace(((1, 2),), (8,), stem=(4,), classes=2, input_shape=(1, 1, 8, 8))
    overview = Overview(space, LatencyTable({}, {key: Entry(1.0, (1.0, 1.0), 1) for key in space_parts(space)}))
    overview.total = 3_000_000
    for number, expected in {
        Between(1_000_000, 1_000_000): "1,000,000 of 3,000,000 architectures (33.33 %)",
        Between(
            1_000_000, 2_000_000
        ): "between 1,000,000 and 2,000,000 of 3,000,000 architectures (33.33 % to 66.67 %)",
        Between(
            1_999_999, 2_000_001
        ): "between 1,999,999 and 2,000,001 of 3,000,000 architectures (66.66 % to 66.67 %)",
        Between(20_000, 20_000): "20,000 of 3,000,000 architectures (0.6667 %)",
        Between(7, 8): "between 7 and 8 of 3,000,000 architectures (one in 428,572 to one in 375,000)",
        Between(7, 7): "7 of 3,000,000 architectures (one in 428,571)",
        Between(0, 3_000_000): "between 0 and 3,000,000 of 3,000,000 architectures (0 % to 100 %)",
    }.items():
        assert overview.share(number) == expected
