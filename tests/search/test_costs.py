"""Costs of many architectures at once: those of each network alone, as it is generated and summed up."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace

import numpy as np
import pytest

from caffe_zoo.cards import CARDS
from prototxt_gen import generate, parts, summarize
from prototxt_gen.architectures import Pyramid, parse_backbone
from prototxt_gen.errors import ArchitectureError, UnsupportedError
from search.costs import COSTS, checked_limits, cost_graph, in_words
from search.latency import Entry, LatencyTable, space_parts
from search.spaces import BackboneSpace, DecoderSpace
from search.strategies.drawing import Drawing
from search.strategies.space_candidates import SpaceCandidates
from tests.search.spaces.test_kinds import PONAS, TIERED

SPACES = [
    BackboneSpace(((1, 2), (1, 3)), (8, 16, 256), ("basic", "basic"), (4, 8), 10, (1, 3, 64, 48)),
    BackboneSpace(((1, 3), (2, 3)), (8, 16, 300), ("basic", "bottleneck"), (4,), 7, (1, 1, 33, 57)),
    BackboneSpace(((1, 2), (1, 2)), (8, 240), ("shuffle", "bottleneck"), (8,), 5, (1, 3, 40, 40)),
    BackboneSpace(((2, 3), (1, 1), (1, 2)), (4, 8, 400), ("convolution", "shuffle", "basic"), (4,), 2, (1, 1, 31, 65)),
    BackboneSpace(((1, 2), (1, 2)), (8, 128), ("resnet_basic", "resnet_bottleneck"), (4, 8), 3, (1, 3, 32, 32)),
    PONAS[0],
    TIERED[1],
]
SUMMARIES = {
    "multiply-adds": lambda architecture, shape: summarize(generate(architecture, input_shape=shape)).multiply_adds,
    "parameters": lambda architecture, shape: summarize(generate(architecture, input_shape=shape)).parameters,
    "memory": lambda architecture, shape: summarize(generate(architecture, input_shape=shape, merged=True)).peak_memory,
}


@pytest.mark.parametrize("name", COSTS)
@pytest.mark.parametrize("space", SPACES, ids=str)
def test_costs_of_vectors_are_those_of_the_networks(space, name):
    graph = cost_graph(space, name)
    vectors = np.concatenate(list(space.vectors()))
    costs = graph.costs(vectors)
    chosen = random.Random(0).sample(range(len(vectors)), min(40, len(vectors)))
    for row in chosen:
        architecture = space.decode(vectors[row])
        assert costs[row] == SUMMARIES[name](architecture, space.input_shape), architecture
        assert costs[row] == COSTS[name].of(architecture, space.input_shape)
    for (cost, vector), extreme in ((graph.cheapest(), costs.min()), (graph.dearest(), costs.max())):
        assert cost == extreme == SUMMARIES[name](space.decode(vector), space.input_shape)


def test_costs_tell_networks_apart():
    """A test in which all networks cost the same would show nothing."""
    for space in SPACES:
        for name in COSTS:
            graph = cost_graph(space, name)
            assert graph.cheapest()[0] < graph.dearest()[0]


@pytest.mark.parametrize("merged", [True, False])
@pytest.mark.parametrize("name", [name for name, card in CARDS.items() if card.kind == "classification"])
def test_the_parts_of_a_backbone_make_its_costs(name, merged):
    architecture, shape = CARDS[name].architecture, (1, 3, 97, 65)
    whole = summarize(generate(architecture, input_shape=shape, merged=merged))
    found = [summarize(part.net) for part in parts(architecture, shape, merged)]
    assert sum(part.multiply_adds for part in found) == whole.multiply_adds
    assert sum(part.parameters for part in found) == whole.parameters
    assert max(part.peak_memory for part in found) == whole.peak_memory


def test_a_decoders_parts_do_not_make_its_memory():
    """Maps that the decoder takes up again wait beside other parts, so this is for backbones alone."""
    deep, shape = "s4_b4_b64_b512x2_p4-64_d64x2_c2", (1, 3, 128, 256)
    found = [summarize(part.net).peak_memory for part in parts(deep, shape)]
    assert max(found) < summarize(generate(deep, input_shape=shape, merged=True)).peak_memory


DECODERS = [
    DecoderSpace(parse_backbone(trunk), channels, classes, pyramid, separable, upsampling, (1, 3, *size))
    for trunk, channels, classes, pyramid, separable, upsampling, size in (
        ("s4-8_b8_b16_b16_c2", ((8, 160, 300), (8, 640), (4, 8, 90)), 3, Pyramid(4, 8), False, 2, (64, 96)),
        ("s4_b4_b64_b512x2_c2", ((64, 500), (8, 300), (8, 200, 900)), 2, Pyramid(4, 64), True, 1, (90, 130)),
        ("t4-8_u8x2_u16_u16_c2", ((8, 40), (300,), (8, 200, 700)), 2, Pyramid(4, 8), True, 2, (64, 128)),
    )
]


@pytest.mark.parametrize("space", DECODERS, ids=str)
def test_the_memory_of_decoders_is_that_of_the_networks(space):
    vectors = np.concatenate(list(space.vectors()))
    true = [SUMMARIES["memory"](space.decode(vector), space.input_shape) for vector in vectors]
    assert len(set(true)) > 2
    graph = cost_graph(space, "memory")
    assert graph.costs(vectors).tolist() == true
    assert (graph.cheapest()[0], graph.dearest()[0], graph.count()) == (min(true), max(true), len(true))


@pytest.mark.parametrize("space", DECODERS, ids=str)
def test_decoders_are_limited_by_their_memory(space):
    entries = {key: Entry(1 + len(key) / 100, (0, 0), 1, part.label) for key, part in space_parts(space).items()}
    table = LatencyTable({"engine": "made up"}, entries)
    vectors = np.concatenate(list(space.vectors()))
    memory = cost_graph(space, "memory").costs(vectors)
    limit = int(np.sort(memory)[len(memory) // 2])
    fits = vectors[memory <= limit]
    limits = {"memory": limit, "parameters": (0, math.inf)}
    candidates = SpaceCandidates(space, table, limits=limits)
    assert np.array_equal(candidates.listed(), fits) and candidates.count() == len(fits)
    # As of a space that is too large to list: drawn, and counted within the error that is told.
    drawing = Drawing(list(candidates.bounds.values()))
    drawn = drawing.sample(random.Random(0), 200)
    assert {tuple(row) for row in drawn.tolist()} == {tuple(row) for row in fits.tolist()}
    counted = drawing.counted()
    assert abs(counted.number - len(fits)) <= 5 * counted.error + 0.5


def test_the_memory_of_decoders_on_backbones_to_choose_and_of_too_many_is_refused():
    trunk = BackboneSpace(((1, 2), (1, 1), (1, 1)), (8, 16), stem=(4, 8), classes=2)
    space = DecoderSpace(trunk, ((8,), (8, 16), (8,)), 2, pyramid=Pyramid(4, 8), input_shape=(1, 3, 64, 64))
    with pytest.raises(UnsupportedError, match=r"memory of space .*: its decoders keep maps of backbones"):
        checked_limits({"memory": 1e9}, space)
    many = replace(DECODERS[0], channels=(tuple(range(8, 208)),) * 3)
    with pytest.raises(UnsupportedError, match="found 8,000,000 decoders, expected at most 2,000,000"):
        checked_limits({"memory": 1e9}, many)


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_merging_batch_norm_adds_nothing(space):
    """So a limit that holds for the network that a search hands out holds for what a device runs, too."""
    for architecture in random.Random(1).sample(list(space), 10):
        merged, apart = (
            summarize(generate(architecture, input_shape=space.input_shape, merged=merged)) for merged in (True, False)
        )
        assert merged.multiply_adds == apart.multiply_adds
        assert merged.parameters <= apart.parameters and merged.peak_memory <= apart.peak_memory


def test_limits_are_a_most_or_a_range():
    space = SPACES[0]
    least, most = cost_graph(space, "memory").cheapest()[0], cost_graph(space, "parameters").dearest()[0]
    assert checked_limits(None, space) == {}
    assert checked_limits({"memory": least, "parameters": [most, math.inf]}, space) == {
        "parameters": (most, math.inf),
        "memory": (0, least),
    }
    # Written to JSON as they are, and the same however they are given.
    given = checked_limits({"parameters": 5e8, "memory": np.int64(10**9), "multiply-adds": (0.5, 1e12)}, space)
    assert (
        json.dumps(given)
        == '{"multiply-adds": [0.5, 1000000000000], "parameters": [0, 500000000], "memory": [0, 1000000000]}'
    )


@pytest.mark.parametrize(
    ("limits", "named"),
    [
        ({"latency": 2.0}, "found 'latency', expected one of multiply-adds, parameters, memory"),
        ({"memory": (3, 2)}, r"memory: found \(3, 2\), expected the most, or \(least, most\)"),
        ({"memory": (1, 2, 3)}, r"memory: found \(1, 2, 3\)"),
        ({"memory": -1}, "memory: found -1"),
        ({"memory": "20MB"}, "memory: found '20MB'"),
        ({"memory": ("1", "2")}, r"memory: found \('1', '2'\)"),
        ({"memory": math.nan}, "memory: found nan"),
        ({"parameters": (math.inf, math.inf)}, "parameters: found"),
        ({"flops": 1, "memory": -1}, "'flops'.*; memory: "),
    ],
)
def test_limits_that_are_none(limits, named):
    with pytest.raises(ArchitectureError, match=named):
        checked_limits(limits, SPACES[0])


def test_limits_that_nothing_meets_are_all_named_with_what_the_space_has():
    space = SPACES[0]
    (memory, vector), (parameters, _) = (
        cost_graph(space, "memory").cheapest(),
        cost_graph(space, "parameters").dearest(),
    )
    with pytest.raises(ArchitectureError) as error:
        checked_limits({"memory": memory - 1, "parameters": (parameters + 1, math.inf)}, space)
    assert str(error.value).startswith(
        f"limits: parameters: found at least {parameters + 1:,}, but the most of the space is {parameters:,}, of "
    )
    assert str(error.value).endswith(
        f"; memory: found at most {memory - 1:,} bytes, but the least of the space is {memory:,} bytes, "
        f"of {space.decode(vector)}"
    )


@pytest.mark.parametrize(
    ("name", "least", "most", "words"),
    [
        ("multiply-adds", 0, 500_000_000, "at most 500,000,000"),
        ("memory", 1024, math.inf, "at least 1,024 bytes"),
        ("latency", 2.5, 7.0, "2.5 to 7 ms"),
        ("parameters", 5, 5, "5"),
    ],
)
def test_ranges_in_words(name, least, most, words):
    assert in_words(name, least, most) == words
