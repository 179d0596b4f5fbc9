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


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("8-16_b1-2_w8_c10_i3x32x32", "part 1, '8-16', is not the stem's widths"),
        ("s8-16_b1_w8_c10_i3x32x32", "part 2, 'b1', is not a stage with its fewest and most blocks"),
        ("s8-16_b1-2_b2_w8_c10_i3x32x32", "part 3, 'b2', is not a stage with its fewest and most blocks"),
        ("s8-16_b1-2_8_c10_i3x32x32", "part 3, '8', is not the widths"),
        ("s8-16_b1-2_w8_i3x32x32", "part 4, 'i3x32x32', is not the number of classes"),
        ("s8-16_b1-2_w8_c10_i32x32", "part 5, 'i32x32', is not the input's channels, height and width"),
        ("s8-16_b1-2_w8_c10", "ends before the input's channels"),
        ("s8-16_b1-2_w8_c10_i3x32x32_m", "part 6, 'm', is not expected"),
    ],
)
def test_a_wrong_code_names_its_first_wrong_part(code, said):
    with pytest.raises(ArchitectureError) as fault:
        parse_space(code)
    assert said in str(fault.value)
