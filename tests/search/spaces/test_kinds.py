"""Spaces of every kind of block: what a stage may have of its own, and costs that depend on the layer before."""

import random

import numpy as np
import pytest

from prototxt_gen import parts
from prototxt_gen.architectures import BLOCK_KINDS, FAMILIES, Unit, parse_architecture
from prototxt_gen.errors import ArchitectureError
from search.latency import space_parts
from search.latency.predicting import choices, predictor
from search.spaces import BackboneSpace, parse_space
from search.spaces.ponas import PonasLayer, PonasSpace, candidates_of
from search.spaces.tiered import TieredSpace, TieredStage

SHAPE = (1, 3, 64, 64)
PONAS = [
    # All combinations; lists that are none; layers of no choice at the beginning, between and at the end.
    PonasSpace(
        (
            PonasLayer(8, 1, (Unit(3, 1),)),
            PonasLayer(12, 2, candidates_of((1, 2), (3, 5))),
            PonasLayer(12, 1, (Unit(5, 3, 0, True), Unit(3, 2), Unit(3, 0, 30), Unit(5, 0, 30), Unit(3, 2, 0, True))),
            PonasLayer(12, 1, (Unit(3, 2),)),
            PonasLayer(16, 1, (Unit(7, 2), Unit(3, 2))),
            PonasLayer(24, 2, (Unit(3, 2),)),
        ),
        (8,),
        10,
        SHAPE,
        head=32,
    ),
    PonasSpace(
        (PonasLayer(4, 2, candidates_of((2, 4), (3,))), PonasLayer(4, 1, (Unit(3, 2), Unit(5, 1)))),
        (4, 4),
        5,
        (1, 1, 48, 40),
        "gpunet",
        None,
    ),
]
TIERED = [
    # Layers of no choice at the beginning, within a stage that follows an optional layer, and at the end.
    TieredSpace(
        (
            TieredStage(4, (1, 1), 1, ("convolution",), (3,)),
            TieredStage(6, (1, 3), 2, ("inverted",), (3,)),
            TieredStage(8, (1, 2), 1, ("inverted", "fused"), (3, 5)),
            TieredStage(8, (2, 3), 2, ("convolution",), (3,)),
            TieredStage(12, (1, 1), 2, ("convolution",), (5,)),
        ),
        (4,),
        10,
        SHAPE,
        head=16,
        granularity=6,
        expansion=2,
    ),
    # Stages that may be left out whole, after each other and at the beginning; sizes that are odd.
    TieredSpace(
        (
            TieredStage(4, (0, 2), 1, ("fused",), (3,)),
            TieredStage(6, (1, 1), 2, ("convolution",), (1, 3)),
            TieredStage(6, (0, 1), 1, ("inverted",), (3, 5)),
            TieredStage(6, (0, 2), 1, ("fused",), (3,)),
            TieredStage(12, (1, 2), 1, ("inverted",), (3,)),
        ),
        (3, 4),
        5,
        (1, 1, 45, 38),
        "pl1a",
        None,
        10,
        3,
        2,
    ),
    # Stages with inner widths of their own: one list where there is one layer, else two.
    TieredSpace(
        (
            TieredStage(4, (0, 1), 1, ("fused",), (3,), ((6, 8),)),
            TieredStage(6, (1, 3), 2, ("inverted",), (3, 5), ((2, 6), (8,))),
            TieredStage(8, (1, 2), 2, ("inverted", "fused"), (3,)),
        ),
        (4,),
        10,
        SHAPE,
        granularity=2,
        expansion=2,
    ),
]
SPACES = [
    BackboneSpace(((1, 2), (2, 2), (1, 3)), (8, 16, 24), ("shuffle",) * 3, (4, 8), 10, SHAPE, family="pl1a"),
    BackboneSpace(
        ((1, 2), (2, 3)), (16, 32), ("resnet_basic", "resnet_bottleneck"), (16,), 10, SHAPE, "resnet", None, (1, 2)
    ),
    BackboneSpace(
        ((1, 1), (1, 3), (1, 2)),
        (8, 16, 24),
        ("convolution", "inverted", "inverted"),
        (8,),
        10,
        SHAPE,
        "gpunet",
        64,
        (1, 1, 2),
        (Unit(5), Unit(3, 2), Unit(5, 0, 24, True)),
    ),
    *PONAS,
    *TIERED,
    BackboneSpace(
        ((1, 2), (1, 2)), (8, 12), ("fused",) * 2, (8,), 10, SHAPE, "gpunet", None, (2, 1), (Unit(5, 2), Unit(3, 0, 24))
    ),
    BackboneSpace(
        ((1, 2), (1, 2), (1, 2)),
        (8, 16, 32, 64),
        ("basic", "basic", "bottleneck"),
        (4, 8),
        10,
        SHAPE,
        stage_widths=((8, 16), (16, 32), (16, 64)),
    ),
]


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_codes_places_and_members(space):
    assert parse_space(str(space)) == space
    every = list(space)
    assert len(set(every)) == len(every) == space.count()
    assert [space.rank(architecture) for architecture in every] == list(range(len(every)))
    assert {parse_architecture(str(architecture)) for architecture in every} == set(every)


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_costs_may_depend_on_the_layer_before(space):
    times = {}

    def cost(part):
        return times.setdefault(part.joined_key, random.Random(part.joined_key).randrange(10**6))

    vectors = np.concatenate(list(space.vectors()))
    expected = [sum(map(cost, parts(space.decode(vector), space.input_shape))) / 1e6 for vector in vectors]
    assert predictor(space, cost)(vectors).tolist() == expected
    found = {part.key for vector in vectors for part in parts(space.decode(vector), space.input_shape)}
    assert set(space_parts(space)) == found


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_a_network_leads_through_every_choice(space):
    for column, state, value in choices(space):
        vector, here = space.through(column, state, value), 0
        for step, chosen in zip(space.steps[:column], vector, strict=False):
            here = int(step[here, chosen])
        assert (here, vector[column]) == (state, value) and space.holds(vector[None]).all()


