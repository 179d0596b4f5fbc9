"""The pruning rule against its definition, candidate by candidate; ties, margins, and results that change."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.strategies.candidates import ListedCandidates
from search.strategies.chooser import Results
from search.strategies.pruning import SPREADS, Pruning
from search.strategies.spread import FEWEST, USUAL_SPREAD, spread_of

#                     w       x <= w  y, beside both
VECTORS = np.array([[2, 2], [1, 2], [3, 1]], dtype=np.uint8)


def told(candidates: ListedCandidates, runs: list[tuple[int, float]]) -> Results:
    results = Results(candidates.length)
    for place, accuracy in runs:
        results.add(candidates.vectors[place], candidates.costs(candidates.vectors[[place]])[0], accuracy)
    return results


@pytest.mark.parametrize(
    ("latency_of_x", "accuracy_of_y", "margin", "pruned"),
    [
        (2.0, 0.875, 0.0, True),
        (1.0, 0.875, 0.0, False),
        (0.5, 0.875, 0.0, False),
        (2.0, 0.75, 0.0, False),
        (2.0, 0.9375, 0.0, True),
        (2.0, 0.9375, 0.0625, True),
        (2.0, 0.9375, 0.125, False),
        (2.0, 1.0, np.inf, False),
    ],
)
def test_ties_and_margins(latency_of_x, accuracy_of_y, margin, pruned):
    candidates = ListedCandidates(VECTORS, [3.0, latency_of_x, 1.0])
    pruning = Pruning(candidates, margin)
    assert not pruning.pruned(VECTORS).any()
    pruning.update(told(candidates, [(0, 0.875), (2, accuracy_of_y)]))
    assert pruning.pruned(VECTORS)[1] == pruned


def test_the_measured_margin_is_the_spread_of_a_run():
    candidates = ListedCandidates(VECTORS, [3.0, 2.0, 1.0])
    pruning = Pruning(candidates, None)
    runs = [(0, 0.5), (2, 0.5), *[(0, 0.54), (0, 0.5)] * 2]
    pruning.update(told(candidates, runs))
    assert pruning.margin == SPREADS * USUAL_SPREAD
    runs = [*runs, (2, 0.54)]
    pruning.update(told(candidates, runs))
    spread = spread_of([[0.5, 0.54, 0.5, 0.54, 0.5], [0.5, 0.54]])
    assert spread is not None and pruning.margin == 2.5 * spread


def test_a_run_that_came_out_far_off_does_not_stop_the_pruning():
    pairs = 2 * FEWEST
    vectors = np.array([[place] for place in range(pairs)], dtype=np.uint8)
    candidates = ListedCandidates(vectors, range(1, pairs + 1))
    runs = [(place, 0.9 + 0.001 * again) for place in range(pairs) for again in range(2)]
    sound, off = Pruning(candidates, None), Pruning(candidates, None)
    sound.update(told(candidates, runs))
    off.update(told(candidates, [*runs[:-1], (pairs - 1, 0.03)]))
    assert off.margin == pytest.approx(sound.margin)


@st.composite
def searches(draw):
    length, number = draw(st.integers(1, 4)), draw(st.integers(1, 40))
    rows = draw(st.lists(st.tuples(*[st.integers(0, 3)] * length), min_size=number, max_size=number, unique=True))
    costs = draw(st.lists(st.integers(1, 8), min_size=len(rows), max_size=len(rows)))
    runs = st.tuples(st.integers(0, len(rows) - 1), st.integers(0, 8).map(lambda eighth: eighth / 8))
    return np.array(rows, dtype=np.uint8), np.array(costs, dtype=float), draw(st.lists(runs, max_size=12))


@given(searches(), st.sampled_from([0.0, 0.125, 0.3]))
def test_what_is_pruned_is_what_the_definition_says_after_every_result(search, margin):
    vectors, costs, runs = search
    candidates = ListedCandidates(vectors, costs)
    pruning = Pruning(candidates, margin)
    for end in range(len(runs) + 1):
        results = told(candidates, runs[:end])
        mean = {int(candidates.places(w[None])[0]): a for w, a in zip(results.vectors, results.accuracies, strict=True)}
        expected = [
            any(
                (vectors[x] <= vectors[w]).all() and costs[x] > costs[y] and mean[y] >= mean[w] + margin
                for w in mean
                for y in mean
            )
            for x in range(len(vectors))
        ]
        pruning.update(results)
        assert pruning.pruned(vectors).tolist() == expected
