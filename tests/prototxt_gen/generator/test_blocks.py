"""The layers of blocks as the DF release has them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from prototxt_gen.architectures import BLOCK_KINDS, parse_architecture
from prototxt_gen.binary import from_binary
from prototxt_gen.generator.blocks import BUILDERS
from prototxt_gen.generator.elements import Writing
from prototxt_gen.generator.fragments import stem_fragment
from tests.architectures import BLOCKS
from tests.released import FACTS, released
from tools.reference_facts import block_layers, layers_digest


def test_every_kind_of_block_has_a_builder():
    assert sorted(BUILDERS) == sorted(BLOCK_KINDS)


@pytest.mark.parametrize("merged", [False, True], ids=["bn", "merged"])
@pytest.mark.parametrize("name", FACTS["blocks"]["df2a"])
def test_a_block_is_the_released_one(name, merged):
    """Of DF2A: both kinds of blocks, with and without a projection."""
    network = f"df2a{'_mergebn' * merged}"
    expected = block_layers(released(network), name)
    assert layers_digest(expected) == FACTS["blocks"][network][name]
    backbone = parse_architecture("s32-64_b64x2-128_n128x10-256_n256x4-512x2_c1000")
    block = next(block for block in backbone.blocks() if block.name == name)
    assert BUILDERS[block.kind](block, name, expected[0].bottom[0], Writing(merged)) == expected


@pytest.mark.parametrize(
    ("writing", "names"),
    [
        (Writing(merged=True), ["conv1", "conv1/relu", "conv2", "conv2/relu"]),
        (
            Writing(merged=False),
            ["conv1", "conv1/bn", "conv1/bn_scale", "conv1/relu", "conv2", "conv2/bn", "conv2/bn_scale", "conv2/relu"],
        ),
    ],
)
def test_stem(writing, names):
    layers = from_binary(stem_fragment(parse_architecture("s32-64_b64_c10"), 3, writing).binary).layer
    assert [layer.name for layer in layers] == names
    assert [layer.convolution_param.num_output for layer in layers if layer.type == "Convolution"] == [32, 64]
    assert [list(layer.bottom) for layer in layers if layer.name == "conv2"] == [
        ["conv1" if writing.merged else "conv1/bn"]
    ]


@settings(deadline=None)
@given(BLOCKS)
def test_merging_leaves_out_batch_norm_and_gives_a_bias(drawn):
    block, writing = drawn
    merged = BUILDERS[block.kind](block, "resb", "x", writing._replace(merged=True))
    plain = BUILDERS[block.kind](block, "resb", "x", writing._replace(merged=False))
    squeeze = "resb.squeeze"  # the Scale of squeeze-and-excitation is none of batch norm's
    assert [layer.name for layer in merged] == [
        layer.name for layer in plain if layer.type not in ("BatchNorm", "Scale") or layer.name == squeeze
    ]
    for layers, bias in ((merged, True), (plain, False)):
        convolutions = [layer.convolution_param for layer in layers if layer.type == "Convolution"]
        assert {convolution.bias_term for convolution in convolutions} == {bias}
        assert {convolution.weight_filler.type for convolution in convolutions} == {
            "msra" if writing.fillers else "constant"
        }
