"""What is left, box by box, against the list of all architectures: found, counted, drawn evenly."""

import random

import numpy as np
import pytest

from search.strategies import boxes
from search.strategies.pruning import Pruning
from search.strategies.space_candidates import SpaceCandidates
from tests.search.strategies.made_up import drawn_space, evenness, random_results


@pytest.mark.parametrize("most_boxes", [1, 64])
@pytest.mark.parametrize("listed_of_one", [0, 20, 30_000])
@pytest.mark.parametrize("seed", [0, 10, 25, 35])
def test_what_is_left_is_found_counted_and_drawn_evenly(monkeypatch, seed, listed_of_one, most_boxes):
    monkeypatch.setattr(boxes, "_LISTED_OF_ONE", listed_of_one)
    monkeypatch.setattr(boxes, "MOST_BOXES", most_boxes)
    space, table, vectors, latencies = drawn_space(seed)
    least = float(np.quantile(latencies, 0.1))
    candidates = SpaceCandidates(space, table, (least, 1e9))
    pruning = Pruning(candidates)
    pruning.update(random_results(candidates, vectors[latencies >= least], seed, 8))
    expected = vectors[(latencies >= least) & ~pruning.pruned(vectors)]
    found = candidates.left_by(pruning)
    listed, number = found.listed(), found.counted()
    assert len(found.boxes) <= most_boxes
    assert listed_of_one < 30_000 or (listed is not None and not number.error)
    if listed is not None:
        assert sorted(map(bytes, listed)) == sorted(map(bytes, expected))
    assert abs(number.number - len(expected)) <= 5 * number.error + 0.5
    assert abs(evenness(found.sample(random.Random(seed), 30 * len(expected)), expected)) < 5


def test_nothing_is_left_where_the_largest_network_is_beaten_by_the_fastest():
    space, table, vectors, latencies = drawn_space(8)
    candidates = SpaceCandidates(space, table)
    pruning, results = Pruning(candidates), random_results(candidates, vectors, 0, 0)
    fastest = vectors[latencies.argmin()]
    results.add(space.encode(space.at(space.count() - 1)) * 0 + vectors.max(axis=0), float(latencies.max()), 0.5)
    results.add(fastest, float(latencies.min()), 0.6)
    pruning.update(results)
    found = candidates.left_by(pruning)
    assert sorted(map(bytes, found.listed())) == sorted(map(bytes, vectors[latencies == latencies.min()]))
    assert found.counted() == (int((latencies == latencies.min()).sum()), 0)
