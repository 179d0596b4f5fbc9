"""Fragments: what is joined is what was built."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from prototxt_gen.architectures import Block
from prototxt_gen.binary import from_binary
from prototxt_gen.generator.blocks import BUILDERS
from prototxt_gen.generator.elements import Writing
from prototxt_gen.generator.fragments import block_fragment
from prototxt_gen.proto import NetParameter
from prototxt_gen.text import parse_text, to_text
from tests.architectures import BLOCKS


@settings(deadline=None)
@given(BLOCKS)
def test_text_and_binary_of_a_fragment_are_the_layers_built(drawn):
    block, writing = drawn
    piece = block_fragment(block, "res9.9", "before", writing)
    layers = BUILDERS[block.kind](block, "res9.9", "before", writing)
    assert list(from_binary(piece.binary).layer) == layers
    assert list(parse_text(piece.text, NetParameter()).layer) == layers
    assert piece.top == layers[-1].top[0]


@settings(deadline=None)
@given(st.lists(BLOCKS, max_size=4))
def test_joined_fragments_are_the_joined_network(blocks):
    pieces, bottom = [], "data"
    for number, (block, writing) in enumerate(blocks):
        pieces.append(block_fragment(block, f"res{number}a", bottom, writing))
        bottom = pieces[-1].top
    net = from_binary(b"".join(piece.binary for piece in pieces))
    assert to_text(net) == "".join(piece.text for piece in pieces)
    assert len({layer.name for layer in net.layer}) == len(net.layer)


def test_equal_blocks_after_different_bottoms_are_different_fragments():
    block = Block(1, 0, "basic", 64, 64, 64, 2, True)
    after_2, after_3 = (block_fragment(block, "res3.1", f"res2.{n}.sum", Writing()) for n in (2, 3))
    assert from_binary(after_2.binary).layer[0].bottom == ["res2.2.sum"]
    assert from_binary(after_3.binary).layer[0].bottom == ["res2.3.sum"]
    assert block_fragment(block, "res3.1", "res2.2.sum", Writing()) is after_2
