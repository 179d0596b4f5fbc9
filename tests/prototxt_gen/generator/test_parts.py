"""Parts: every layer in one of them, the network's cost and output when they run one after another."""

from __future__ import annotations

import re

import numpy as np
import pytest

from caffe_zoo.cards import CARDS
from prototxt_gen import ArchitectureError, Decoder, fingerprint, generate, parse_architecture, parts, summarize
from prototxt_gen.generator.parts import _cut
from prototxt_gen.layers import LAYERS
from prototxt_gen.trace import trace
from tests.work import at_most

SHAPES = [None, (1, 3, 97, 131), (2, 3, 64, 96)]
# One of each family and kind, with maps of odd sizes on the way.
SMALL = [
    "s4-8_b8x2_n8-16_c10",
    "r8_v1.8x2_v16_c5",
    "r8_w1.8_w16x2_c10",
    "m8_i1.8e1_i8e3q-k5e2_h32_c10",
    "g8_k1.8k5_k8_i12h20-k7h9_h16_c7",
    "t8-16_u16x2_u32_c10",
    "s4-8_b8_b8_b16_p4-8_d8-4x2_u8_c5",
    "t4-8_u8x2_u16x2_u16_q4-8_e8-4x2_u2_c19",
    "r8_v1.8_v16_v16_v32_p8-16_d8x4_u4_c3",
]


