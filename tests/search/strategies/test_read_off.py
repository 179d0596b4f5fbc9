"""The strategy `ponas`: what the table chooses between the limits, in an order that spreads over the latencies."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from prototxt_gen.errors import ArchitectureError
from search.costs import COSTS
from search.spaces.ponas import PonasLayer, PonasSpace, candidates_of
from search.strategies.accuracy_table import AccuracyTable, named_rows
from search.strategies.choosing import choose
from search.strategies.partial_order import PartialOrderPruning
from tests.search.study.quick import table as latencies_of

FOUR = candidates_of((1, 3), (3, 5), (False,))
SPACE = PonasSpace(
    tuple(PonasLayer(width, 1, FOUR) for width in (8, 8, 16, 16)), (8,), classes=3, input_shape=(1, 3, 8, 8), head=None
)
LATENCIES = latencies_of(SPACE)


def made_up_table() -> AccuracyTable:
    """Larger blocks are better on the whole."""
    rng = random.Random(5)
    codes = [[str(unit) for unit in SPACE.layers[layer].candidates] for layer in SPACE.rows]
    entries = [[0.7 + 0.02 * place + rng.uniform(0, 0.02) for place in range(len(row))] for row in codes]
    return AccuracyTable(str(SPACE), named_rows(list("abcd"), codes, entries), 0.9)


TABLE = made_up_table()


def searching(interval=(0.0, math.inf), limits=None, table=TABLE) -> PartialOrderPruning:
    return PartialOrderPruning(
        SPACE, LATENCIES, interval, 0, limits, strategy="ponas", margin=math.inf, accuracies=table
    )


def asked(search: PartialOrderPruning) -> list:
    return search.ask(1000)


def latency(architecture) -> float:
    return LATENCIES.predict(architecture, SPACE.input_shape)


def loss(architecture) -> float:
    return float(TABLE.loss(np.array([SPACE.choices_of(architecture)]))[0])


def test_each_loses_least_of_all_that_are_no_slower():
    """By looking at all 256."""
    every = [(latency(one), loss(one)) for one in SPACE]
    found = asked(searching())
    assert len(found) > 5
    for one in found:
        assert loss(one) == pytest.approx(min(loses for ms, loses in every if ms <= latency(one)))


def test_the_first_are_far_apart():
    found = [latency(one) for one in asked(searching())]
    assert found[0] == max(found)
    assert found[1] == min(found)
    middle = sum(found[:2]) / 2
    assert abs(found[2] - middle) == min(abs(one - middle) for one in found)


def test_the_first_is_the_one_for_the_limit_itself():
    ends = sorted(latency(one) for one in SPACE)
    limit = (ends[0] + ends[-1]) / 2
    assert searching((0.0, limit)).ask() == choose(TABLE, LATENCIES, limit).architecture


def test_all_limits_hold_and_what_was_trained_or_is_training_is_not_asked_again():
    ends = sorted(latency(one) for one in SPACE)
    interval = ends[40], ends[200]
    search = searching(interval, {"parameters": 6000})
    found = asked(search)
    assert found
    for one in found:
        assert interval[0] <= latency(one) <= interval[1]
        assert COSTS["parameters"].of(one, SPACE.input_shape) <= 6000
    search.tell(found[0], 0.5)
    search.tell(found[1], None)
    assert search.ask(1000, found[2:3]) == found[3:]
    assert search.ask(2) == found[2:4]


def test_what_the_table_says_is_told_beside_what_was_seen():
    search = searching()
    one = search.ask()
    search.tell(one, 0.25)
    (trained,) = search.trained()
    assert (trained.accuracy, trained.expected) == (0.25, None)
    assert trained.foretold == pytest.approx(0.9 - loss(one))


def test_limits_from_below_may_leave_nothing_that_the_table_chooses():
    """As slow as a network that a faster one is chosen before."""
    slow = next(ms for ms in sorted(map(latency, SPACE)) if latency(choose(TABLE, LATENCIES, ms).architecture) < ms)
    with pytest.raises(ArchitectureError, match="none of the networks that the table chooses is within all limits"):
        searching((slow, slow)).ask()


def test_a_table_of_the_space_is_needed():
    with pytest.raises(ArchitectureError, match="strategy ponas: found no table of accuracies"):
        searching(table=None)
