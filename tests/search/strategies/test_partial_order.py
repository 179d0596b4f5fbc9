"""The pruning rule against a simulation written straight from its definition."""

import math
import random

import numpy as np
import pytest

from prototxt_gen import generate, summarize
from prototxt_gen.architectures import parse_architecture
from prototxt_gen.errors import ArchitectureError, UnsupportedError
from search.latency import Entry, LatencyTable, space_parts
from search.spaces import BackboneSpace
from search.strategies.partial_order import PartialOrderPruning

SPACE = BackboneSpace(depths=((1, 2), (1, 2)), widths=(8, 16, 32), stem=(8, 16), classes=10, input_shape=(1, 3, 32, 32))


def made_up_table(seed: int) -> LatencyTable:
    rng = random.Random(seed)
    # Coarse times, so that ties occur.
    entries = {key: Entry(rng.randint(1, 6) / 4, (0.0, 0.0), 1) for key in space_parts(SPACE)}
    return LatencyTable({"engine": "made up"}, entries)


def monotone_accuracies(seed: int, vectors: np.ndarray, steps: int) -> np.ndarray:
    """Random, but never lower for y than for an x <= y; few steps make ties."""
    rng = np.random.default_rng(seed)
    gains = rng.random((vectors.shape[1], int(vectors.max()) + 1)).cumsum(axis=1)
    scores = sum(gains[column, vectors[:, column]] for column in range(vectors.shape[1]))
    return np.floor(scores / scores.max() * steps) / (steps + 1)


def pruned_by_definition(vectors, latencies, accuracies, trained) -> set[int]:
    found = set()
    for w in trained:
        fastest = min(latencies[t] for t in trained if accuracies[t] >= accuracies[w])
        for x in range(len(vectors)):
            below = all(a <= b for a, b in zip(vectors[x], vectors[w], strict=True))
            if x not in trained and below and latencies[x] > fastest:
                found.add(x)
    return found


# Three quarters of the space are within each.
LIMITS = {"parameters": 36_000, "multiply-adds": (210_000, math.inf)}


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("steps", [5, 1000])
@pytest.mark.parametrize("limits", [None, LIMITS], ids=["free", "limited"])
def test_pruning_equals_its_definition_and_spares_the_true_boundary(seed, steps, limits):
    search = PartialOrderPruning(SPACE, made_up_table(seed), seed=seed, limits=limits)
    vectors = search.candidates.listed()
    latencies = search.candidates.costs(vectors)
    accuracies = monotone_accuracies(seed, vectors, steps)
    assert (len(vectors) == SPACE.count()) == (limits is None)
    trained: list[int] = []
    expected: set[int] = set()
    while (architecture := search.ask()) is not None:
        index = int(np.flatnonzero((vectors == SPACE.encode(architecture)).all(axis=1))[0])
        assert index not in {*trained, *expected}
        trained.append(index)
        search.tell(architecture, accuracies[index])
        # What was pruned before it would have been asked stays pruned, so today's rule on all trained is the whole.
        expected = pruned_by_definition(vectors, latencies, accuracies, trained)
        assert set(np.flatnonzero(search.pruning.pruned(vectors))) - set(trained) == expected
        assert search.counts()["pruned"] == len(expected)
    assert len(trained) + len(expected) == len(vectors)
    assert len(trained) < len(vectors), "a search that prunes nothing is no search"

    def beats(a, b):
        faster, better = latencies[a] <= latencies[b], accuracies[a] >= accuracies[b]
        return faster and better and (latencies[a], accuracies[a]) != (latencies[b], accuracies[b])

    every = range(len(vectors))
    true_boundary = {b for b in every if not any(beats(a, b) for a in every)}
    assert true_boundary <= set(trained)
    assert {str(one.architecture) for one in search.boundary()} == {
        str(SPACE.decode(vectors[b])) for b in true_boundary
    }


def test_asking_depends_on_the_seed_and_what_was_told_alone():
    table = made_up_table(0)
    one, two = (PartialOrderPruning(SPACE, table, seed=3) for _ in range(2))
    for step in range(8):
        architecture = one.ask()
        assert architecture == one.ask() == two.ask()
        for search in (one, two):
            search.tell(architecture, step / 10)
    drawn = {str(PartialOrderPruning(SPACE, table, seed=seed).ask()) for seed in range(20)}
    assert len(drawn) > 5


