"""The candidates of a space against the list of its architectures: which they are, how many, drawn evenly."""

import math
import random

import numpy as np
import pytest

from prototxt_gen.errors import ArchitectureError, UnsupportedError
from search.costs import cost_graph
from search.latency import LatencyTable, space_parts
from search.strategies import space_candidates
from search.strategies.candidates import Candidates
from search.strategies.space_candidates import SpaceCandidates
from tests.search.strategies.made_up import drawn_space, evenness

# By name, which quantiles of the space's own costs are the bounds.
BOUNDS = [
    {},
    {"parameters": (0.0, 0.7)},
    {"multiply-adds": (0.2, 1.0), "parameters": (0.1, 0.9)},
    {"memory": (0.0, 0.8)},
    {"memory": (0.3, 0.9), "multiply-adds": (0.0, 0.9)},
]


@pytest.fixture(params=[True, False], ids=["listed", "unlisted"])
def listed(request, monkeypatch):
    """Both ways: as of a space that is listed, and as of one that is too large for that."""
    if not request.param:
        monkeypatch.setattr(space_candidates, "LISTED_AT_MOST", 0)
    return request.param


@pytest.mark.parametrize("quantiles", BOUNDS, ids=lambda bounds: "+".join(bounds) or "latency")
@pytest.mark.parametrize("seed", [0, 10, 16])
def test_candidates_are_those_within_all_bounds(seed, quantiles, listed):
    space, table, vectors, latencies = drawn_space(seed)
    inside = (latencies >= np.quantile(latencies, 0.1)) & (latencies <= np.quantile(latencies, 0.9))
    interval, limits, outside = (latencies[inside].min(), latencies[inside].max()), {}, {"latency": (~inside).sum()}
    for name, ends in quantiles.items():
        costs = cost_graph(space, name).costs(vectors)
        limits[name] = tuple(int(np.quantile(costs, end)) for end in ends)
        within = (costs >= limits[name][0]) & (costs <= limits[name][1])
        outside[name], inside = (~within).sum(), inside & within
    candidates = SpaceCandidates(space, table, interval, limits)
    expected = vectors[inside]
    assert (candidates.contains(vectors) == inside).all()
    assert (candidates.costs(vectors) == latencies).all()
    assert {name: count.number for name, count in candidates.left_out().items()} == outside
    assert not any(count.error for count in candidates.left_out().values())
    number = candidates.counted()
    assert abs(number.number - len(expected)) <= 5 * number.error
    peaks_alone = not quantiles or (list(quantiles) == ["memory"] and not quantiles["memory"][0])
    assert candidates.count() == (len(expected) if listed or peaks_alone else None)
    if listed:
        assert sorted(map(bytes, candidates.listed())) == sorted(map(bytes, expected))
    else:
        assert candidates.listed() is None
    assert abs(evenness(candidates.sample(random.Random(seed), 30 * len(expected)), expected)) < 5
    drawn = candidates.draw(random.Random(seed), len(expected) + 5, expected[:3])
    assert sorted(map(bytes, drawn)) == sorted(map(bytes, expected[3:]))


def test_vectors_of_no_architecture_are_no_candidates():
    space, table, vectors, _ = drawn_space(10)
    rng = np.random.default_rng(0)
    anything = rng.integers(0, len(space.widths) + 3, (3000, vectors.shape[1])).astype(np.uint8)
    known = {bytes(vector) for vector in vectors}
    assert SpaceCandidates(space, table).contains(anything).tolist() == [bytes(one) in known for one in anything]


def test_an_empty_interval_says_which_latencies_there_are(listed):
    space, table, _, latencies = drawn_space(10)
    there = np.unique(latencies)
    place = int(np.argmax(np.diff(there)))
    below, above = there[place], there[place + 1]
    with pytest.raises(ArchitectureError) as between:
        SpaceCandidates(space, table, (below + 1e-4, above - 1e-4))
    assert str(between.value).endswith(
        f"it has {there[0]:.6g} to {there[-1]:.6g} ms, the nearest {below:.6g} and {above:.6g} ms"
    )
    for interval in ((0.0, there[0] - 0.01), (there[-1] + 0.01, math.inf)):
        with pytest.raises(ArchitectureError, match=f"no architecture's latency .* to {there[-1]:.6g} ms$"):
            SpaceCandidates(space, table, interval)


def test_limits_that_exclude_each_other_say_what_each_leaves_out(listed):
    space, table, vectors, latencies = drawn_space(10)
    costs = cost_graph(space, "parameters").costs(vectors)
    slow = latencies >= np.quantile(latencies, 0.9)
    small = costs < costs[slow].min()
    limits = {"parameters": int(costs[small].max())}
    surely = "together" if listed else "together in .* draws"
    with pytest.raises(
        ArchitectureError, match=f"all limits {surely}: of {len(vectors)} .* latency {(~slow).sum()}, p"
    ):
        SpaceCandidates(space, table, (float(latencies[slow].min()), math.inf), limits)


def test_a_table_that_lacks_parts_lists_them():
    space, table, _, _ = drawn_space(10)
    lost = list(table.entries)[:2]
    kept = {key: entry for key, entry in table.entries.items() if key not in lost}
    with pytest.raises(UnsupportedError, match="not in the latency table") as fault:
        SpaceCandidates(space, LatencyTable(table.target, kept))
    labels = {key: part.label for key, part in space_parts(space).items()}
    named = str(fault.value).split("latency table: ")[1].split(", ")
    assert named == sorted(labels[key] for key in lost)


@pytest.mark.parametrize("quantiles", BOUNDS, ids=lambda bounds: "+".join(bounds) or "latency")
def test_single_changes_and_neighbours_are_those_found_by_trying_each(quantiles):
    space, table, vectors, latencies = drawn_space(10)
    limits = {
        name: tuple(int(np.quantile(cost_graph(space, name).costs(vectors), end)) for end in ends)
        for name, ends in quantiles.items()
    }
    candidates = SpaceCandidates(space, table, (float(np.quantile(latencies, 0.1)), math.inf), limits)
    rows = candidates.sample(random.Random(0), 15)
    others = rows[:, :, None] != np.arange(max(map(len, candidates.heights)))
    tried = Candidates.changed(candidates, rows)
    assert (candidates.changed(rows) & others == tried).all() and tried.any()
    inside = {bytes(vector) for vector in vectors[candidates.contains(vectors)]}
    for row, found in zip(rows.tolist(), candidates.neighbours_of(rows), strict=True):
        expected = set()
        for place, values in enumerate(candidates.heights):
            for way in (range(row[place] + 1, len(values)), range(row[place] - 1, -1, -1)):
                steps = [bytes([*row[:place], value, *row[place + 1 :]]) for value in way]
                expected.update([step for step in steps if step in inside][:1])
        assert sorted(map(bytes, found)) == sorted(expected)
