"""The space of PONAS: the paper's networks in it, choices and vectors, what it refuses, searches in it."""

import random
from itertools import product

import numpy as np
import pytest

from caffe_zoo.cards import CARDS
from prototxt_gen import summarize
from prototxt_gen.architectures import Unit, parse_architecture
from prototxt_gen.errors import ArchitectureError
from prototxt_gen.generator.networks import generate
from search.latency import Entry, LatencyTable, space_parts
from search.spaces import PonasLayer, PonasSpace, parse_space
from search.strategies.partial_order import PartialOrderPruning
from search.strategies.registry import CHOOSERS
from tests.search.spaces.test_kinds import PONAS

PAPER = PonasSpace()
FIRST, SECOND = PONAS


def brute_force(space):
    """Every network, from the definition: a candidate for each layer, spelled as an architecture's code."""
    found = set()
    for units in product(*(layer.candidates for layer in space.layers)):
        code, width = f"m{space.stem[0]}" if space.family == "ponas" else "g4x2", 0
        for layer, unit in zip(space.layers, units, strict=True):
            if layer.stride == 2 or layer.width != width:
                code += f"_i{'1.' if layer.stride == 1 else ''}{layer.width}{unit}"
            else:
                code += f"-{unit}"
            width = layer.width
        code += f"{'' if space.head is None else f'_h{space.head}'}_c{space.classes}"
        found.add(parse_architecture(code))
    return found


@pytest.mark.parametrize("space", PONAS, ids=str)
def test_members_are_all_combinations_of_candidates(space):
    assert set(space) == brute_force(space)


@pytest.mark.parametrize(
    ("name", "parameters", "multiply_adds"), [("a", 5.104, 328.9), ("b", 5.083, 351.2), ("c", 5.588, 379.3)]
)
def test_the_paper_s_networks_are_in_its_space(name, parameters, multiply_adds):
    architecture = CARDS[f"ponas_{name}"].architecture
    assert architecture in PAPER and PAPER.at(PAPER.rank(architecture)) == architecture
    net = generate(PAPER.of_choices(PAPER.choices_of(architecture)), input_shape=PAPER.input_shape)
    rows = summarize(net).layers
    # Without batch norm's stored statistics, as published.
    assert round(sum(row.parameters for row in rows if row.type != "BatchNorm") / 1e6, 3) == parameters
    assert round(sum(row.multiply_adds for row in rows) / 1e6, 1) == multiply_adds


def test_the_paper_s_space():
    assert PAPER.count() == 12**19
    with pytest.raises(OverflowError):
        len(PAPER)
    assert PAPER.rows == tuple(range(1, 20)) and PAPER.length == 57
    rng = random.Random(0)
    for architecture in (PAPER.sample(rng) for _ in range(20)):
        assert PAPER.rank(parse_architecture(str(architecture))) == PAPER.rank(architecture)


@pytest.mark.parametrize("space", [*PONAS, PAPER, parse_space("ponas-small")], ids=str)
def test_choices_architectures_and_vectors_are_the_same_networks(space):
    rng = np.random.default_rng(0)
    most = [len(space.layers[layer].candidates) for layer in space.rows]
    choices = rng.integers(0, most, (50, len(most)))
    vectors = space.vectors_of(choices)
    assert space.holds(vectors).all() and len(np.unique(vectors, axis=0)) == len(np.unique(choices, axis=0))
    for chosen, vector in zip(choices.tolist(), vectors, strict=True):
        architecture = space.of_choices(chosen)
        assert space.choices_of(architecture) == space.choices_at(vector) == tuple(chosen)
        assert space.decode(vector) == architecture and (space.encode(architecture) == vector).all()


def test_coordinates_are_inner_width_kernel_and_squeeze():
    # On 12 channels: inner widths 24, 30 and 36; the third layer alone has one that no expansion makes.
    values = [str(unit) for unit in FIRST.layers[2].candidates]
    assert values == ["k5e3q", "e2", "h30", "k5h30", "e2q"]
    numbers = np.array([[0, number, 0] for number in range(5)])
    assert FIRST.vectors_of(numbers)[:, 3:6].tolist() == [[2, 1, 1], [0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 0, 1]]
    assert FIRST.heights[3].tolist() == pytest.approx([0, np.log(30 / 24) / np.log(36 / 24), 1])
    assert [(column.layer, column.feature) for column in FIRST.columns[-1:]] == [(4, "kernel")]


