"""Networks through a part: each is of the space, and has the part."""

import random

import pytest

from prototxt_gen import parts
from prototxt_gen.errors import ArchitectureError
from search.latency import space_parts
from search.latency.courses import course_of
from search.spaces import BackboneSpace
from tests.search.spaces.test_kinds import PONAS

SPACES = [
    BackboneSpace(((1, 2), (1, 3)), (8, 16, 32), ("basic", "bottleneck"), (4, 8), 10, (1, 3, 64, 48)),
    BackboneSpace(((2, 3), (1, 1)), (8, 16), ("basic", "shuffle"), (4,), 7, (1, 1, 33, 57)),
    BackboneSpace(((1, 1),), (8,), stem=(4,), classes=7, input_shape=(1, 3, 16, 16)),
    PONAS[0],
]


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_networks_of_a_space(space):
    course, rng = course_of(space), random.Random(0)
    assert course.parts == space_parts(space)
    every = {tuple(part.key for part in parts(network, space.input_shape)) for network in space}
    for key in course.parts:
        drawn = [tuple(part.key for part in course.through(key, rng)) for _ in range(12)]
        assert all(key in network and network in every for network in drawn)


def test_a_part_is_met_in_different_networks():
    space = SPACES[0]
    course, rng = course_of(space), random.Random(0)
    for key in course.parts:
        every = {
            keys
            for keys in (tuple(part.key for part in parts(network, space.input_shape)) for network in space)
            if key in keys
        }
        drawn = {tuple(part.key for part in course.through(key, rng)) for _ in range(60)}
        assert len(drawn) >= min(len(every), 5)


def test_networks_of_a_list():
    decoder = "s8-16_b16_b32_b64_p16-64_d16-8_u8_c5"
    course, rng = course_of(["s8-16_b16_b32_b64_c10", decoder], (1, 3, 64, 64)), random.Random(0)
    first, second = (parts(network, (1, 3, 64, 64)) for network in ("s8-16_b16_b32_b64_c10", decoder))
    assert list(course.parts) == list(dict.fromkeys(part.key for part in first + second))
    head, pyramid, block = first[-1].key, second[4].key, first[1].key
    assert course.through(head, rng) == first and course.through(pyramid, rng) == second
    assert {len(course.through(block, rng)) for _ in range(50)} == {len(first), len(second)}


def test_what_has_no_course():
    with pytest.raises(ArchitectureError, match="networks: found none"):
        course_of([])
    with pytest.raises(ArchitectureError, match=r"input_shape: found \(1, 3, 32, 32\), expected \(1, 3, 64, 48\)"):
        course_of(SPACES[0], (1, 3, 32, 32))
