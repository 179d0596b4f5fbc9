"""The strategy `additive`: what it may rely on, and that it finds a boundary."""

from __future__ import annotations

import random
from itertools import product

import numpy as np
import pytest

from search.spaces.vectors import Vectors
from search.strategies.additive import START, Additive, spread_out
from search.strategies.candidates import Candidates, ListedCandidates
from search.strategies.chooser import Chooser
from search.strategies.hypervolume import hypervolume
from search.strategies.model import NEAR
from search.strategies.registry import chooser
from search.strategies.uniform import Uniform

ALL = np.array(list(product(range(4), repeat=5)), dtype=np.uint8)
COSTS = 1 + np.square(ALL.astype(float)) @ np.arange(1.0, 6.0)
TABLE = ListedCandidates(ALL, COSTS.tolist())
NONE = ALL[:0]


def accuracy(vector: Vectors) -> float:
    """Widths that fit each other serve best: monotone, but not a sum of steps."""
    levels = 1 + vector.astype(float)
    return float(1 - 0.4 / (0.5 * levels.mean() + 0.5 * levels.min()) ** 0.8)


class Large(Candidates):
    """Non-decreasing vectors of 30 numbers out of 0..7, about 10 million: nobody lists them."""

    heights = (np.linspace(0, 1, 8),) * 30

    def count(self) -> int | None:
        return None

    def costs(self, vectors: Vectors) -> np.ndarray:
        return 1 + vectors.astype(float).sum(axis=1)

    def contains(self, vectors: Vectors) -> np.ndarray:
        return (np.diff(vectors.astype(int), axis=1) >= 0).all(axis=1) & (vectors.max(axis=1) < 8)

    def sample(self, rng: random.Random, number: int) -> Vectors:
        rows = [[0, *sorted(rng.sample(range(37), 7)), 37] for _ in range(number)]
        return np.array(
            [np.repeat(np.arange(8), np.diff(row) - np.array([0, *[1] * 7])) for row in rows], dtype=np.uint8
        ).reshape(number, 30)


def searched(make: type[Chooser], candidates: Candidates, trainings: int, seed: int = 0) -> Chooser:
    search = make(candidates, seed)
    for _ in range(trainings):
        vector = search.ask(1, np.zeros((0, candidates.length), dtype=np.uint8))[0]
        search.tell(vector, accuracy(vector))
    return search


def test_it_is_found_by_its_name() -> None:
    assert chooser("additive") is Additive


@pytest.mark.parametrize("candidates", [TABLE, Large()], ids=["listed", "unlisted"])
def test_the_same_results_give_the_same_candidate(candidates: Candidates) -> None:
    first = searched(Additive, candidates, 12)
    again = Additive(candidates, 0)
    for vector in first.results.vectors:
        again.tell(vector, accuracy(vector))
    none = np.zeros((0, candidates.length), dtype=np.uint8)
    asked = first.ask(1, none)
    assert (asked == first.ask(1, none)).all()
    assert (asked == again.ask(1, none)).all()
    assert (first.results.vectors != searched(Additive, candidates, 12, seed=1).results.vectors).any()


def test_what_is_kept_between_asks_does_not_change_the_next_candidate() -> None:
    # More than the process holds, so that the rows that it is known from change.
    told = TABLE.draw(random.Random(0), NEAR + 12, NONE)
    training = TABLE.draw(random.Random(1), 2, told)
    asking, silent = Additive(TABLE, 0), Additive(TABLE, 0)
    for turn, vector in enumerate(told):
        for search in (asking, silent):
            search.tell(vector, accuracy(vector) + 0.01 * (turn % 7))
        if turn >= NEAR - 2 and turn % 3 == 0:
            asking.ask(1, training)
    assert (asking.ask(3, training) == silent.ask(3, training)).all()
    assert (asking.expected(ALL) == silent.expected(ALL)).all()


def test_results_that_are_replaced_by_others_are_forgotten() -> None:
    search, other = searched(Additive, TABLE, 14), searched(Additive, TABLE, 9, seed=1)
    search.results = other.results
    again = Additive(TABLE, 0)
    again.results = other.results
    assert (search.ask(2, NONE) == again.ask(2, NONE)).all()


