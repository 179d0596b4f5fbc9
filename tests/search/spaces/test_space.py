"""Places in a space: there and back, in order, in ranges, at sizes of any kind; which vectors a space holds."""

import random
from itertools import combinations_with_replacement, pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prototxt_gen.errors import ArchitectureError
from search.spaces import BackboneSpace

SMALL = BackboneSpace(depths=((1, 2), (2, 3), (1, 1)), widths=(8, 16, 32), stem=(8, 16), classes=10)
HUGE = BackboneSpace(depths=((1, 40),) * 3, widths=tuple(range(16, 208, 16)))


def brute_force(space: BackboneSpace) -> list[tuple[int, ...]]:
    """Every vector of a space in the order of words, from its definition."""
    found = []
    for depths in product(*(range(least, most + 1) for least, most in space.depths)):
        for indices in combinations_with_replacement(range(1, len(space.widths) + 1), sum(depths)):
            rest, vector = list(indices), []
            for depth, (_, most) in zip(depths, space.depths, strict=True):
                vector += [0] * (most - depth) + rest[:depth]
                del rest[:depth]
            found.append(tuple(vector))
    return sorted(found)


@st.composite
def spaces(draw):
    depths = draw(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 3)), min_size=1, max_size=3))
    widths = draw(st.lists(st.integers(1, 64), min_size=1, max_size=4, unique=True))
    return BackboneSpace(tuple((least, least + more) for least, more in depths), tuple(sorted(widths)))


@given(space=spaces(), rows=st.integers(1, 500))
@settings(max_examples=60, deadline=None)
def test_places_follow_the_order_of_words(space, rows):
    expected = brute_force(space)
    assert space.count() == len(expected)
    assert [tuple(vector) for vectors in space.vectors(rows=rows) for vector in vectors] == expected
    for place in {0, len(expected) // 2, len(expected) - 1}:
        assert tuple(space.vector_at(place)) == expected[place]
        assert space.rank_of(space.vector_at(place)) == space.rank(space.at(place)) == place


def test_every_place_leads_to_an_architecture_and_back():
    assert [SMALL.rank(architecture) for architecture in SMALL] == list(range(SMALL.count()))
    assert [SMALL.at(place) for place in range(SMALL.count())] == list(SMALL)


@given(data=st.data())
def test_any_range_of_places_is_that_part_of_the_whole(data):
    start = data.draw(st.integers(0, SMALL.count()))
    stop = data.draw(st.integers(start, SMALL.count()))
    assert list(SMALL.between(start, stop)) == list(SMALL)[start:stop]


@given(st.integers(0, HUGE.count() - 1))
def test_places_beyond_10_to_the_18_are_exact(place):
    assert HUGE.count() > 10**18
    vector = HUGE.vector_at(place)
    assert HUGE.rank_of(vector) == HUGE.rank(HUGE.decode(vector)) == place


@pytest.mark.parametrize("start", [0, 10**18, HUGE.count() - 300])
def test_ranges_beyond_10_to_the_18(start):
    found = np.concatenate(list(HUGE.vectors(start, start + 300, rows=70)))
    assert [HUGE.rank_of(vector) for vector in found] == list(range(start, start + 300))
    assert all(tuple(one) < tuple(other) for one, other in pairwise(found))
    assert next(HUGE.between(start, start + 300)) == HUGE.at(start)


@pytest.mark.parametrize(("start", "stop"), [(-1, 2), (3, 2), (0, SMALL.count() + 1)])
def test_ranges_outside(start, stop):
    with pytest.raises(IndexError, match=f"of a space of {SMALL.count()}"):
        SMALL.vectors(start, stop)


def test_places_outside():
    for place in (-1, SMALL.count()):
        with pytest.raises(IndexError):
            SMALL.at(place)


def test_a_space_holds_its_vectors_and_no_others():
    every = np.array(list(product(range(5), repeat=SMALL.length)), dtype=np.uint8)
    inside = {tuple(vector) for vector in brute_force(SMALL)}
    assert SMALL.holds(every).tolist() == [tuple(vector) in inside for vector in every]
    for vector in every[:: len(every) // 50]:
        if tuple(vector) in inside:
            assert SMALL.rank_of(vector) == SMALL.rank(SMALL.decode(vector))
        else:
            with pytest.raises(ArchitectureError, match="not in the space"):
                SMALL.rank_of(vector)


def test_vectors_of_another_length():
    with pytest.raises(ArchitectureError, match="vectors: found shape"):
        SMALL.holds(np.zeros((2, SMALL.length + 1), dtype=np.uint8))
    with pytest.raises(ArchitectureError, match="not in the space"):
        SMALL.rank_of(np.zeros(SMALL.length - 1, dtype=np.uint8))


def test_draws_are_of_the_space():
    rng = random.Random(0)
    drawn = np.array([HUGE.encode(HUGE.sample(rng)) for _ in range(200)])
    assert HUGE.holds(drawn).all()


def test_heights_are_logarithms_of_widths():
    space = BackboneSpace(((1, 2), (2, 2)), (8, 16, 64))
    assert len(space.heights) == space.length == 4
    assert all(heights.tolist() == pytest.approx([0, 0.25, 0.5, 1]) for heights in space.heights)
    assert BackboneSpace(((1, 1),), (8,)).heights[0].tolist() == [0, 1]
