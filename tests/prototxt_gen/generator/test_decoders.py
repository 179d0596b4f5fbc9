"""Segmentation networks: exactly the released ones, and sound for every backbone, decoder and size."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prototxt_gen import (
    ArchitectureError,
    NetParameter,
    generate,
    generate_text,
    label_size,
    parse_architecture,
    select_phase,
    summarize,
    to_text,
)
from prototxt_gen.generator.arguments import FORMS
from prototxt_gen.text import parse_text
from prototxt_gen.trace import trace
from tests.architectures import SMALL_DECODERS
from tests.released import FACTS, NETWORKS, architecture, released
from tools.reference_facts import digest, shapes_digest

DF_LITE, DF1 = "s32-64_b64x2_b128x2_b256-512", "s32-64_b64x3_b128x3_b256x3-512"
DF2 = "s32-64_b64x2-128_b128x10-256_b256x4-512x2"
CODES = {
    "df1seg": f"{DF1}_p128-512_d128-32-19_u8_c19",
    "df2seg1": f"{DF2}_p128-512_d32-19x2_u8_c19",
    "df2seg2": f"{DF2}_p128-512_d512-256-19_u8_c19",
    "df-lite_seg": f"{DF_LITE}_p128-512_d512-32x2_u8_c19",
    "df1seg_d8": f"{DF1}_p128-512_d128-32-19_c19",
    "df-lite_seg_d8": f"{DF_LITE}_p128-512_d512-32x2_c19",
}
RELEASED = [name for name in NETWORKS if "seg" in name]
PL1A = "t8-24_u48x4_u96x8_u192x4_q48-192_e192-96-48_u2_c19"
PL1A_SHAPE = (1, 3, 384, 640)
SIZES = st.tuples(st.integers(1, 3), st.just(3), st.integers(3, 200), st.integers(3, 200))


# ------------------------------------------------------------------------------------------------ the released files


@pytest.mark.parametrize("name", RELEASED)
def test_codes_are_those_of_the_manifest(name):
    assert architecture(name) == CODES[name.removesuffix("_mergebn")]


@pytest.mark.parametrize("name", RELEASED)
def test_other_forms_have_the_released_layers(name):
    """Names, bottoms and numbers are the release's; only fillers, rules of inclusion and the ends differ."""
    merged = name.endswith("_mergebn")
    phase = "TRAIN" if "_d8" in name else "TEST"  # known from logs of `caffe time`
    ends = {"ImageData", "Input", "Softmax", "ArgMax"}
    expected = [_bare(layer) for layer in select_phase(released(name), phase).layer if layer.type not in ends]
    for form in ("deploy", "train_val"):
        net = generate(architecture(name), form, merged=merged)
        made = [_bare(layer) for layer in select_phase(net, "TEST").layer]
        assert [layer for layer in made if layer.name in {other.name for other in expected}] == expected


def _bare(layer):
    layer.ClearField("include")
    if layer.type != "Deconvolution":
        layer.convolution_param.ClearField("weight_filler")
    return layer


@pytest.mark.parametrize("name", CODES)
def test_memory_is_what_caffe_logged(name):
    """The logs are of `caffe time`, which prints the network it runs: phase TRAIN, 1x3x1024x2048."""
    log = FACTS["timed"][f"{name}_mergebn"]
    assert summarize(generate(CODES[name], input_shape=(1, 3, 1024, 2048), merged=True)).memory == log["memory"]
    assert shapes_digest(summarize(generate(CODES[name], merged=True)).top_shapes) == log["tops"]


@pytest.mark.parametrize("name", [name for name in FACTS["parameters"] if "seg" in name])
def test_weights_are_as_many_as_caffe_had(name):
    made = generate(architecture(name), merged=name.endswith("_mergebn"))
    assert summarize(made).parameters == FACTS["parameters"][name]


@pytest.mark.parametrize("name", ["df1seg_d8", "df-lite_seg_d8"])
def test_a_logged_network_is_complete_in_its_own_phase(name):
    made = generate(CODES[name], form="release", merged=True)
    assert summarize(made, "TRAIN").memory == summarize(generate(CODES[name], merged=True)).memory


