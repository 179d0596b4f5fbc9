"""The layers of blocks as the DF release has them, and the fragments they are cached as."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prototxt_gen.architectures import BLOCK_KINDS, Block, parse_architecture
from prototxt_gen.binary import from_binary
from prototxt_gen.generator.blocks import Style
from prototxt_gen.generator.fragments import BUILDERS, block_fragment, stem_fragment
from prototxt_gen.proto import NetParameter
from prototxt_gen.text import parse_text, read_prototxt, to_text

STYLES = st.builds(Style, st.booleans(), st.booleans(), st.sampled_from([1e-3, 1e-4]), st.booleans())
ODD = st.sampled_from([1, 3, 5])
BLOCKS = st.tuples(
    st.builds(
        Block,
        st.just(0),
        st.just(0),
        st.sampled_from(sorted(BUILDERS)),
        *[st.integers(2, 2000)] * 3,
        st.sampled_from([1, 2]),
        st.booleans(),
        ODD,
        st.integers(1, 2000),
        st.booleans(),
    ),
    STYLES,
)


def test_every_kind_of_block_has_a_builder():
    assert sorted(BUILDERS) == sorted(BLOCK_KINDS)


@pytest.mark.parametrize("merged", [False, True], ids=["bn", "merged"])
@pytest.mark.parametrize("name", ["res2.1", "res2.2", "res2.3", "res3.1", "res3.11", "res4.1", "res4.5", "res4.6"])
def test_a_block_is_the_released_one(reference, name, merged):
    """Of DF2A: both kinds of blocks, with and without a projection."""
    released = read_prototxt(reference / "release" / "prototxt" / f"df2a{'_mergebn' * merged}.prototxt")
    # The dot is missing in res2.1skipConv/bn.
    expected = [layer for layer in released.layer if layer.name.startswith((f"{name}.", f"{name}skip"))]
    backbone = parse_architecture("s32-64_b64x2-128_n128x10-256_n256x4-512x2_c1000")
    block = next(block for block in backbone.blocks() if block.name == name)
    assert BUILDERS[block.kind](block, name, expected[0].bottom[0], Style(merged)) == expected


@pytest.mark.parametrize(
    ("style", "names"),
    [
        (Style(merged=True), ["conv1", "conv1/relu", "conv2", "conv2/relu"]),
        (
            Style(merged=False),
            ["conv1", "conv1/bn", "conv1/bn_scale", "conv1/relu", "conv2", "conv2/bn", "conv2/bn_scale", "conv2/relu"],
        ),
    ],
)
def test_stem(style, names):
    layers = from_binary(stem_fragment((32, 64), style).binary).layer
    assert [layer.name for layer in layers] == names
    assert [layer.convolution_param.num_output for layer in layers if layer.type == "Convolution"] == [32, 64]
    assert [list(layer.bottom) for layer in layers if layer.name == "conv2"] == [
        ["conv1" if style.merged else "conv1/bn"]
    ]


@settings(deadline=None)
@given(BLOCKS)
def test_text_and_binary_of_a_fragment_are_the_layers_built(drawn):
    block, style = drawn
    piece = block_fragment(block, "res9.9", "before", style)
    layers = BUILDERS[block.kind](block, "res9.9", "before", style)
    assert list(from_binary(piece.binary).layer) == layers
    assert list(parse_text(piece.text, NetParameter()).layer) == layers
    assert piece.top == layers[-1].top[0]


@settings(deadline=None)
@given(st.lists(BLOCKS, max_size=4))
def test_joined_fragments_are_the_joined_network(blocks):
    pieces, bottom = [], "data"
    for number, (block, style) in enumerate(blocks):
        pieces.append(block_fragment(block, f"res{number}a", bottom, style))
        bottom = pieces[-1].top
    net = from_binary(b"".join(piece.binary for piece in pieces))
    assert to_text(net) == "".join(piece.text for piece in pieces)
    assert len({layer.name for layer in net.layer}) == len(net.layer)


@settings(deadline=None)
@given(BLOCKS)
def test_merging_leaves_out_batch_norm_and_gives_a_bias(drawn):
    block, style = drawn
    merged = BUILDERS[block.kind](block, "resb", "x", style._replace(merged=True))
    plain = BUILDERS[block.kind](block, "resb", "x", style._replace(merged=False))
    squeeze = "resb.squeeze"  # the Scale of squeeze-and-excitation is none of batch norm's
    assert [layer.name for layer in merged] == [
        layer.name for layer in plain if layer.type not in ("BatchNorm", "Scale") or layer.name == squeeze
    ]
    for layers, bias in ((merged, True), (plain, False)):
        convolutions = [layer.convolution_param for layer in layers if layer.type == "Convolution"]
        assert {convolution.bias_term for convolution in convolutions} == {bias}
        assert {convolution.weight_filler.type for convolution in convolutions} == {
            "msra" if style.fillers else "constant"
        }


def test_equal_blocks_after_different_bottoms_are_different_fragments():
    block = Block(1, 0, "basic", 64, 64, 64, 2, True)
    after_2, after_3 = (block_fragment(block, "res3.1", f"res2.{n}.sum", Style()) for n in (2, 3))
    assert from_binary(after_2.binary).layer[0].bottom == ["res2.2.sum"]
    assert from_binary(after_3.binary).layer[0].bottom == ["res2.3.sum"]
    assert block_fragment(block, "res3.1", "res2.2.sum", Style()) is after_2
