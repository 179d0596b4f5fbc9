"""Generated networks: exactly the released ones, and sound for every architecture and shape."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prototxt_gen.architectures import parse_architecture
from prototxt_gen.binary import from_binary, to_binary
from prototxt_gen.errors import ArchitectureError
from prototxt_gen.fingerprints import fingerprint
from prototxt_gen.generator.arguments import FORMS
from prototxt_gen.generator.networks import feature_tops, generate, generate_text
from prototxt_gen.proto import NetParameter
from prototxt_gen.text import parse_text, to_text
from prototxt_gen.trace import trace
from tests.released import NETWORKS, architecture

CODES = {
    "df1": "s32-64_b64x3_b128x3_b256x3-512_c1000",
    "df2": "s32-64_b64x2-128_b128x10-256_b256x4-512x2_c1000",
    "df2a": "s32-64_b64x2-128_n128x10-256_n256x4-512x2_c1000",
}
RELEASED = [
    pytest.param(name, merged, id=name + "_mergebn" * merged) for name in sorted(CODES) for merged in (False, True)
]
DECODERS = [
    "s4-8_b8_b8_b16_p4-8_d8-4x2_u8_c5",
    "s4_b8_p4-8_d8_u4_c2",
    "s4-8_b8_b8_b1.16_b16_q4-8_e8-4x2_c5",
    "t4-8_u8x2_u16x2_u16_q4-8_e8-4x2_u2_c19",
    "t8-24_u48x4_u96x8_u192x4_q48-192_e192-96-48_u2_c19",
    "r8_v1.8_v16_v16_v32_p8-16_d8x4_u4_c3",
    "r8_w1.8_w16_w16_q8-16_d8x3_c3",
    "m4_i1.4e1_i8e2q_i8k5e2_i1.8e2_i16h9_p4-4_d8-4_u8_c4",
    "g4_k1.4_k8_i8h12_i8h12_p4-4_d8x4_u2_c4",
    "g4_f1.4h8_f8k5h12_f8e2_p4-4_d8x2_u2_c4",
]
DF1_SEG = "s32-64_b64x3_b128x3_b256x3-512_p128-512_d128-32-19_u8_c19"
TRAIN, TEST = 0, 1  # Phase in caffe.proto
SMALL = "s4-8_b8x2_n8-16_c10"
PONAS = "m8_i1.8e1_i12e1-k5e3q-e2_i1.16k7h30_i24e2q_h32_c10"

architectures = st.sampled_from(
    [
        SMALL,
        PONAS,
        "g8_f1.8h12_f12h20-k5h30_i1.12h20_c10",
        "s8_b8_c2",
        "s8-16-32_n8_b16_n16x2_b32_c5",
        "s3_b1x3_b2_b3_b4_b5_c4",
        *CODES.values(),
    ]
)
shapes = st.tuples(*[st.integers(1, 5), st.sampled_from([1, 3]), *[st.integers(1, 300)] * 2])


# ------------------------------------------------------------------------------------------------ the released files


@pytest.mark.parametrize("name", NETWORKS)
def test_release_form_is_the_released_file_field_for_field(name):
    """weights_manifest.json has the fingerprints of the released files, tests/test_truths.py holds them against these.

    Equal fingerprints are equal fields, from which text and bytes follow.
    """
    merged = name.endswith("_mergebn")
    made = generate(architecture(name), form="release", merged=merged)
    assert fingerprint(made) == NETWORKS[name]["fingerprint"]
    assert (
        fingerprint(parse_text(generate_text(architecture(name), "release", merged=merged), NetParameter()))
        == (NETWORKS[name]["fingerprint"])
    )
    assert fingerprint(from_binary(to_binary(made))) == NETWORKS[name]["fingerprint"]


@pytest.mark.parametrize(("name", "merged"), RELEASED)
def test_codes_are_those_of_the_manifest(name, merged):
    assert architecture(name + "_mergebn" * merged) == CODES[name]


@pytest.mark.parametrize(("name", "merged"), RELEASED)
@pytest.mark.parametrize("form", ["deploy", "train_val"])
def test_other_forms_have_the_released_layers(name, merged, form):
    """Layer names, bottoms and numbers are the release's, so its weights fit; only fillers are added for training."""
    made = {layer.name: _without_filler(layer) for layer in generate(CODES[name], form=form, merged=merged).layer}
    for layer in generate(CODES[name], "release", merged=merged).layer:
        if layer.type not in ("ImageData", "Accuracy"):
            assert made[layer.name] == layer


def _without_filler(layer):
    for param in ("convolution_param", "inner_product_param"):
        if layer.HasField(param):
            getattr(layer, param).ClearField("weight_filler")
    return layer


# -------------------------------------------------------------------------------------------- any architecture, shape