def test_a_member():
    """Those below differ from it in one thing each."""
    assert parse_architecture("m8_i1.8e1_i12e1-k5e3q-e2_i1.16e2_i24e2_h32_c10") in FIRST


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("m8_i1.8e1_i12e4-k5e3q-e2_i1.16e2_i24e2_h32_c10", "layer 2 is e4, this space has e1, e1q, k5e1"),
        ("m8_i1.8e1_i12e1-k5e3q-e3_i1.16e2_i24e2_h32_c10", "layer 4 is e3, this space has e2"),
        # The same block, spelled otherwise: its code is not that of the space's network.
        ("m8_i1.8e1_i12e1-k5h36q-e2_i1.16e2_i24e2_h32_c10", "layer 3 is k5h36q"),
        ("m8_i1.8e1_i12e1-k5e3q_i1.12e2_i1.16e2_i24e2_h32_c10", "this space has networks such as m8_i1.8e1_i12e1-"),
        ("m8_i1.8e1_i12e1-k5e3q-e2_i1.16e2_i24e2_h32_c11", "this space has networks such as"),
        ("m8_i1.8e1_i12e1-k5e3q-e2_i1.16e2_i24e2_c10", "this space has networks such as"),
        ("g8_i1.8e1_i12e1-k5e3q-e2_i1.16e2_i24e2_h32_c10", "this space has networks such as"),
        ("m8_i1.8e1_i12e1-k5e3q-e2_i16e2_i24e2_h32_c10", "this space has networks such as"),
        ("s8_b8_c10", "this space has networks such as"),
    ],
)
def test_strangers_are_no_members(code, said):
    architecture = parse_architecture(code)
    assert architecture not in FIRST
    with pytest.raises(ArchitectureError, match=said):
        FIRST.encode(architecture)


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ([0, 0], "choices: found 2, expected 3"),
        ([0, 5, 0], "choices: row 1: found 5, expected 0 to 4"),
        ([0, -1, 0], "choices: row 1: found -1, expected 0 to 4"),
    ],
)
def test_choices_that_a_space_does_not_leave(choices, said):
    with pytest.raises(ArchitectureError, match=said):
        FIRST.of_choices(choices)
    with pytest.raises(ArchitectureError, match="choices: found"):
        FIRST.vectors_of(np.array([choices]))


LAYER = PonasLayer(8, 1, (Unit(3, 2), Unit(5, 2)))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"layers": ()}, "layers: found 0, expected 1 to 1000"),
        ({"layers": (PonasLayer(8, 1, (Unit(3, 2),)),)}, "no layer has two candidates, expected a choice"),
        ({"layers": (LAYER, PonasLayer(8, 1, ()))}, "layer 2: found 0 candidates, expected 1 to 255"),
        ({"layers": (LAYER, PonasLayer(8, 1, (Unit(3, 1),) * 256))}, "layer 2: found 256 candidates"),
        ({"layers": (LAYER, PonasLayer(8, 1, (Unit(3, 2), Unit(3, 0, 16))))}, "layer 2: e2 and h16 are the same on 8"),
        ({"layers": (LAYER, PonasLayer(8, 1, (Unit(3, 2),) * 2))}, "layer 2: e2 and e2 are the same on 8 channels"),
        ({"layers": (LAYER, PonasLayer(8, 1, (Unit(3), Unit(5, 2))))}, "layer 2: .* expansion 0 and inner 0"),
        ({"layers": (LAYER, PonasLayer(8, 1, (Unit(4, 1), Unit(5, 2))))}, "layer 2: .* kernel has 4, expected an odd"),
        ({"layers": (LAYER, LAYER._replace(width=4))}, "layer 2: width 4, expected at least 8, the one before"),
        ({"layers": (LAYER, LAYER._replace(stride=3))}, "layer 2: stage: stride has 3"),
        ({"layers": (LAYER._replace(stride=0), LAYER._replace(width=0))}, "layer 1: .*; layer 2: .*widths has 0"),
        ({"layers": (LAYER, (8, 1, ()))}, r"layer 2: found \(8, 1, \(\)\), expected a PonasLayer"),
        ({"layers": (LAYER,) * 60}, "the code has .* characters, expected at most 200"),
        ({"layers": (LAYER, PonasLayer(8, 1, (Unit(3, 2), Unit(3, 2000))))}, "inner channels"),
        ({"input_shape": (2, 3, 32, 32)}, "input_shape: found"),
        ({"classes": 0}, "classes has 0"),
        ({"family": "round"}, "family is 'round'"),
        ({"head": 0}, "head has 0"),
        ({"stem": ()}, "stem has none"),
    ],
)
def test_broken_rules_are_named(arguments, said):
    with pytest.raises(ArchitectureError, match=said):
        PonasSpace(**{"layers": (LAYER,), "stem": (8,), "classes": 10, "head": None} | arguments)


