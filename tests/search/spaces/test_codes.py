"""The one-line codes of spaces: there and back, and what is no code."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prototxt_gen.errors import ArchitectureError
from search.spaces import BackboneSpace, parse_space


@given(
    depths=st.lists(st.tuples(st.integers(1, 6), st.integers(0, 6)), min_size=1, max_size=4),
    widths=st.lists(st.integers(1, 512), min_size=1, max_size=6, unique=True),
    data=st.data(),
)
def test_codes_and_places_round_trip(depths, widths, data):
    kinds = tuple(data.draw(st.sampled_from(["basic", "bottleneck"])) for _ in depths)
    space = BackboneSpace(
        tuple((a, a + b) for a, b in depths), tuple(sorted(widths)), kinds, (8, 16), 10, (1, 3, 64, 32)
    )
    assert parse_space(str(space)) == space
    place = data.draw(st.integers(0, space.count() - 1))
    assert space.at(place) in space


@pytest.mark.parametrize("code", ["", "s8", "s8-16_b1-2_w8_c10", "s8-16_z1-2_w8-16_c10_i3x32x32", "9" * 10**6])
def test_no_code_of_a_space(code):
    with pytest.raises(ArchitectureError, match="space"):
        parse_space(code)