@settings(deadline=None)
@given(architectures, st.sampled_from(FORMS), shapes, st.booleans())
def test_text_is_the_text_of_the_network(code, form, shape, merged):
    net = generate(code, form, shape, merged)
    text = generate_text(code, form, shape, merged)
    assert text == to_text(net)
    assert parse_text(text, NetParameter()) == net
    assert from_binary(to_binary(net)) == net
    assert generate(parse_architecture(code), form, shape, merged) == net


@settings(deadline=None)
@given(architectures, st.sampled_from(["deploy", "train_val"]), shapes, st.booleans(), st.sampled_from([TRAIN, TEST]))
def test_every_bottom_is_a_top_before_it_and_names_are_unique(code, form, shape, merged, phase):
    known, names = set(), set()
    for layer in generate(code, form, shape, merged).layer:
        if layer.include and layer.include[0].phase != phase:
            continue
        assert set(layer.bottom) <= known, layer.name
        assert layer.name not in names
        known.update(layer.top)
        names.add(layer.name)


@settings(deadline=None)
@given(architectures, shapes, st.booleans())
def test_pooling_window_is_the_final_map(code, shape, merged):
    """Sizes by Caffe's rule for convolutions (conv_layer.cpp), layer by layer."""
    net = generate(code, "deploy", shape, merged)
    sizes = {"data": (shape[2], shape[3])}
    for layer in net.layer[1:]:
        size = sizes[layer.bottom[0]]
        if layer.type == "Convolution":
            param = layer.convolution_param
            pad, kernel, stride = param.pad[0], param.kernel_size[0], param.stride[0]
            size = tuple((n + 2 * pad - kernel) // stride + 1 for n in size)
        if layer.type == "Pooling":
            param = layer.pooling_param
            # That of squeeze-and-excitation takes whatever map there is.
            if not param.global_pooling:
                square = param.HasField("kernel_size")
                assert size == ((param.kernel_size,) * 2 if square else (param.kernel_h, param.kernel_w))
                assert square == (size[0] == size[1])
            size = (1, 1)
        assert min(size) >= 1
        assert layer.type != "Eltwise" or sizes[layer.bottom[1]] == size
        sizes[layer.top[0]] = size


@settings(deadline=None)
@given(architectures, shapes)
def test_generating_twice_gives_equal_and_separate_networks(code, shape):
    first = generate(code, "deploy", shape)
    expected = to_binary(first)
    first.layer[1].name = "changed"
    del first.layer[5:]
    assert to_binary(generate(code, "deploy", shape)) == expected


# ------------------------------------------------------------------------------------------------------------- forms


def test_deploy_without_a_shape_is_one_image_of_224():
    assert generate(SMALL) == generate(SMALL, "deploy", (1, 3, 224, 224))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"architecture": "df1"}, "architecture 'df1'"),
        ({"architecture": 5}, "found int, expected a Backbone, a Decoder or a code of theirs"),
        ({"form": "caffe"}, "form is 'caffe', expected one of deploy, train_val, release"),
        ({"form": None}, "form is None"),
        ({"merged": 1}, "merged is 1, expected True or False"),
        ({"input_shape": (1, 3, 224)}, "input_shape is (1, 3, 224), expected (N, channels, H, W)"),
        ({"input_shape": (1, 3, 0, 224)}, "input_shape is (1, 3, 0, 224)"),
        ({"input_shape": (1, 3, 224.0, 224)}, "input_shape is (1, 3, 224.0, 224)"),
        ({"input_shape": (True, 3, 224, 224)}, "input_shape is (True"),
        ({"input_shape": 224}, "input_shape is 224"),
        ({"input_shape": "1322"}, "input_shape is '1322'"),
        ({"input_shape": (1, 3, 1 << 20, 1 << 20)}, "and at most 2147483647 numbers in all"),
        ({"input_shape": (1, 4, 32, 32), "form": "train_val"}, "expected 1 or 3 channels: form train_val reads images"),
        ({"input_shape": (1, 4, 32, 32), "form": "release"}, "expected 1 or 3 channels: form release reads images"),
    ],
)
@pytest.mark.parametrize("make", [generate, generate_text])
def test_bad_arguments_are_one_clear_error(make, arguments, said):
    with pytest.raises(ArchitectureError, match=re.escape(said)):
        make(**{"architecture": SMALL, **arguments})


@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize("code", [*DECODERS, CODES["df1"]])
def test_feature_tops_are_the_last_maps_of_their_strides(code, merged):
    rows = trace(generate(code, input_shape=(1, 3, 256, 256), merged=merged))
    sizes = {row.tops[0]: row.top_shapes[0][2:] for row in rows}
    tops = feature_tops(code, merged)
    assert list(tops) == sorted(tops)
    for stride, top in tops.items():
        assert sizes[top] == (256 // stride, 256 // stride)


def test_feature_tops_of_df1():
    assert feature_tops(CODES["df1"]) == {4: "conv2/bn", 8: "res2.3.sum", 16: "res3.3.sum", 32: "res4.4.sum"}
    assert feature_tops(DF1_SEG, merged=True)[4] == "conv2"
