"""The progressive stage: which networks it asks for, what it keeps, what table it makes."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prototxt_gen.errors import ArchitectureError
from search.strategies.accuracy_table import AccuracyTable, named_rows
from search.strategies.ponas import Ponas


def filled(stage: Ponas, accuracy_of) -> list[np.ndarray]:
    """Tells the stage everything that it asks for; gives what it asked for, row by row."""
    asked = []
    while not stage.done:
        asked.append(stage.ask())
        stage.tell(asked[-1], [accuracy_of(choice) for choice in asked[-1]])
    return asked


def additive(effects):
    """Errors that are a tenth, times a factor for each choice."""

    def accuracy_of(choice):
        return 1 - 0.1 * float(np.exp(sum(row[number] for row, number in zip(effects, choice, strict=True))))

    return accuracy_of


ROWS = (3, 2, 4)
EFFECTS = [[0.0, -0.2, -0.3], [-0.1, 0.0], [-0.05, -0.4, 0.0, -0.2]]


@pytest.mark.parametrize("keep", ["best", "median", "random"])
def test_every_candidate_of_a_row_stands_before_the_same_suffixes_and_behind_what_was_kept(keep):
    stage = Ponas(ROWS, suffixes=3, keep=keep)
    for row, candidates in enumerate(ROWS):
        prefix, wanted = stage.prefix, set()
        assert stage.row == row and len(prefix) == row
        seen = list(map(tuple, stage.ask().tolist()))
        for candidate in range(candidates):
            behind = {one[row + 1 :] for one in seen if one[: row + 1] == (*prefix, candidate)}
            wanted.add(frozenset(behind))
        assert len(wanted) == 1
        stage.tell(stage.ask(), [0.5] * len(stage.ask()))
    assert stage.done and not len(stage.ask())


def test_a_network_is_asked_for_once_in_a_row_and_again_in_the_next():
    stage = Ponas(ROWS, suffixes=3)
    rows = [[tuple(choice) for choice in row.tolist()] for row in filled(stage, additive(EFFECTS))]
    assert all(len(set(row)) == len(row) for row in rows)
    assert list(stage.told) == [(number, choice) for number, row in enumerate(rows) for choice in row]
    # What was kept, with the suffixes that it was seen with.
    assert all(set(row) & set(after) for row, after in itertools.pairwise(rows))


@given(st.integers(0, 2**32), st.lists(st.floats(0.5, 2.0), min_size=3, max_size=3))
def test_that_all_networks_get_better_from_row_to_row_is_not_taken_for_the_kept_blocks(seed, factors):
    """As those of a supernet do, which is trained before each row."""
    stage = Ponas(ROWS, suffixes=2, seed=seed)
    while not stage.done:
        errors = [1 - additive(EFFECTS)(choice) for choice in stage.ask()]
        stage.tell(stage.ask(), [1 - error * factors[stage.row] for error in errors])
    table = table_of(stage)
    assert table.power == 0
    for row, losses in zip(EFFECTS, table.losses, strict=True):
        assert losses / (1 - table.best) == pytest.approx(np.array(row) - min(row), abs=1e-9)
    assert 1 - table.best == pytest.approx(factors[-1] * 0.1 * np.exp(sum(map(min, EFFECTS))))


@pytest.mark.parametrize(("keep", "kept"), [("best", (2, 0, 1)), ("median", (1, 0, 3))])
def test_what_is_kept(keep, kept):
    stage = Ponas(ROWS, suffixes=2, keep=keep)
    filled(stage, additive(EFFECTS))
    assert stage.prefix == kept


def test_suffixes_hold_every_candidate_equally_often():
    stage = Ponas((2, 3, 6), suffixes=6)
    behind = {choice[1:] for choice in map(tuple, stage.ask().tolist())}
    for place, candidates in enumerate((3, 6)):
        numbers = [one[place] for one in behind]
        assert set(numbers) == set(range(candidates))


@given(st.integers(0, 2**32), st.lists(st.integers(2, 4), min_size=1, max_size=5), st.sampled_from([1, 2, 4]))
def test_a_fit_finds_the_effects_of_additive_logarithms_of_errors(seed, rows, suffixes):
    rng = np.random.default_rng(seed)
    effects = [rng.uniform(-0.3, 0.3, row) for row in rows]
    stage = Ponas(rows, suffixes=suffixes, seed=seed, estimate="fit")
    filled(stage, additive(effects))
    table = table_of(stage)
    assert table.power == 0
    every = np.array(list(itertools.product(*map(range, rows))))
    true = np.array([additive(effects)(choice) for choice in every])
    for row, losses in zip(effects, table.losses, strict=True):
        assert losses / (1 - table.best) == pytest.approx(row - row.min(), abs=1e-9)
    assert table.expected(table.loss(every)) == pytest.approx(true, abs=1e-9)


def table_of(stage):
    entries, best, power = stage.entries()
    names = [f"layer {number}" for number in range(len(stage.rows))]
    codes = [[f"e{number}" for number in range(row)] for row in stage.rows]
    return AccuracyTable("a space", named_rows(names, codes, entries), best, power)


def test_means_are_those_of_what_was_seen_in_the_row():
    stage = Ponas((2, 2), suffixes=2, estimate="mean", keep="best")
    seen = {(0, 0): 0.5, (0, 1): 0.6, (1, 0): 0.7, (1, 1): 0.9}
    filled(stage, lambda choice: seen[tuple(choice.tolist())])
    assert stage.entries() == ([[pytest.approx(0.55), pytest.approx(0.8)], [0.7, 0.9]], 0.9, 1.0)


def test_the_same_results_make_the_same_stage():
    one, two = (Ponas(ROWS, suffixes=3, seed=5, keep="random") for _ in range(2))
    filled(one, additive(EFFECTS))
    while not two.done:  # told one by one, backwards
        two.tell(two.ask()[-1:], [additive(EFFECTS)(two.ask()[-1])])
    assert one.entries()[1] == pytest.approx(two.entries()[1]) and one.prefix == two.prefix


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"rows": ()}, "at least 2 candidates"),
        ({"rows": (3, 1)}, "at least 2 candidates"),
        ({"rows": (3,), "suffixes": 0}, "at least 1"),
        ({"rows": (3,), "keep": "worst"}, "best, median, random"),
        ({"rows": (3,), "estimate": "sum"}, "mean, fit"),
    ],
)
def test_wrong_stages_are_refused(arguments, told):
    with pytest.raises(ArchitectureError, match=told):
        Ponas(**{"suffixes": 2} | arguments)


def test_what_was_not_asked_for_is_refused():
    stage = Ponas((2, 2), suffixes=1)
    choice = stage.ask()[:1]
    other = choice.copy()
    other[0, 1] = 1 - other[0, 1]
    with pytest.raises(ArchitectureError, match="row 0"):
        stage.tell(other, [0.5])
    with pytest.raises(ArchitectureError, match=r"accuracy 1\.5"):
        stage.tell(choice, [1.5])
    with pytest.raises(ArchitectureError, match="not whole"):
        stage.entries()