def test_the_interval_keeps_those_inside_and_counts_them():
    table = made_up_table(1)
    latencies = np.array([table.predict(a, SPACE.input_shape) for a in SPACE])
    least, most = np.quantile(latencies, (0.25, 0.75))
    search = PartialOrderPruning(SPACE, table, interval=(least, most))
    inside = (latencies >= least) & (latencies <= most)
    assert search.counts() == {"space": SPACE.count(), "in_interval": inside.sum(), "trained": 0, "pruned": 0}
    outside = next(a for a, kept in zip(SPACE, inside, strict=True) if not kept)
    with pytest.raises(ArchitectureError, match="outside the interval"):
        search.tell(outside, 0.5)
    with pytest.raises(ArchitectureError, match="no architecture"):
        PartialOrderPruning(SPACE, table, interval=(1e6, math.inf))


def test_limits_keep_those_within_all_of_them_and_count_what_each_leaves_out():
    table = made_up_table(1)
    latencies = np.array([table.predict(a, SPACE.input_shape) for a in SPACE])
    whole = [summarize(generate(a, input_shape=SPACE.input_shape)) for a in SPACE]
    in_time = latencies <= np.quantile(latencies, 0.75)
    light = np.array([summary.parameters <= 36_000 for summary in whole])
    busy = np.array([summary.multiply_adds >= 210_000 for summary in whole])
    search = PartialOrderPruning(SPACE, table, (0.0, latencies[in_time].max()), limits=LIMITS)
    inside = in_time & light & busy
    assert 0 < inside.sum() < min(in_time.sum(), light.sum(), busy.sum())
    assert search.counts() == {
        "space": SPACE.count(),
        "in_interval": inside.sum(),
        "trained": 0,
        "pruned": 0,
        "outside_latency": (~in_time).sum(),
        "outside_multiply-adds": (~busy).sum(),
        "outside_parameters": (~light).sum(),
    }
    found = {str(SPACE.decode(vector)) for vector in search.candidates.listed()}
    assert found == {str(a) for a, kept in zip(SPACE, inside, strict=True) if kept}
    outside = next(a for a, kept in zip(SPACE, light, strict=True) if not kept)
    with pytest.raises(ArchitectureError, match="outside the interval or the limits"):
        search.tell(outside, 0.5)


def test_limits_that_leave_nothing_are_named():
    table = made_up_table(1)
    with pytest.raises(ArchitectureError, match=r"^limits: parameters: found at most 4,000, .* 4,826, of") as alone:
        PartialOrderPruning(SPACE, table, limits={"parameters": 4_000})
    assert "latency" not in str(alone.value)
    with pytest.raises(
        ArchitectureError, match=r"no architecture's latency is at least 1e\+06 ms: it has 2\.5 to 5\.5 ms"
    ):
        PartialOrderPruning(SPACE, table, (1e6, math.inf), limits={"parameters": 36_000})
    together = {"parameters": 6_000, "multiply-adds": (600_000, math.inf)}
    with pytest.raises(ArchitectureError, match=r"meets all limits together: of 41 are left out by latency 0, multip"):
        PartialOrderPruning(SPACE, table, limits=together)


def test_refuses_what_makes_no_sense():
    search = PartialOrderPruning(SPACE, made_up_table(2))
    architecture = search.ask()
    for accuracy in (math.nan, -0.1, 97.0):
        with pytest.raises(ArchitectureError, match="accuracy"):
            search.tell(architecture, accuracy)
    search.tell(architecture, 0.5)
    with pytest.raises(ArchitectureError, match="told before"):
        search.tell(architecture, 0.5)
    with pytest.raises(ArchitectureError, match="8-16"):
        search.tell(parse_architecture("s8-16_b8_b64_c10"), 0.5)
    with pytest.raises(UnsupportedError, match="head 32-10 2x2"):
        PartialOrderPruning(SPACE, LatencyTable({}, {}))


def test_read_outs_agree_with_each_other():
    search = PartialOrderPruning(SPACE, made_up_table(1), seed=3)
    told = []
    while (architecture := search.ask()) is not None and len(told) < 8:
        told.append((architecture, len(told) / 10))
        search.tell(*told[-1])
    trained = search.trained()
    assert [(one.architecture, one.accuracy) for one in trained] == told
    for one in trained:
        assert one.latency == search.table.predict(one.architecture, SPACE.input_shape)
    assert set(search.boundary()) <= set(trained)
    counts, latencies = search.counts(), search.latencies()
    assert sorted(latencies["trained"]) == sorted(one.latency for one in trained)
    assert {name: len(times) for name, times in latencies.items()} == {
        "trained": counts["trained"],
        "pruned": counts["pruned"],
        "open": counts["in_interval"] - counts["trained"] - counts["pruned"],
    }
