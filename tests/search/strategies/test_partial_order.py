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
from search.strategies import space_candidates, unpruned
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
        newly, before = search.tell(architecture, accuracies[index]), len(expected)
        # What was pruned before it would have been asked stays pruned, so today's rule on all trained is the whole.
        expected = pruned_by_definition(vectors, latencies, accuracies, trained)
        assert newly == len(expected) - before
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


def test_several_at_once_differ_from_each_other_and_from_those_in_training():
    search = PartialOrderPruning(SPACE, made_up_table(2))
    asked = search.ask(7)
    assert asked[0] == search.ask() and len(set(asked)) == 7
    others = search.ask(100, training=asked)
    assert sorted(map(str, [*asked, *others])) == sorted(map(str, SPACE))
    assert search.ask(3, training=[*asked, *others]) == []


def test_a_candidate_is_told_once_for_each_seed_and_failures_are_not_asked_for_again():
    search = PartialOrderPruning(SPACE, made_up_table(2), margin=None)
    one, other, third = search.ask(3)
    search.tell(one, 0.5)
    search.tell(one, 0.75, seed=3)
    search.tell(other, None)
    with pytest.raises(ArchitectureError, match=f"{one}: its accuracy of seed 3 was told before"):
        search.tell(one, 0.5, seed=3)
    with pytest.raises(ArchitectureError, match=f"{other}: its accuracy was told before"):
        search.tell(other, 0.5)
    (trained,) = search.trained()
    assert (trained.architecture, trained.accuracy, trained.expected, trained.runs) == (one, 0.625, None, 2)
    assert search.counts() == {"space": 41, "in_interval": 41, "trained": 1, "pruned": 0, "failed": 1}
    left = search.ask(100)
    assert third in left and not {one, other} & set(left) and len(left) == 39
    search.tell(other, 0.5, seed=1)
    assert "failed" not in search.counts() and search.counts()["trained"] == 2


def test_a_result_tells_how_many_it_prunes_or_gives_back():
    search = PartialOrderPruning(SPACE, made_up_table(3), margin=None)
    rng, told = random.Random(0), []
    for run in range(60):
        architecture = rng.choice(list(SPACE))
        vector, before = SPACE.encode(architecture), search.counts()["pruned"]
        known = search.runs_of(architecture) or (search.results.failed == vector).all(axis=1).any()
        if not known and search.pruning.pruned(vector[None])[0]:
            before -= 1
        told.append(search.tell(architecture, rng.choice([None, rng.random() / 100, rng.random() / 100]), seed=run))
        assert told[-1] == search.counts()["pruned"] - before
    assert min(told) < 0 < max(told)


def test_the_margin_prunes_less_and_names_the_search():
    pruned, names = [], set()
    for margin in (0.0, 0.05, None, math.inf):
        search = PartialOrderPruning(SPACE, made_up_table(3), margin=margin)
        vectors = search.candidates.listed()
        for vector, accuracy in zip(vectors[::3], np.random.default_rng(0).random(len(vectors)), strict=False):
            search.tell(SPACE.decode(vector), accuracy / 10)
        pruned.append(search.counts()["pruned"])
        names.add(search.name)
    assert pruned[0] > pruned[2] > pruned[1] > pruned[3] == 0
    assert len(names) == 4 and "partial order pruning" in names


def test_the_boundary_is_by_expected_accuracy_where_the_strategy_has_one(monkeypatch):
    search = PartialOrderPruning(SPACE, made_up_table(0), margin=math.inf)
    by_latency = sorted(SPACE, key=lambda a: search.table.predict(a, SPACE.input_shape))
    fast, slow = by_latency[0], by_latency[-1]
    search.tell(fast, 0.9)
    search.tell(slow, 0.8)
    assert [(one.architecture, one.expected) for one in search.boundary()] == [(fast, None)]
    expected = {bytes(SPACE.encode(fast)): 0.7, bytes(SPACE.encode(slow)): 0.75}
    monkeypatch.setattr(search.chooser, "expected", lambda vectors: np.array([expected[bytes(v)] for v in vectors]))
    shown = [(one.architecture, one.accuracy, one.expected) for one in search.boundary()]
    assert shown == [(fast, 0.9, 0.7), (slow, 0.8, 0.75)]


def test_contradictions_of_the_order_are_told():
    search = PartialOrderPruning(SPACE, made_up_table(0))
    assert search.contradictions() == (0, 0, 0, 0.0)
    small, middle, large = (parse_architecture(f"s8-16_{blocks}_c10") for blocks in ("b8_b8", "b8_b16", "b8_b32"))
    for architecture, accuracy in ((small, 0.5), (middle, 0.498), (large, 0.25)):
        search.tell(architecture, accuracy)
    # A run's spread is not known: 0.004 is taken for what noise explains.
    assert search.contradictions() == (3, 3, 2, 0.25)
    for seed, accuracy in enumerate((0.298, 0.498, 0.298, 0.498, 0.298), 1):
        search.tell(middle, accuracy, seed=seed)
    # Now it is, and explains all: three times 0.498 and three times 0.298.
    assert search.contradictions() == (3, 3, 0, 0.25)


def test_counts_of_too_many_to_list_say_their_error(monkeypatch):
    exact = PartialOrderPruning(SPACE, made_up_table(5))
    monkeypatch.setattr(space_candidates, "LISTED_AT_MOST", 0)
    monkeypatch.setattr(unpruned, "_RARE", 10**9)
    about = PartialOrderPruning(SPACE, made_up_table(5))
    for search in (exact, about):
        for place, architecture in enumerate(SPACE):
            if place % 5 == 0:
                assert (search.tell(architecture, place % 7 / 7) is None) == (search is about)
    known, told = exact.counts(), about.counts()
    assert known["pruned"] > 0 and {name: told[name] for name in ("space", "in_interval", "trained")} == {
        name: known[name] for name in ("space", "in_interval", "trained")
    }
    assert set(told) - set(known) == {"pruned_error"}
    assert abs(told["pruned"] - known["pruned"]) <= 5 * told["pruned_error"]
    assert about.ask() is not None and len(about.latencies()["pruned"]) > 0


def test_a_space_of_a_trillion_is_searched():
    space = BackboneSpace(((1, 18),) * 4, (8, 16, 24, 32, 48, 64, 96), stem=(4,), classes=2, input_shape=(1, 1, 16, 16))
    rng = random.Random(0)
    table = LatencyTable({}, {key: Entry(0.1 + rng.random(), (0.0, 0.0), 1) for key in space_parts(space)})
    search = PartialOrderPruning(space, table, (15.0, 45.0))
    assert space.count() > 1.5e12
    for architecture in search.ask(20):
        assert 15 <= table.predict(architecture, space.input_shape) <= 45
        search.tell(architecture, rng.random())
    again = PartialOrderPruning(space, table, (15.0, 45.0))
    for one in search.trained():
        again.tell(one.architecture, one.accuracy)
    assert search.ask(3) == again.ask(3)
