"""The space of decoders, alone and with backbones: every member once, places, codes, parts and costs of networks."""

import random
from itertools import product

import numpy as np
import pytest

from prototxt_gen import parts
from prototxt_gen.architectures import Decoder, Pyramid, parse_architecture, parse_backbone
from prototxt_gen.errors import ArchitectureError
from prototxt_gen.generator.networks import generate
from prototxt_gen.summary import summarize
from search.costs import cost_graph
from search.latency import LatencyTable, space_parts
from search.latency.courses import course_of
from search.latency.measuring import Entry
from search.latency.predicting import predictor
from search.spaces import BackboneSpace, DecoderSpace, parse_space
from search.strategies.partial_order import PartialOrderPruning

BACKBONE = parse_backbone("s8-16_b16_b32x2_b64_c10")
TRUNK = BackboneSpace(((1, 2), (1, 1), (1, 2)), (8, 16, 32), ("basic", "bottleneck", "shuffle"), stem=(4, 8))
PYRAMID = Pyramid(4, 16)
GIVEN = DecoderSpace(BACKBONE, ((8, 16, 32), (4, 8), (2, 4, 6)), 5, PYRAMID, input_shape=(1, 3, 72, 96))
JOINT = DecoderSpace(TRUNK, ((8, 16), (4, 8, 12), (2, 4)), 5, PYRAMID, True, 4, (1, 3, 64, 64))
# Two maps are enough; stages of stride 1 share a map with the one before.
SHORT = DecoderSpace(
    BackboneSpace(
        ((1, 1), (1, 2), (1, 1)), (8, 16), ("resnet_bottleneck", "resnet_basic", "basic"), (8,), strides=(1, 2, 1)
    ),
    ((8, 16), (4, 8)),
    5,
    PYRAMID,
    upsampling=1,
    input_shape=(1, 3, 40, 48),
)
SPACES = [GIVEN, JOINT, SHORT]


def brute_force(space: DecoderSpace) -> set[str]:
    """Every combination of a backbone and of channels, from the definition."""
    trunks = [space.backbone] if isinstance(space, DecoderSpace) and space is GIVEN else list(space.backbone)
    fixed = space.classes, space.pyramid, space.separable, space.upsampling
    return {str(Decoder(trunk, chosen, *fixed)) for trunk in trunks for chosen in product(*space.channels)}


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_every_network_has_one_place(space):
    every = [str(architecture) for architecture in space]
    assert len(every) == space.count() and set(every) == brute_force(space)
    for place in range(0, space.count(), 7):
        assert space.rank(space.at(place)) == place and str(space.at(place)) == every[place]
    vectors = np.concatenate(list(space.vectors()))
    assert space.holds(vectors).all()
    assert sorted(map(tuple, vectors)) == list(map(tuple, vectors))
    assert [len(heights) for heights in space.heights] == [step.shape[1] for step in space.steps]


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_codes(space):
    assert parse_space(str(space)) == space


def test_a_backbone_that_reads_like_a_space_keeps_its_code():
    space = DecoderSpace(parse_backbone("r64_w64-128_w256_c10"), ((8, 16), (4,)), 5, PYRAMID)
    assert "_w256x1_" in str(space) and parse_space(str(space)) == space


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_parts_are_those_of_its_networks(space):
    found = {part.key for architecture in space for part in parts(architecture, space.input_shape)}
    assert set(space_parts(space)) == found


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_predictions_equal_sums_of_parts(space):
    times = {}

    def cost(part):
        return times.setdefault(part.joined_key, random.Random(part.joined_key).randrange(10**6))

    vectors = np.concatenate(list(space.vectors()))[:: max(1, space.count() // 200)]
    expected = [sum(map(cost, parts(space.decode(vector), space.input_shape))) / 1e6 for vector in vectors]
    assert predictor(space, cost)(vectors).tolist() == expected


@pytest.mark.parametrize("name", ["multiply-adds", "parameters"])
def test_costs_are_those_of_the_networks(name):
    vectors = np.concatenate(list(JOINT.vectors()))[::40]
    attribute = {"multiply-adds": "multiply_adds", "parameters": "parameters"}[name]
    nets = [generate(JOINT.decode(vector), input_shape=JOINT.input_shape) for vector in vectors]
    assert cost_graph(JOINT, name).costs(vectors).tolist() == [getattr(summarize(net), attribute) for net in nets]


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_courses_lead_through_all_parts(space):
    course, rng = course_of(space), random.Random(0)
    for key in course.parts:
        assert key in {part.key for part in course.through(key, rng)}


def test_a_table_predicts_networks_of_the_space():
    table = LatencyTable({}, {key: Entry(1.0 + i / 64, (0.0, 0.0), 1) for i, key in enumerate(space_parts(JOINT))})
    drawn = [JOINT.sample(random.Random(seed)) for seed in range(20)]
    vectors = np.array([JOINT.encode(architecture) for architecture in drawn])
    assert table.predictor(JOINT)(vectors).tolist() == [
        table.predict(architecture, JOINT.input_shape) for architecture in drawn
    ]


def test_a_search_chooses_among_networks_of_the_space():
    table = LatencyTable({}, {key: Entry(1.0 + i / 64, (0.0, 0.0), 1) for i, key in enumerate(space_parts(JOINT))})
    search = PartialOrderPruning(JOINT, table)
    asked = [search.ask()]
    search.tell(asked[0], 0.5)
    asked.append(search.ask())
    assert all(one in JOINT for one in asked) and asked[0] != asked[1]
    assert [one.architecture for one in search.trained()] == asked[:1]


def test_channels_do_not_bound_each_other():
    chosen = {architecture.channels for architecture in GIVEN}
    assert (8, 8, 6) in chosen and (32, 4, 2) in chosen and len(chosen) == 18


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("s8-16_b16_b32x2_b64_p4-16_d8-4-3_u8_c5", "has 3 channels"),
        ("s8-16_b16_b32x2_b64_p4-16_d8-4-2_u8_c6", "has classes 6"),
        ("s8-16_b16_b32x2_b64_p4-16_d8-4-2_u4_c5", "has upsampling 4"),
        ("s8-16_b16_b32x2_b64_p4-16_e8-4-2_u8_c5", "has separable True"),
        ("s8-16_b16_b32x2_b64_p8-16_d8-4-2_u8_c5", "has pyramid p8-16"),
        ("s8-16_b16_b32x2_b64_p4-16_d8-4_u8_c5", "has other maps"),
        ("s8-16_b16_b32_b64_p4-16_d8-4-2_u8_c5", "has another backbone"),
        ("s8-16_b16_b32x2_b64_c10", "expected a Decoder"),
    ],
)
def test_strangers_are_no_members(code, said):
    with pytest.raises(ArchitectureError, match=said):
        GIVEN.encode(parse_architecture(code))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"channels": ((8, 8), (4,), (2,))}, "channels: found .8, 8."),
        ({"channels": ((), (4,), (2,))}, "channels: found .., expected 1 to 256"),
        ({"channels": ((8,), (4,), (2,), (2,))}, "4 channels, expected at most 3"),
        ({"backbone": "s8"}, "backbone: found 's8'"),
        ({"upsampling": 16}, "upsampling has 16, expected at most 8"),
        ({"input_shape": (2, 3, 64, 64)}, "input_shape"),
    ],
)
def test_broken_rules_are_named(arguments, said):
    with pytest.raises(ArchitectureError, match=said):
        DecoderSpace(**{"backbone": BACKBONE, "channels": ((8,), (4,), (2,))} | arguments)
