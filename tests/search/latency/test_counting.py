"""Counts, places and draws are those of the list of all networks; bounds always hold it."""

import random
from collections import Counter
from math import comb

import numpy as np
import pytest

from prototxt_gen.errors import UnsupportedError
from search.latency import counting
from search.latency.cells import Cells
from search.latency.counting import Counting
from search.latency.graphs import Graph, Layer
from search.latency.halves import Halves, plan
from search.latency.listing import listed
from search.latency.predicting import space_graph
from search.spaces import BackboneSpace
from tests.search.latency.graphs import all_vectors, drawn, made_up_costs

# Costs with few and with many ties, below zero (a part's time less the call's), all the same, all zero, coarse, large.
KINDS = ((-50, 1000, 1), (0, 5, 1), (7, 7, 1), (0, 0, 1), (0, 10**6, 1000), (-3, 3, 1), (10**6, 10**12, 1))
DRAWN = [(seed, *KINDS[seed % len(KINDS)]) for seed in range(21)]
HUGE = BackboneSpace(((1, 12),) * 9, tuple(range(8, 104, 8)), stem=(4,), classes=2, input_shape=(1, 1, 8, 8))


def intervals(costs: np.ndarray, rng: random.Random):
    """Intervals around the costs: all, none, at one cost, between two, beyond the ends."""
    least, most = int(costs[0]), int(costs[-1])
    yield from ((least, most), (least - 9, least - 1), (most + 1, most + 9), (least, least), (most - 1, 10**18))
    for _ in range(12):
        yield tuple(sorted((int(rng.choice(costs)) + rng.randint(-2, 2), int(rng.choice(costs)))))


