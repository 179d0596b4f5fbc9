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
from tests.architectures import SMALL_DECODERS

CODES = [
    *SMALL_DECODERS,
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