@pytest.mark.parametrize("candidates", [TABLE, Large()], ids=["listed", "unlisted"])
@pytest.mark.parametrize("told", [0, 1, 2, START, 15])
def test_several_at_once_are_different_and_new(candidates: Candidates, told: int) -> None:
    search = searched(Additive, candidates, told)
    training = search.ask(3, search.results.vectors[:0])
    asked = search.ask(5, training)
    rows = np.vstack([search.results.vectors, training, asked])
    assert len(asked) == 5 and len(np.unique(rows, axis=0)) == told + 8
    assert candidates.contains(asked).all()


def test_candidates_in_training_move_the_next_one_away() -> None:
    search = searched(Additive, TABLE, 15)
    four = search.ask(4, NONE)
    assert (search.ask(1, four[:3])[0] == four[3]).all()


def test_failed_candidates_are_not_asked_for_again() -> None:
    search = Additive(TABLE, 0)
    seen = set()
    for turn in range(30):
        vector = search.ask(1, NONE)[0]
        assert vector.tobytes() not in seen
        seen.add(vector.tobytes())
        search.tell(vector, None if turn % 2 else accuracy(vector))
    assert len(search.results.failed) == 15


def test_a_search_in_which_everything_fails_goes_on() -> None:
    search = Additive(TABLE, 0)
    for _ in range(40):
        search.tell(search.ask(1, NONE)[0], None)
    assert len(np.unique(search.results.failed, axis=0)) == 40


def test_a_small_table_is_trained_to_its_end_and_then_nothing_is_left() -> None:
    few = ListedCandidates(ALL[::40], COSTS[::40].tolist())
    search = searched(Additive, few, few.count() - 2)
    assert len(search.ask(5, NONE)) == 2
    assert len(search.ask(5, search.ask(2, NONE))) == 0


def test_several_runs_of_a_candidate_are_one_result() -> None:
    search = searched(Additive, TABLE, 8)
    for _ in range(3):
        search.tell(search.results.vectors[0], accuracy(search.results.vectors[0]) + 0.01)
    assert len(search.ask(1, NONE)) == 1
    expected = search.expected(search.results.vectors)
    assert expected is not None and np.isfinite(expected).all()


def test_a_network_far_from_what_the_order_says_is_expected_where_it_was_seen() -> None:
    search = searched(Additive, TABLE, 20)
    odd = search.ask(1, NONE)[0]
    search.tell(odd, accuracy(odd) - 0.06)
    expected = search.expected(np.array([odd]))
    assert expected is not None and abs(expected[0] - (accuracy(odd) - 0.06)) < 0.01
    # Its neighbours, of which nothing was told, are expected nearer to what all others say.
    around = TABLE.neighbours(odd)
    around = around[search.results.places(around) < 0]
    off = search.expected(around)
    assert off is not None and np.mean(off - [accuracy(vector) - 0.06 for vector in around]) > 0.02


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_equal_accuracies_do_not_end_it(value: float) -> None:
    search = Additive(TABLE, 0)
    for _ in range(10):
        search.tell(search.ask(1, NONE)[0], value)
    assert len(np.unique(search.results.vectors, axis=0)) == 10


def test_nothing_is_expected_of_fewer_than_two_results() -> None:
    search = searched(Additive, TABLE, 1)
    assert search.expected(ALL[:3]) is None


def test_it_finds_more_than_drawing_evenly_does() -> None:
    truth = np.array([accuracy(vector) for vector in ALL])
    reference = (float(COSTS.max()), float(np.percentile(truth, 5)))
    whole = hypervolume(COSTS, truth, reference)

    def share(make: type[Chooser], trainings: int, seed: int) -> float:
        results = searched(make, TABLE, trainings, seed).results
        return hypervolume(results.costs, results.accuracies, reference) / whole

    ours = np.median([share(Additive, 20, seed) for seed in range(3)])
    assert ours > 0.9
    assert ours > np.median([share(Uniform, 60, seed) for seed in range(9)])


def test_what_is_spread_out_are_candidates_of_all_costs() -> None:
    for candidates in (TABLE, Large()):
        even = candidates.sample(random.Random(1), 400)
        spread = spread_out(candidates, random.Random(0), 400, even)
        assert candidates.contains(spread).all() and len(spread) >= 200
        assert candidates.costs(spread).std() > candidates.costs(even).std()
