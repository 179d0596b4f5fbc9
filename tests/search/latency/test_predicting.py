"""Predictions of a whole space: its parts are those of its networks, and the sums are the same."""

import random

import numpy as np
import pytest

from prototxt_gen import parts
from search.latency import Entry, LatencyTable, predictor, space_parts
from search.spaces import BackboneSpace
from tests.search.spaces.test_kinds import PONAS

SPACES = [
    BackboneSpace(
        depths=((1, 2), (1, 3)),
        widths=(8, 16, 256, 512),
        kinds=("basic", "bottleneck"),
        stem=(4, 8),
        classes=10,
        input_shape=(1, 3, 64, 48),
    ),
    BackboneSpace(((2, 3), (1, 1), (2, 2)), (8, 16, 24), ("basic", "shuffle", "bottleneck"), (4,), 7, (1, 1, 33, 57)),
    PONAS[0],
]


def made_up_table(space):
    """Times of which no two sums are likely to agree by chance."""
    rng = random.Random(0)
    return LatencyTable({}, {key: Entry(rng.randint(1, 10**6) / 64, (0.0, 0.0), 1) for key in space_parts(space)})


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_the_parts_of_a_space_are_those_of_its_networks(space):
    found = {part.key: part.net for architecture in space for part in parts(architecture, space.input_shape)}
    assert {key: part.net for key, part in space_parts(space).items()} == found


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_predictions_of_vectors_equal_sums_of_parts(space):
    table = made_up_table(space)
    predict = table.predictor(space)
    for vectors in space.vectors():
        expected = [
            sum(table.entries[part.key].ms for part in parts(space.decode(vector), space.input_shape))
            for vector in vectors
        ]
        assert predict(vectors).tolist() == expected
        assert [table.predict(space.decode(vector), space.input_shape) for vector in vectors] == expected


def test_a_part_may_cost_more_behind_another_kind_of_layer():
    """Parts of one key differ in what made their inputs: the predictor asks for each of them."""
    space = BackboneSpace(((1, 1),) * 3, (16, 32), ("basic", "shuffle", "shuffle"), (16,), 7, (1, 1, 4, 4))
    times = {}

    def cost(part):
        return times.setdefault(part.joined_key, 1 << len(times))

    vectors = np.concatenate(list(space.vectors()))
    expected = [sum(map(cost, parts(space.decode(vector), space.input_shape))) / 1e6 for vector in vectors]
    assert len({key.partition(" ")[0] for key in times}) < len(times)
    assert predictor(space, cost)(vectors).tolist() == expected
