"""Specs of segmentation networks: their codes, windows, rules."""

from __future__ import annotations

import re

import pytest

from caffe_zoo.cards import CARDS
from prototxt_gen import (
    ArchitectureError,
    Backbone,
    Decoder,
    Pyramid,
    Stage,
    parse_architecture,
)

CODES = [
    "s4-8_b8_b8_b16_p4-8_d8-4x2_u8_c5",
    "s4-8_b8_n8_p4-8.1-3_d8-4_u8_c5",
    "s4_b8_p4-8_d8_u4_c2",
    "s4-8_b8_b8_b16_p4-8_d8_u32_c5",
    "s4-8_b8_b8_b1.16_b16_q4-8_e8-4x2_c5",
    "t4-8_u8x2_u16x2_u16_q4-8_e8-4x2_u2_c19",
    "r8_v1.8_v16_v16_v32_p8-16_d8x4_u4_c3",
    "r8_w1.8_w16_w16_q8-16_d8x3_c3",
    "m4_i1.4e1_i8e2q_i8k5e2_i1.8e2_i16h9_p4-4_d8-4_u8_c4",
    "g4_k1.4_k8_i8h12_i8h12_p4-4_d8x4_u2_c4",
    *(str(card.architecture) for card in CARDS.values() if isinstance(card.architecture, Decoder)),
]


@pytest.mark.parametrize("code", CODES)
def test_codes_round_trip(code):
    decoder = parse_architecture(code)
    assert isinstance(decoder, Decoder)
    assert str(decoder) == code
    assert hash(decoder) == hash(parse_architecture(code))


@pytest.mark.parametrize(
    ("pyramid", "size", "windows"),
    [
        (Pyramid(), (32, 64), [(32, 32), (16, 16), (8, 8), (4, 4)]),
        (Pyramid(), (12, 20), [(12, 12), (6, 6), (3, 3), (2, 2)]),
        (Pyramid(square=False), (12, 20), [(12, 20), (6, 10), (3, 5), (2, 2)]),
        (Pyramid(square=False), (32, 64), [(32, 64), (16, 32), (8, 16), (4, 8)]),
        (Pyramid(), (1, 5), [(1, 1)] * 4),
        (Pyramid(bins=(1, 3), square=False), (7, 11), [(7, 11), (2, 4)]),
    ],
)
def test_windows_follow_from_the_size(pyramid, size, windows):
    assert pyramid.windows(*size) == windows


def test_a_decoder_sets_aside_the_end_of_its_backbone():
    stages = (Stage("basic", (8,)), Stage("basic", (16,)))
    decoder = Decoder(Backbone(stages, classes=10, head=64), (8, 4), upsampling=8)
    assert decoder == Decoder(Backbone(stages), (8, 4), upsampling=8)
    assert parse_architecture(str(decoder)) == decoder


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Decoder("df1"), "backbone is 'df1', expected a Backbone"),
        (lambda: Decoder(Backbone((Stage("basic", (8,)),))), "3 channels, expected at most 1"),
        (lambda: Decoder(Backbone((Stage("basic", (8,)),)), (8,), 0), "classes has 0"),
        (lambda: Decoder(Backbone((Stage("basic", (8,)),)), (8,), pyramid=4), "pyramid is 4, expected a Pyramid"),
        (lambda: Decoder(Backbone((Stage("basic", (8,)),)), (8,), separable=1), "separable is 1"),
        (lambda: Decoder(Backbone((Stage("basic", (8,)),)), (8,), upsampling=6), "expected a power of two"),
        (lambda: Pyramid(bins=()), "bins has none"),
        (lambda: Pyramid(width=0), "width has 0"),
    ],
)
def test_what_cannot_be_is_said(make, said):
    with pytest.raises(ArchitectureError, match=re.escape(said)):
        make()