def test_every_kind_and_family_is_met():
    assert {kind for space in SPACES for kind in getattr(space, "kinds", ())} == set(BLOCK_KINDS)
    assert {space.family for space in SPACES} == set(FAMILIES)


def test_widths_of_a_stage_are_its_own():
    *_, space = SPACES
    for architecture in space:
        for stage, widths in zip(architecture.stages, space.stage_widths, strict=True):
            assert set(stage.widths) <= set(widths)
    assert parse_architecture("s4-8_b16_b16_n64_c10") in space
    assert parse_architecture("s4-8_b32_b32_n64_c10") not in space
    assert BackboneSpace(((1, 1),), (8, 16), stage_widths=((8, 16),)) == BackboneSpace(((1, 1),), (8, 16))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"family": "round"}, "family is 'round'"),
        ({"stage_widths": ((8,), (4,))}, "stage_widths: found .4,., expected some of"),
        ({"stage_widths": ((16,), (8,))}, "stage_widths: found .8,., expected a width of at least 16"),
        ({"strides": (2, 3)}, "stride has 3"),
        ({"strides": (2,)}, "strides: found .2,., expected one for each of 2 stages"),
        ({"kinds": ("inverted", "basic")}, "expansion 0 and inner 0"),
        ({"units": (Unit(5), None)}, "units for 2 blocks"),
        ({"kinds": ("shuffle", "basic"), "widths": (8, 15)}, "even widths"),
        ({"head": 0}, "head has 0"),
    ],
)
def test_broken_rules_are_named(arguments, said):
    with pytest.raises(ArchitectureError, match=said):
        BackboneSpace(**{"depths": ((1, 2), (1, 1)), "widths": (8, 16)} | arguments)