def test_the_longest_code_decides_whether_a_space_is_one():
    """At 200 characters all networks can be made; a longer candidate anywhere would be one too many."""
    layers = [PonasLayer(8, 1, (Unit(3, 2), Unit(5, 2)))] * 40
    space = PonasSpace(tuple(layers), (8,), 10, (1, 3, 32, 32), head=None)
    longest = max(len(str(space.sample(random.Random(seed)))) for seed in range(200))
    turns = space.of_choices([number % 2 for number in range(40)])
    assert longest <= len(str(turns)) <= len(str(space._backbone(space._longest()))) <= 200
    for times in (2, 25):
        with pytest.raises(ArchitectureError, match="characters, expected at most 200"):
            PonasSpace(tuple(layers * times), (8,), 10, (1, 3, 32, 32), head=None)


@pytest.mark.parametrize("seed", range(20))
def test_the_longest_code_is_found(seed):
    rng = random.Random(seed)
    units = [Unit(3, 2), Unit(5, 2), Unit(3, 12), Unit(3, 2, 0, True)]
    lists = [tuple(rng.sample(units, rng.randint(1, 3))) for _ in range(6)]
    made = [PonasLayer(8, rng.choice((1, 1, 2)), candidates) for candidates in [units[:2], *lists]]
    space = PonasSpace(tuple(made), (8,), 10, (1, 3, 64, 64), head=None)
    assert len(str(space._backbone(space._longest()))) == max(len(str(one)) for one in space)


def test_lists_and_numbers_of_numpy_are_taken_as_they_are_meant():
    layers = [PonasLayer(np.int64(8), 1, [Unit(np.int64(3), 2), Unit(5, 2)])]
    space = PonasSpace(layers, [8], 10, (1, 3, 32, 32), head=None)
    assert space == PonasSpace((LAYER,), (8,), 10, (1, 3, 32, 32), head=None)
    assert hash(space) and parse_space(str(space)) == space


@pytest.mark.parametrize("strategy", sorted(CHOOSERS.keys() - {"ponas", "listed"}))
def test_every_strategy_that_needs_no_table_of_accuracies_searches_it(strategy):
    table = LatencyTable({}, {key: Entry(1.0 + i / 64, (0.0, 0.0), 1) for i, key in enumerate(space_parts(FIRST))})
    search = PartialOrderPruning(FIRST, table, strategy=strategy, limits={"parameters": 9000})
    asked = []
    for number in range(8):
        asked.append(search.ask())
        search.tell(asked[-1], 0.5 + number / 100)
    assert all(one in FIRST for one in asked) and len(set(asked)) == 8
    assert all(summarize(generate(one, input_shape=FIRST.input_shape)).parameters <= 9000 for one in asked)


def test_the_paper_s_space_is_searched_without_listing_it():
    table = LatencyTable({}, {key: Entry(1.0 + i / 64, (0.0, 0.0), 1) for i, key in enumerate(space_parts(PAPER))})
    drawn = [PAPER.sample(random.Random(seed)) for seed in range(5)]
    vectors = np.array([PAPER.encode(architecture) for architecture in drawn])
    assert table.predictor(PAPER)(vectors).tolist() == [table.predict(one, PAPER.input_shape) for one in drawn]
    search = PartialOrderPruning(PAPER, table)
    for number in range(3):
        one = search.ask()
        assert one in PAPER
        search.tell(one, 0.5 + number / 100)