@pytest.mark.parametrize("merged", [True, False], ids=["merged", "bn"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", CARDS)
def test_every_layer_is_in_one_part_and_the_costs_add_up(name, shape, merged):
    architecture = CARDS[name].architecture
    net = generate(architecture, input_shape=shape, merged=merged)
    found = parts(architecture, shape, merged)
    assert [own for part in found for own in part.layers.values()] == [layer.name for layer in net.layer[1:]]
    # Shapes are Caffe's own: one rule, the trace, for the network and for its parts.
    costs = {row.name: (row.multiply_adds, row.parameters, row.top_shapes) for row in trace(net)}
    for part in found:
        for row in trace(part.net):
            if not LAYERS[row.type].is_input:
                assert (row.multiply_adds, row.parameters, row.top_shapes) == costs[part.layers[row.name]]
    whole = summarize(net)
    assert sum(summarize(part.net).multiply_adds for part in found) == whole.multiply_adds
    assert sum(summarize(part.net).parameters for part in found) == whole.parameters


def test_resnet18_has_its_1814_million_multiply_adds():
    costs = [summarize(part.net).multiply_adds for part in parts("r64_v1.64x2_v128x2_v256x2_v512x2_c1000")]
    assert round(sum(costs) / 1e6) == 1814


@pytest.mark.parametrize("name", CARDS)
def test_keys_are_fingerprints_and_equal_keys_are_equal_networks(name):
    nets = {}
    for part in parts(CARDS[name].architecture):
        assert part.key == fingerprint(part.net)
        assert nets.setdefault(part.key, part.net) == part.net


def test_a_part_knows_what_made_its_inputs():
    found = parts("m32_i1.16e1_i24e6x3_h64_c10")
    assert [(part.label.split()[0], *part.makers.values()) for part in found] == [
        ("stem", "Input"),
        ("inverted", "Convolution"),
        ("inverted", "Convolution"),  # a first block of other width adds nothing to its input
        ("inverted", "Convolution"),
        ("inverted", "Eltwise"),
        ("head", "Eltwise"),
    ]
    fused = parts("g32_f1.16h24_f24h96x3_c10")
    assert [next(iter(part.makers.values())) for part in fused[2:]] == [*["Convolution"] * 2, *["Eltwise"] * 2]
    assert found[3].key == found[4].key
    assert found[3].joined_key == f"{found[3].key} after Convolution"
    assert found[4].joined_key == f"{found[4].key} after Eltwise"
    fusion = parts("s4-8_b8_b8_b16_p4-8_d8-4x2_u8_c5")[-4]
    assert (list(fusion.bottoms), list(fusion.makers.values())) == (["input1", "input2"], ["Convolution"] * 2)


def test_where_a_part_stands_does_not_change_its_key():
    found = parts("s32-64_b64x3_b128x3_b256x3-512_c1000")
    assert found[2].key == found[3].key
    assert found[2].net == found[3].net
    assert [part.layers["convolution1"] for part in found[2:4]] == ["res2.2.conv1", "res2.3.conv1"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("m40_i1.40e1-e6_c10", "m40_i1.40e1-e3_c10"),
        ("m40_i1.40e1-e6_c10", "m40_i1.40e1-k5e6_c10"),
        ("m40_i1.40e1-e6_c10", "m40_i1.40e1-e6q_c10"),
        ("m40_i1.40e1-e6_c10", "g40_i1.40e1-e6_c10"),  # min(max(x, 0), 6) or max(x, 0)
        ("g40_k1.40x2_c10", "g40_k1.40-k5_c10"),
        ("g40_f1.40h80x2_c10", "g40_f1.40h80-h96_c10"),
        ("g40_f1.40h80x2_c10", "g40_f1.40h80-k5h80_c10"),
        ("s8-8_n1.256x2_c10", "s8-8_n1.256-512_c10"),
    ],
)
def test_blocks_that_differ_in_anything_have_different_keys(one, other):
    first, second = parts(one), parts(other)
    assert first[2].key != second[2].key
    assert [layer.type for layer in first[2].net.layer].count("Clip") == 2 * one.startswith("m")


def test_eps_is_in_the_key_where_batch_norm_is_not_merged():
    df, resnet = (parts(code, (1, 3, 64, 64), merged=False) for code in ("s64_k1.64_c10", "m64_k1.64_c10"))
    assert df[1].key != resnet[1].key


def test_labels_are_for_readers():
    assert [part.label for part in parts("s4-8_b8_n256-512x2_c10", (1, 3, 64, 48))] == [
        "stem 3-4-8 64x48",
        "basic 8-8-8 s2 16x12",
        "bottleneck 8-256-1024 s2 8x6",
        "bottleneck 1024-512-1024 s1 projected 4x3",
        "bottleneck 1024-512-1024 s1 4x3",
        "head 1024-10 4x3",
    ]
    labels = [part.label for part in parts("g8_f12h20-k5h30_c10", (1, 3, 64, 48))]
    assert labels[1:3] == ["fused 8-20-12 s2 32x24", "fused 12-30k5-12 s1 16x12"]
    labels = [part.label for part in parts(CARDS["ponas_a"].architecture)]
    assert labels[8] == "inverted 40-240k7-80q s2 28x28"
    assert labels[-1] == "head 320-1280-1000 7x7"
    assert [part.label for part in parts(CARDS["df1seg"].architecture)][11:] == [
        "pyramid 512-128-512 32x64",
        "controller 64-19 128x256",
        "controller 128-32 64x128",
        "controller 512-128 32x64",
        "fusion 128-32 32x64",
        "fusion 32-19 64x128",
        "score 19-19 128x256",
        "upsampling 19 x8 128x256",
    ]


@pytest.mark.parametrize("size", [(64, 64), (53, 70)])
@pytest.mark.parametrize("code", SMALL)
def test_parts_run_one_after_another_are_the_network(code, size):
    torch = pytest.importorskip("torch")
    from converters.pytorch.module import to_torch, weights_of

    shape = (2, 3, *size)
    torch.manual_seed(0)
    module = to_torch(generate(code, input_shape=shape, merged=True)).eval()
    weights = weights_of(module)
    image = torch.rand(shape)
    blobs = {"data": image}
    with torch.inference_mode():
        expected = module(image)
        for part in parts(code, shape):
            own = {name: weights[whole] for name, whole in part.layers.items() if whole in weights}
            made = to_torch(part.net, own).eval()(*(blobs[bottom] for bottom in part.bottoms.values()))
            (top,) = part.tops.values()
            blobs[top] = made
    assert torch.isfinite(expected).all() and np.ptp(expected.numpy()) > 0
    torch.testing.assert_close(blobs[top], expected)


def test_parts_may_be_changed_without_harm():
    code = "s4-8_b8_c10"
    first = parts(code)[1]
    first.net.layer[1].name = "changed"
    first.layers.clear()
    assert parts(code)[1].key == fingerprint(parts(code)[1].net) == first.key
    assert parts(code)[1].layers


def test_parts_of_df1_are_little_work_and_hardly_any_the_second_time():
    code = "s32-64_b64x3_b128x3_b256x3-512_c1000"
    parts(code, (1, 3, 215, 217))
    _cut.cache_clear()
    with at_most(30_000):
        parts(code, (1, 3, 215, 217))
    with at_most(1_000):
        parts(code, (1, 3, 215, 217))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("df1",), "architecture 'df1'"),
        ((5,), "found int, expected a Backbone, a Decoder or a code of theirs"),
        (("s8_b8_c2", (1, 3, 0, 8)), "input_shape is (1, 3, 0, 8)"),
        (("s8_b8_c2", None, 1), "merged is 1, expected True or False"),
        (("r8_v8_c2", (1, 3, 2, 9)), "images of 2x9, expected at least 3x3"),
    ],
)
def test_bad_arguments_are_one_clear_error(arguments, said):
    with pytest.raises(ArchitectureError, match=re.escape(said)):
        parts(*arguments)


def test_a_part_knows_the_blobs_it_takes():
    decoder = parse_architecture("s4-8_b8_b8_b16_p4-8_d8-4x2_u8_c5")
    assert isinstance(decoder, Decoder)
    found = {part.label.split()[0]: part for part in parts(decoder, (1, 3, 61, 64))}
    assert found["fusion"].bottoms == {"input1": "Decoder4_4.conv1", "input2": "Decoder_wc3"}
    # The scores stick out of the image, whose size is the measure.
    assert found["upsampling"].bottoms == {"input1": "Decoder_score", "input2": "data"}
    assert found["upsampling"].tops == {"crop1": "Decoder_score.up8/crop"}