@pytest.mark.parametrize(("seed", "least", "most", "step"), DRAWN)
def test_counts_and_places_are_those_of_the_list(seed, least, most, step):
    space, graph, costs = drawn(seed, least, most, step)
    found, halves = Counting(graph), Halves(graph, plan(graph))
    assert found.total == space.count() == len(costs)
    for low, high in intervals(costs, random.Random(seed)):
        expected = int(((costs >= low) & (costs <= high)).sum())
        assert found.within(low, high) == (expected, expected)
        assert halves.at_most(high) - halves.at_most(low - 1) == expected
        assert len(listed(graph, low, high, len(costs))) == expected
        reached = costs[costs <= high]
        assert found.dearest_of(high) == halves.dearest_of(high) == (reached[-1] if len(reached) else None)
    for rank in {1, 2, (len(costs) + 1) // 2, len(costs)} & set(range(1, len(costs) + 1)):
        assert found.kth(rank) == (costs[rank - 1], costs[rank - 1])
        assert halves.kth(rank, int(costs[0]) - 1, int(costs[-1])) == costs[rank - 1]
        assert graph.costs(found.near(rank)[None])[0] == costs[rank - 1]
    for rank in (0, len(costs) + 1):
        with pytest.raises(IndexError):
            found.kth(rank)


@pytest.mark.parametrize(("seed", "least", "most", "step"), DRAWN)
def test_bounds_hold_the_truth_and_are_no_wider_than_rounding(seed, least, most, step):
    _, graph, costs = drawn(seed, least, most, step)
    for numbers in (1, 300, 10**6):
        cells = Cells(graph, 10**9, numbers)
        for low, high in intervals(costs, random.Random(seed)):
            expected = int(((costs >= low) & (costs <= high)).sum())
            slack = cells.rounding.most - cells.rounding.least
            within = cells.within(low, high)
            assert within.least <= expected <= within.most
            assert within.least >= ((costs >= low + slack + cells.cell) & (costs <= high - slack - cells.cell)).sum()
            assert within.most <= ((costs >= low - slack - cells.cell) & (costs <= high + slack + cells.cell)).sum()
        for rank in range(1, len(costs) + 1, 7):
            kth = cells.kth(rank)
            assert kth.least <= costs[rank - 1] <= kth.most
        assert not cells.is_exact or cells.within(int(costs[0]), int(costs[-1])) == (len(costs), len(costs))
    assert cells.is_exact == (most <= 10**6)


@pytest.mark.parametrize("balance", [0.01, 1, 100])
@pytest.mark.parametrize("seed", range(6))
def test_places_wherever_the_ways_are_cut_are_all_networks_once(seed, balance):
    space, graph, costs = drawn(seed, *KINDS[seed])
    halves = Halves(graph, balance)
    least, most = int(costs[len(costs) // 4]), int(costs[-1])
    inside = int((costs >= least).sum())
    vectors = halves.draw(range(inside), least, most)
    listing = all_vectors(space)
    expected = listing[graph.costs(listing) >= least]
    assert sorted(map(bytes, vectors)) == sorted(map(bytes, expected))
    assert sorted(map(bytes, listed(graph, least, most, inside))) == sorted(map(bytes, expected))
    assert listed(graph, least, most, inside - 1) is None
    with pytest.raises(IndexError):
        halves.draw([inside], least, most)


@pytest.mark.parametrize("way", ["halves", "cells", "list"])
def test_draws_are_even(way, monkeypatch):
    _, graph, costs = drawn(1)
    least, most = int(costs[len(costs) // 3]), int(costs[2 * len(costs) // 3])
    monkeypatch.setattr(counting, "_QUICK_WORK", 1.0)
    if way != "halves":
        monkeypatch.setattr(counting, "plan", lambda graph: None)
        monkeypatch.setattr(counting, "_WORK", 100.0)
    if way == "cells":
        monkeypatch.setattr(counting, "_LISTED", 0)
    found = Counting(graph)
    inside = int(((costs >= least) & (costs <= most)).sum())
    each = 40
    counts = Counter(map(bytes, found.sample(random.Random(0), each * inside, least, most)))
    assert len(counts) == inside and inside > 50
    # Chi-squared over `inside` networks: its mean is their number, its deviation the root of twice that.
    spread = sum((number - each) ** 2 / each for number in counts.values())
    assert abs(spread - inside) < 5 * (2 * inside) ** 0.5
    # Between two costs that are no neighbours lies nothing.
    below = int(costs[np.flatnonzero(np.diff(costs) > 1)[0]])
    if way == "cells":
        with pytest.raises(UnsupportedError, match="too few"):
            found.sample(random.Random(0), 3, below + 1, below + 1)
    else:
        assert len(found.sample(random.Random(0), 3, below + 1, below + 1)) == 0


def test_draws_repeat_with_their_seed():
    _, graph, costs = drawn(5)
    first, again = (Counting(graph).sample(random.Random(1), 9, 0, int(costs[-1])) for _ in range(2))
    assert (first == again).all()


def test_a_space_beyond_64_bits_is_bounded_and_drawn_from(monkeypatch):
    monkeypatch.setattr(counting, "_WORK", 3e8)
    rng = random.Random(2)
    graph = space_graph(HUGE, made_up_costs(rng, 1000, 200_000), 50)
    found = Counting(graph)
    assert found.total == HUGE.count() > 10**20
    (least, _), (most, _) = graph.cheapest(), graph.dearest()
    assert found.within(least, most).least >= 0.999999 * found.total
    assert found.within(least, most).most == found.total
    middle = found.kth(found.total // 2)
    below, reached = found.within(least, middle.least - 1), found.within(least, middle.most)
    assert below.least < found.total // 2 <= reached.most < 1.1 * below.least
    vectors = found.sample(rng, 500, least, middle.least)
    assert (graph.costs(vectors) <= middle.least).all() and len({bytes(vector) for vector in vectors}) == 500
    assert all(HUGE.decode(vector) in HUGE for vector in vectors[:20])
    # Few networks are listed, and so counted exactly, however large the space.
    few = found.within(least, least + 3000)
    assert few.is_exact and 0 < few.least < 300_000
    near = graph.costs(found.near(found.total // 2)[None])[0]
    assert middle.least <= near <= middle.most


def test_costs_that_are_not_summed_are_not_counted():
    layer = Layer(np.zeros((1, 2), dtype=np.int64), np.array([[0, 1]]))
    with pytest.raises(UnsupportedError, match="expected sums"):
        Counting(Graph((layer,), 0, np.maximum))


def test_intervals_of_any_size_are_allowed():
    _, graph, costs = drawn(0)
    found = Counting(graph)
    assert found.within(-(10**30), 10**30) == (len(costs), len(costs))
    assert found.within(10**30, 10**31) == found.within(-(10**31), -(10**30)) == (0, 0)
    assert found.dearest_of(10**30) == costs[-1] and found.dearest_of(-(10**30)) is None
    assert len(found.sample(random.Random(0), 4, -(10**30), 10**30)) == 4


def test_more_than_floating_point_can_count_is_refused():
    layer = Layer(np.zeros((1, 2), dtype=np.int64), np.array([[0, 1]]))
    with pytest.raises(UnsupportedError, match=r"more than 10\^300 networks"):
        Counting(Graph((layer,) * 1001, 0))
    coins = Counting(Graph((layer,) * 60, 0))
    assert coins.within(0, 30).least == sum(comb(60, heads) for heads in range(31))
