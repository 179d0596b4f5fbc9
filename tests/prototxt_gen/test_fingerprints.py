"""Fingerprints: the same for every spelling of a network, another for every other network."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prototxt_gen.binary import from_binary, to_binary
from prototxt_gen.fingerprints import fingerprint
from prototxt_gen.generator.networks import generate
from prototxt_gen.proto import NetParameter
from prototxt_gen.text import parse_text, to_text

ONE = 'name: "n" layer { name: "d" type: "Dropout" dropout_param { dropout_ratio: 0.1 } include { phase: TEST } }'


@pytest.mark.parametrize(
    "same",
    [
        'layer { include { phase: TEST } dropout_param { dropout_ratio: 0.1 } type: "Dropout" name: "d" } name: "n"',
        ONE.replace(" ", "\n  # a comment\n"),
        ONE.replace("0.1", "0.100000001490116"),
        ONE.replace("0.1", "1e-1"),
        ONE.replace("0.1", "0.1f"),
        ONE.replace('"', "'"),
        ONE.replace("TEST", "1"),
        ONE.replace(" {", ": <").replace("}", ">"),
        ONE.replace('"d"', '"" "d"'),
        ONE.replace('"Dropout" ', '"Dropout", '),
        ONE.replace(" type", " blobs { data: 1 shape { dim: 1 } } type"),
    ],
)
def test_fingerprint_does_not_see_spelling_order_or_weights(same):
    assert same != ONE
    assert fingerprint(parse_text(same, NetParameter())) == fingerprint(parse_text(ONE, NetParameter()))


@pytest.mark.parametrize(
    "other",
    [
        ONE.replace("0.1", "0.10000001"),
        ONE.replace("TEST", "TRAIN"),
        ONE.replace('"d"', '"e"'),
        ONE.replace('name: "n" ', ""),
        ONE.replace("include { phase: TEST }", ""),
        ONE.replace("include", "exclude"),
        ONE.replace("phase: TEST", "phase: TEST min_level: 0"),
        ONE.replace("dropout_ratio: 0.1", ""),
        ONE + ' layer { name: "e" }',
        ONE.replace("layer", 'input: "x" layer'),
        ONE.replace("type", 'bottom: "x" type'),
        ONE.replace("type", 'top: "x" type'),
    ],
)
def test_fingerprint_sees_every_value_and_what_is_set(other):
    assert other != ONE
    assert fingerprint(parse_text(other, NetParameter())) != fingerprint(parse_text(ONE, NetParameter()))


def test_fingerprint_sees_the_order_of_layers_and_of_bottoms():
    pairs = [
        ('layer { name: "a" } layer { name: "b" }', 'layer { name: "b" } layer { name: "a" }'),
        ('layer { bottom: "a" bottom: "b" }', 'layer { bottom: "b" bottom: "a" }'),
        ('layer { name: "a" } layer { type: "b" }', 'layer { name: "a" type: "b" } layer { }'),
    ]
    for one, other in pairs:
        assert fingerprint(parse_text(one, NetParameter())) != fingerprint(parse_text(other, NetParameter()))


@settings(deadline=None)
@given(st.permutations(range(10)))
def test_fingerprint_survives_text_and_binary(order):
    net = generate("s8_b8_c4", "train_val")
    net.layer.sort(key=lambda layer: order[len(layer.name) % 10])
    assert fingerprint(parse_text(to_text(net), NetParameter())) == fingerprint(net)
    assert fingerprint(from_binary(to_binary(net))) == fingerprint(net)
