"""From one-line codes to specs."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prototxt_gen.architectures import Backbone, Stage, parse_architecture
from prototxt_gen.errors import ArchitectureError
from tests.work import at_most

# Widths of stages 3, 4 and 5 as published: the encodings of the paper and of the released files.
PUBLISHED = {
    "s32-64_b64x2_b128x2_b256-512_c1000": ([64] * 2, [128] * 2, [256, 512]),
    "s32-64_b64x3_b128x3_b256x3-512_c1000": ([64] * 3, [128] * 3, [256] * 3 + [512]),
    "s32-64_b64x2-128_b128x10-256_b256x4-512x2_c1000": ([64, 64, 128], [128] * 10 + [256], [256] * 4 + [512] * 2),
}


@pytest.mark.parametrize(("code", "widths"), PUBLISHED.items())
def test_published_networks_are_one_line_each(code, widths):
    backbone = parse_architecture(code)
    assert backbone == Backbone(tuple(Stage("basic", tuple(stage)) for stage in widths), (32, 64), 1000)
    assert str(backbone) == code


@pytest.mark.parametrize(
    ("typed", "canonical"),
    [
        ("s32-64_b64-64_c10", "s32-64_b64x2_c10"),
        ("s32-64_b64x1_c10", "s32-64_b64_c10"),
        ("s16x2_b064_c10", "s16x2_b64_c10"),
        ("s16_b2.8_c10", "s16_b8_c10"),
        ("s16_i8e2-8e2-8k3e2_c10", "s16_i8e2x3_c10"),
        ("s16_f8h24-8h24-8k5h24_c10", "s16_f8h24x2-k5h24_c10"),
        ("s16_i8e2-8k5e2-16k5e2_c10", "s16_i8e2-k5e2-16k5e2_c10"),
        ("s16_k8k3-8k3_c10", "s16_k8x2_c10"),
        ("s16_b8-16_p4-4.1-2-4-8_d4_u1_c2", "s16_b8-16_p4-4_d4_c2"),
    ],
)
def test_one_canonical_spelling(typed, canonical):
    assert str(parse_architecture(typed)) == canonical


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("", "parts joined by '_'"),
        ("s32-64", "parts joined by '_'"),
        ("s32-64_c10", "parts joined by '_'"),
        ("b64_s32_c10", "parts joined by '_'"),
        ("S32_b64_c10", "parts joined by '_'"),
        ("s32_q64_c10", "'q64', expected a stage that begins with b (basic), n (bottleneck)"),
        ("s32_b64__c10", "'', expected a stage"),
        ("s32_b_c10", "'b', expected 'b' and widths"),
        ("s_b64_c10", "'s', expected 's' and widths"),
        ("s32_b64x_c10", "'b64x', expected 'b' and widths"),
        ("s32_b64-_c10", "'b64-'"),
        ("s32_b6 4_c10", "'b6 4'"),
        ("s32_b-64_c10", "'b-64'"),
        ("s32_b٣_c10", "expected 'b' and widths"),
        ("s32_b64_c", "'c', expected classes"),
        ("s32_b64_c10\n", "expected classes"),
        ("s32_b64x2_c1e3", "'c1e3'"),
        ("s32_b0_c10", "widths has 0, expected a whole number in 1.."),
        ("s32_b8193_c10", "widths has 8193"),
        ("s0_b64_c10", "stem has 0"),
        ("s32_b64_c0", "classes has 0"),
        ("s32_b64x0_c10", "runs of [0]"),
        ("s32_b64-32_c10", "width 32 follows 64, expected widths that never decrease"),
        ("s32_b64_b32_c10", "width 32 follows 64"),
        ("s32_n64_b32_c10", "width 32 follows 64"),
        ("s32_b-x2_c10", "'b-x2', expected 'b' and widths"),
        ("s32_b64-x2_c10", "'b64-x2', expected 'b' and widths"),
        ("s32_b3.64_c10", "'b3.64', expected 'b' and widths"),
        ("s32_b64k5_c10", "1 units for 1 blocks, expected none for basic"),
        ("s32_u63_c10", "widths has 63, expected even widths"),
        ("s32_f64_c10", "fused with expansion 0 and inner 0"),
        ("s32_f64e2q_c10", "fused with squeeze"),
        ("s32_q64_c10", "i (inverted), f (fused), k (convolution)"),
        ("s32_i64_c10", "inverted with expansion 0 and inner 0"),
        ("s32_i64e2h8_c10", "'i64e2h8', expected 'i' and widths"),
        ("s32_i64q_c10", "expected one of the two above 0"),
        ("s1.32_b64_c10", "'s1.32', expected 's' and widths"),
        ("r32-64_v64_c10", "stem has 2 widths"),
        ("s32_b64_h_c10", "'h', expected a head as in h1280"),
        ("s32_b64_d8_c10", "'', expected the pyramid before the decoder's channels"),
        ("s32_b64_p8_d8_c10", "'p8', expected the pyramid"),
        ("s32_b64_p8-8_c10", "'p8-8', expected a stage"),
        ("s32_b64_p8-8_d8-8_c10", "2 channels, expected at most 1: the backbone s32_b64_c1000 has maps at strides 4"),
        ("s32_b64_p8-8_d8_u3_c10", "upsampling has 3, expected a power of two"),
        ("s32_b64_p8-8_d8_u8_c10", "upsampling has 8, expected at most 4"),
        ("s32_b64_h8_p8-8_d8_c10", "'h8', expected a stage"),
        ("s32_p8-8_d8_c10", "stages has empty"),
    ],
)
def test_what_is_wrong_is_said_with_the_code(code, said):
    with pytest.raises(ArchitectureError) as fault:
        parse_architecture(code)
    assert str(fault.value).startswith(f"architecture {code!r}: ")
    assert said in str(fault.value)
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize(
    "code",
    [
        "s32_b64x999999999_c10",
        "s32_b64x99999999999999999999_c10",
        "s32_b" + "9" * 100_000 + "_c10",
        "s32_b64_c" + "9" * 10_000_000,
        "s32x999999_b64_c10",
        "s32" + "_b64x1000" * 100 + "_c10",
        "s32" + "_b64" * 10_000_000 + "_c10",
        "s32_b" + "-".join(map(str, range(1, 300))) + "_c10",
        "_" * 10_000_000,
        "s32_b" + "1-" * 900 + "_c10",
    ],
    ids=lambda code: code[:20],
)
def test_hostile_codes_are_refused_at_once(code):
    tracemalloc.start()
    with at_most(20_000), pytest.raises(ArchitectureError) as fault:
        parse_architecture(code)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000
    assert len(str(fault.value)) < 500


@settings(deadline=None)
@given(st.text(alphabet="sbncruvwikhpqdetgm0123456789x.-_ \n", max_size=40))
def test_any_text_gives_an_architecture_or_an_error(text):
    try:
        backbone = parse_architecture(text)
    except ArchitectureError:
        return
    assert parse_architecture(str(backbone)) == backbone