# ------------------------------------------------------------------------------------------- any decoder, any size


@settings(deadline=None)
@given(st.sampled_from(SMALL_DECODERS), st.sampled_from(["deploy", "train_val"]), SIZES, st.booleans())
def test_shapes_are_consistent_and_scores_have_the_promised_size(code, form, shape, merged):
    decoder = parse_architecture(code)
    net = generate(code, form, shape, merged)
    given = {"label": (shape[0], 1, *label_size(code, shape))} if form == "train_val" else {}
    for phase in ("TRAIN", "TEST"):
        summary = summarize(net, phase, given)
        rows = {row.name: row for row in summary.layers}
        scores = next(row for row in reversed(trace(select_phase(net, phase), given)) if "Decoder_score" in row.name)
        coarse = rows["Decoder_score"].top_shapes[0]
        stride = 2 ** min(int(name[10:]) for name in rows if re.fullmatch(r"Decoder_wc\d", name))
        expected = (
            shape[2:] if decoder.upsampling == stride else tuple(decoder.upsampling * size for size in coarse[2:])
        )
        assert scores.top_shapes[0] == (shape[0], decoder.classes, *expected)
        if form == "train_val":
            assert label_size(code, shape) == expected


@settings(deadline=None)
@given(st.sampled_from([*SMALL_DECODERS, CODES["df-lite_seg_d8"]]), st.sampled_from(FORMS), SIZES, st.booleans())
def test_text_is_the_text_of_the_network(code, form, shape, merged):
    net = generate(code, form, shape, merged)
    text = generate_text(code, form, shape, merged)
    assert text == to_text(net)
    assert parse_text(text, NetParameter()) == net
    assert generate(parse_architecture(code), form, shape, merged) == net


@pytest.mark.parametrize(
    ("size", "cropped"), [((1024, 2048), []), ((384, 640), []), ((360, 640), ["up2"]), ((361, 640), ["up2", "up8"])]
)
def test_nothing_is_cropped_at_sizes_that_32_divides(size, cropped):
    crops = [layer for layer in generate(CODES["df1seg"], input_shape=(1, 3, *size)).layer if layer.type == "Crop"]
    assert [name for name in ("up2", "up8") if any(f"{name}/crop" in layer.name for layer in crops)] == cropped


@pytest.mark.parametrize("merged", [False, True])
def test_pl1a_has_the_convolutions_of_the_phone_demo_in_their_order(merged):
    """So that weights can be taken over one by one: each with its kernel, channels, groups, stride and numbers."""
    found = []
    for row in trace(generate(PL1A, input_shape=PL1A_SHAPE, merged=merged)):
        if row.type == "Convolution":
            param, size = row.layer.convolution_param, math.prod(row.blob_shapes[0])
            found.append([param.num_output, param.kernel_size[0], param.stride[0], param.pad[0], param.group, size])
    assert digest(found) == FACTS["pl1a"]["convolutions"], found


def test_pl1a_pools_and_resizes_as_the_phone_demo():
    net = generate(PL1A, input_shape=PL1A_SHAPE, merged=True)
    made = []
    for layer in net.layer:
        if layer.type == "Pooling":
            param = layer.pooling_param
            made.append([param.kernel_size or param.kernel_h, param.kernel_size or param.kernel_w])
    assert made == FACTS["pl1a"]["pools"]
    found = [layer.interp_param for layer in net.layer if layer.type == "Interp"]
    assert [[param.height, param.width] for param in found] == FACTS["pl1a"]["sizes"]
    counts = {kind: sum(layer.type == kind for layer in net.layer) for kind in ("ShuffleChannel", "Concat", "Slice")}
    assert counts == FACTS["pl1a"]["counts"]


# ------------------------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: generate("r8_v8_c2", input_shape=(1, 3, 2, 9)), "images of 2x9, expected at least 3x3"),
        (lambda: generate(CODES["df1seg"], "release", (1, 4, 64, 64)), "expected 1 or 3 channels"),
    ],
)
def test_what_cannot_be_is_said(make, said):
    with pytest.raises(ArchitectureError, match=re.escape(said)):
        make()
