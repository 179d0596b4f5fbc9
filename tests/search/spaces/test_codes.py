"""The one-line codes of spaces: there and back, and what is no code."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prototxt_gen.architectures import FAMILIES, Unit
from prototxt_gen.errors import ArchitectureError
from search.spaces import BackboneSpace, PonasLayer, PonasSpace, TieredSpace, TieredStage, parse_space
from search.spaces.codes import parse_candidates
from search.spaces.ponas import candidates_of, spell_candidates


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


UNITS = st.builds(Unit, st.sampled_from((3, 5, 7)), st.integers(1, 6), st.just(0), st.booleans()) | st.builds(
    # On no number of channels that is drawn here the inner width of an expansion.
    Unit,
    st.sampled_from((3, 5)),
    st.just(0),
    st.sampled_from((101, 103)),
    st.booleans(),
)
LISTS = st.lists(UNITS, min_size=1, max_size=7, unique=True).map(tuple) | st.builds(
    candidates_of,
    *(
        st.lists(values, min_size=1, max_size=3, unique=True)
        for values in (st.integers(1, 8), st.sampled_from((3, 5, 7, 9)))
    ),
    st.lists(st.booleans(), min_size=1, max_size=2, unique=True),
)


@given(
    layers=st.lists(st.tuples(st.integers(0, 20), st.sampled_from((1, 2)), LISTS), min_size=1, max_size=6),
    stem=st.lists(st.integers(4, 16), min_size=1, max_size=2),
    head=st.none() | st.integers(1, 99),
    family=st.sampled_from([name for name in FAMILIES if name != "resnet"]),
    data=st.data(),
)
def test_codes_and_places_of_ponas_round_trip(layers, stem, head, family, data):
    width, made = 8, [PonasLayer(8, 2, candidates_of((1, 2), (3,)))]
    for wider, stride, candidates in layers:
        width += wider
        made += [PonasLayer(width, stride, candidates), PonasLayer(width, 1, candidates)]
    space = PonasSpace(tuple(made), tuple(stem), 10, (1, 3, 64, 32), family, head)
    assert parse_space(str(space)) == space and str(parse_space(str(space))) == str(space)
    place = data.draw(st.integers(0, space.count() - 1))
    architecture = space.at(place)
    assert space.rank(architecture) == place and space.of_choices(space.choices_of(architecture)) == architecture


KINDS = st.sampled_from([("convolution",), ("inverted",), ("fused",), ("inverted", "fused")])


@given(
    stages=st.lists(
        st.builds(
            TieredStage,
            st.integers(1, 12),
            st.tuples(st.integers(1, 3), st.integers(0, 2)).map(lambda depth: (depth[0], sum(depth))),
            st.sampled_from((1, 2)),
            KINDS,
            st.sampled_from([(3,), (5,), (3, 5), (3, 7, 31)]),
        ),
        min_size=1,
        max_size=3,
    ),
    stem=st.lists(st.integers(2, 16), min_size=1, max_size=2),
    head=st.none() | st.integers(1, 99),
    family=st.sampled_from([name for name in FAMILIES if name != "resnet"]),
    inner=st.tuples(st.integers(3, 9), st.integers(10, 11), st.none() | st.integers(2, 20)),
    data=st.data(),
)
def test_codes_and_places_of_tiered_pruning_round_trip(stages, stem, head, family, inner, data):
    width, made = stem[-1], []
    for stage in stages:
        # Always wider: a stage that goes on as the one before it does would be one with it.
        width += stage.width
        # Of all inner widths, every second one.
        several = data.draw(st.booleans()) and stage.kinds != ("convolution",)
        channels = (made[-1].width if made else stem[-1], width)[: stage.depths[1]]
        lists = [range(inner[0], inner[1] * before + 1, 2 * inner[0]) for before in channels]
        own = tuple(
            tuple(one for one in listed if one != before) for listed, before in zip(lists, channels, strict=True)
        )
        made.append(stage._replace(width=width, inner=own if several and all(own) else ()))
    # A layer with a choice, which may be left out.
    made.append(TieredStage(width + 1, (1, 2), 2, ("convolution",), (3,)))
    space = TieredSpace(tuple(made), tuple(stem), 10, (1, 3, 64, 32), family, head, *inner)
    assert parse_space(str(space)) == space and str(parse_space(str(space))) == str(space)
    place = data.draw(st.integers(0, space.count() - 1))
    architecture = space.at(place)
    assert space.rank(architecture) == place and space.of_picks(space.picks_of(architecture)) == architecture


GOOD = "g16_k1.16k3-5_if24k3-5x1-2_i48h40-80.64x2-3_h128_t8.6.9_c10_i3x32x32"


@given(st.lists(st.tuples(st.integers(0, len(GOOD)), st.integers(0, 2), st.text("gifkhtcx_.-0123459", max_size=3))))
@settings(max_examples=150)
def test_any_change_of_a_code_is_a_space_or_a_fault(changes):
    """A space that is read has a code of its own, which is read as the same."""
    code = GOOD
    for place, removed, put in changes[:4]:
        code = code[:place] + put + code[place + removed :]
    try:
        space = parse_space(code)
    except ArchitectureError:
        return
    assert parse_space(str(space)) == space and str(parse_space(str(space))) == str(space)


@pytest.mark.parametrize(
    ("candidates", "text"),
    [
        (candidates_of(), "e3-6k3-5-7q0-1"),
        (candidates_of((6,), (5,), (True,)), "k5e6q"),
        (candidates_of((3, 6), (5,), (True,)), "k5e3-6q"),
        (candidates_of((3,), (5, 3), (True, False)), "k5-3e3q1-0"),
        (candidates_of()[:11], "e3.e3q.k5e3.k5e3q.k7e3.k7e3q.e6.e6q.k5e6.k5e6q.k7e6"),
        ((Unit(3, 3), Unit(3, 6), Unit(5, 3), Unit(5, 6)), "k3-5e3-6"),
        ((Unit(3, 3), Unit(3, 0, 48)), "e3.h48"),
    ],
)
def test_candidates_are_spelled_in_one_way(candidates, text):
    assert spell_candidates(candidates) == text and parse_candidates(text) == candidates


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
        ("g8_z24_t8.6_c10_i3x32x32", "part 2, 'z24', is not a stage with its kinds of blocks, such as i24k3-5x1-3"),
        ("g8_fi24_t8.6_c10_i3x32x32", "part 2, 'fi24', is not a stage with its kinds of blocks"),
        ("g8_i24_i24x_t8.6_c10_i3x32x32", "part 3, 'i24x', is not a stage with its kinds of blocks"),
        ("g8_i24_t8.6_t8.6_c10_i3x32x32", "part 4, 't8.6', is not the number of classes"),
        ("g8_i24_h8_h8_t8.6_c10_i3x32x32", "part 4, 'h8', is not the inner widths, such as t32.8"),
        ("g8_i24_t8.6_i3x32x32", "part 4, 'i3x32x32', is not the number of classes"),
        (
            "g8_i24_t8.6",
            "ends before the number of classes, such as c10; expected stem, stages with their kinds of blocks",
        ),
        ("g8_i24k4_t8.6_c10_i3x32x32", "stage 1: kernels: found (4,), expected odd numbers, ascending"),
        ("g8_i24x3-1_t8.6_c10_i3x32x32", "stage 1: depths: found (3, 1)"),
        ("g8_i999999999x999999999_t8.6_c10_i3x32x32", "stage 1: width has 999999999"),
        ("8_i24e1-2_c10_i3x32x32", "part 1, '8', is not the stem's widths"),
        ("m8_i16_i24e1-2_c10_i3x32x32", "part 2, 'i16', is not a layer with its candidates"),
        ("m8_i24e1-2_i40z_c10_i3x32x32", "part 3, 'i40z', is not a layer with its candidates"),
        ("m8_i24e1-2_i3x32x32", "part 3, 'i3x32x32', is not the number of classes"),
        ("m8_i24e1-2_h9", "ends before the number of classes"),
        ("m8_i24e1-2_b1-3_w8_c10_i3x32x32", "part 3, 'b1-3', is not the number of classes"),
        ("m8_i24k3e1-2k5_c10_i3x32x32", "part 2, 'i24k3e1-2k5': candidates: 'k3e1-2k5' has 'k' twice"),
        ("m8_i24e1-2x2000_c10_i3x32x32", "part 2, 'i24e1-2x2000': found 2000 layers, expected 1 to 1000"),
        ("m8" + "_i24e1-2x900" * 2 + "_c10_i3x32x32", "1800 layers up to part 3, expected at most 1000"),
        (f"m8_i24e{'-'.join(map(str, range(1, 130)))}q0-1_c10_i3x32x32", "found 258 or more, expected at most 255"),
    ],
)
def test_a_wrong_code_names_its_first_wrong_part(code, said):
    with pytest.raises(ArchitectureError) as fault:
        parse_space(code)
    assert said in str(fault.value)
