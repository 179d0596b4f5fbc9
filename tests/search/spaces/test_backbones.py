"""Spaces: exact counts, even draws, membership."""

import random
from collections import Counter
from itertools import combinations_with_replacement, product
from math import comb

import numpy as np
import pytest

from prototxt_gen.architectures import Backbone, Stage, parse_architecture
from prototxt_gen.errors import ArchitectureError
from search.spaces import BackboneSpace

SMALL = BackboneSpace(depths=((1, 2), (2, 3), (1, 1)), widths=(8, 16, 32), stem=(8, 16), classes=10)


def brute_force(space: BackboneSpace) -> set[str]:
    """Every combination of widths, kept when it never decreases."""
    found = set()
    for depths in product(*(range(least, most + 1) for least, most in space.depths)):
        for widths in combinations_with_replacement(space.widths, sum(depths)):
            parts, start = [], 0
            for kind, depth in zip(space.kinds, depths, strict=True):
                parts.append(Stage(kind, widths[start : start + depth]))
                start += depth
            found.add(str(Backbone(tuple(parts), space.stem, space.classes)))
    return found


# Three stages of 1..D blocks each and V widths; 24 486 552 is the size known of the paper's space at V=5, D=12.
@pytest.mark.parametrize(
    ("most", "widths", "count"),
    [
        (12, 5, 24_486_552),
        (1, 5, comb(7, 4)),
        (3, 1, 27),
        (2, 3, sum(comb(sum(d) + 2, 2) for d in product((1, 2), repeat=3))),
    ],
)
def test_count_equals_the_known_size(most, widths, count):
    space = BackboneSpace(depths=((1, most),) * 3, widths=tuple(64 * 2**i for i in range(widths)))
    assert space.count() == len(space) == count


def test_a_space_beyond_10_to_the_12_is_counted_and_drawn_from_at_once():
    space = BackboneSpace(depths=((1, 40),) * 3, widths=tuple(range(16, 144, 16)))
    by_formula = sum(comb(sum(d) + 7, 7) for d in product(range(1, 41), repeat=3))
    assert space.count() == by_formula > 10**12
    drawn = space.sample(random.Random(0))
    assert drawn in space
    assert next(iter(space)) in space
    with pytest.raises(ArchitectureError, match="at most"):
        space.vectors()


def test_every_architecture_is_listed_once_in_every_way_of_listing():
    expected = brute_force(SMALL)
    assert SMALL.count() == len(expected)
    assert sorted(map(str, SMALL)) == sorted(expected)
    arrays = [str(SMALL.decode(vector)) for vectors in SMALL.vectors() for vector in vectors]
    assert sorted(arrays) == sorted(expected)


def test_draws_are_even():
    rng = random.Random(1)
    draws = 200 * SMALL.count()
    counts = Counter(str(SMALL.sample(rng)) for _ in range(draws))
    assert len(counts) == SMALL.count()
    chi_square = sum((n - 200) ** 2 / 200 for n in counts.values())
    freedom = SMALL.count() - 1
    assert abs(chi_square - freedom) < 4 * (2 * freedom) ** 0.5


def test_vectors_are_aligned_at_the_end_of_each_stage():
    architecture = parse_architecture("s8-16_b8_b8x2_b32_c10")
    assert SMALL.encode(architecture).tolist() == [0, 1, 0, 1, 1, 3]
    for architecture in SMALL:
        assert SMALL.decode(SMALL.encode(architecture)) == architecture


@pytest.mark.parametrize(
    "code",
    [
        "s8-16_b8x3_b8x2_b32_c10",  # three blocks where two are the most
        "s8-16_b8_b8_b32_c10",  # one where two are the fewest
        "s8-16_b8_b8x2_b64_c10",  # a width of no choice
        "s8-16_b8_b8x2_b32_c11",  # classes
        "s8-32_b8_b8x2_b32_c10",  # stem
        "s8-16_b8_n8x2_b32_c10",  # kind
        "s8-16_b8_b8x2_c10",  # stages
    ],
)
def test_strangers_are_no_members(code):
    assert parse_architecture(code) not in SMALL
    with pytest.raises(ArchitectureError, match="s8-"):
        SMALL.encode(parse_architecture(code))
    assert "s8-16_b8_b8x2_b32_c10" not in SMALL


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"depths": ()}, "depths"),
        ({"depths": ((0, 2),)}, "depths"),
        ({"depths": ((3, 2),)}, "depths"),
        ({"depths": ((1, 10**9),)}, "depths"),
        ({"widths": ()}, "widths"),
        ({"widths": (16, 8)}, "widths"),
        ({"widths": (0, 8)}, "widths"),
        ({"kinds": ("basic",) * 5}, "kinds"),
        ({"kinds": ("round",)}, "round"),
        ({"input_shape": (8, 3, 32, 32)}, "input_shape"),
        ({"classes": 0}, "classes"),
    ],
)
def test_broken_rules_are_named(arguments, field):
    with pytest.raises(ArchitectureError, match=field):
        BackboneSpace(**{"depths": ((1, 2),), "widths": (8, 16)} | arguments)


def test_listing_a_space_gives_vectors_of_one_length():
    chunks = list(SMALL.vectors())
    assert {chunk.shape[1] for chunk in chunks} == {6}
    assert all(chunk.dtype == np.uint8 for chunk in chunks)
