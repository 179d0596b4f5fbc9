"""The networks that the papers compare with, and the other two papers' own: one line each, costs as published."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prototxt_gen import generate, parse_architecture, summarize
from prototxt_gen.generator.arguments import FORMS
from prototxt_gen.trace import trace
from tests.released import FACTS
from tools.reference_facts import digest

RESNETS = {
    "resnet18": "r64_v1.64x2_v128x2_v256x2_v512x2_c1000",
    "resnet50": "r64_w1.64x3_w128x4_w256x6_w512x3_c1000",
    "resnet101": "r64_w1.64x3_w128x4_w256x23_w512x3_c1000",
}
PONAS = {
    "a": "m32_i1.16e1_i32k5e6-k5e3_i40k7e3q-k5e3q-k5e3-k7e3_i80k7e6q-k5e3qx3_i1.96k5e3-k7e3x2-k7e3q"
    "_i192k7e6q-k7e3q-k5e3-k7e3q_i1.320k5e6q_h1280_c1000",
    "b": "m32_i1.16e1_i32e6q-k7e3q_i40k5e6-k5e3q-k5e3x2_i80k7e6-k5e3qx3_i1.96k5e6q-k7e3x2-k7e3q"
    "_i192k7e6q-k7e3q-k5e3-k7e3_i1.320k5e6q_h1280_c1000",
    "c": "m32_i1.16e1_i32k5e6-k7e3q_i40k5e6q-k5e3q-k5e3-k7e3_i80k7e6-k5e3q-k7e3q-k5e6q_i1.96k5e6q-k7e3x2-k5e6q"
    "_i192k7e6q-k7e3q-k5e3-k7e3q_i1.320k5e6q_h1280_c1000",
}
GPUNET = {
    "p0": "g32_k1.32x2_k64_i96h512-h736x2_i256h736-k5h1088-h1216_i704h2048-k5h2688-h2368-h1792_i704h4032_h1984_c1000",
    "p1": "g32_k1.32x2_k64k5_i1.64h512x2_i96k5h512-k5h768_i256k5h768-k5h1920-h2016"
    "_i704k5h2016-k5h5632-h5216-k5h5632_i704k5h5600_h1984_c1000",
}


def numbers(code, without):
    """Numbers in the blobs of the layers that learn, without those of some types (but with the two-bottom Scale)."""
    return sum(row.parameters for row in summarize(generate(code)).layers if row.type not in without)


# -------------------------------------------------------------------------------------------------- published costs


@pytest.mark.parametrize(("name", "parameters"), [("resnet18", 11.69), ("resnet50", 25.56), ("resnet101", 44.55)])
def test_resnets_have_the_numbers_known_of_them(name, parameters):
    """In millions, batch norm's stored statistics left out."""
    assert round(numbers(RESNETS[name], {"BatchNorm"}) / 1e6, 2) == parameters


@pytest.mark.parametrize(("name", "published"), [("resnet18", "1.8"), ("resnet50", "3.8"), ("resnet101", "7.6")])
def test_resnets_have_the_published_multiply_adds(name, published):
    """The paper cuts 3.858 to 3.8 and rounds 7.570 to 7.6."""
    cost = summarize(generate(RESNETS[name])).multiply_adds / 1e9
    assert float(published) in (math.floor(cost * 10) / 10, round(cost, 1))


@pytest.mark.parametrize(
    ("name", "parameters", "multiply_adds"), [("a", 5.104, 328.9), ("b", 5.083, 351.2), ("c", 5.588, 379.3)]
)
def test_ponas_has_the_published_costs(name, parameters, multiply_adds):
    """Parameters without stored statistics; multiply-adds with squeeze-and-excitation and the classifier."""
    assert round(numbers(PONAS[name], {"BatchNorm"}) / 1e6, 3) == parameters
    assert round(summarize(generate(PONAS[name])).multiply_adds / 1e6, 1) == multiply_adds


@pytest.mark.parametrize(("name", "parameters", "multiply_adds"), [("p0", 22.7, 1.87), ("p1", 39.8, 3.24)])
def test_gpunet_has_the_published_costs(name, parameters, multiply_adds):
    """Parameters without any of batch norm's: with its factors and shifts they would be 22.8 and 39.9."""
    assert round(numbers(GPUNET[name], {"BatchNorm", "Scale"}) / 1e6, 1) == parameters
    assert round(summarize(generate(GPUNET[name])).multiply_adds / 1e9, 2) == multiply_adds


# --------------------------------------------------------------------------------------------- against the papers


@pytest.mark.parametrize("name", PONAS)
def test_ponas_networks_are_those_of_the_paper(name):
    blocks = list(parse_architecture(PONAS[name]).blocks())
    assert [(block.width, block.kernel, block.inner, block.stride) for block in blocks[:1]] == [(16, 3, 32, 1)]
    assert all(block.inner % block.in_channels == 0 for block in blocks[1:])
    found = [
        [block.inner // block.in_channels, block.kernel, int(block.squeeze), block.width, block.stride]
        for block in blocks[1:]
    ]
    assert digest(found) == FACTS["ponas"][name], found


@pytest.mark.parametrize("name", GPUNET)
def test_gpunets_are_those_of_the_paper(name):
    found = [
        [block.width, block.kernel, block.stride, block.inner]
        for block in parse_architecture(GPUNET[name]).blocks()
        if block.kind == "inverted"
    ]
    assert digest(found) == FACTS["gpunet"][name], found


def test_resnet_layers_have_the_names_of_its_authors_models():
    def convolutions(name):
        return [layer.name for layer in generate(RESNETS[name]).layer if layer.type == "Convolution"]

    assert convolutions("resnet50")[:6] == [
        "conv1", "res2a_branch1", "res2a_branch2a", "res2a_branch2b", "res2a_branch2c", "res2b_branch2a",
    ]  # fmt: skip
    assert convolutions("resnet50")[-1] == "res5c_branch2c"
    assert "res4f_branch2c" in convolutions("resnet50")
    assert {"res3b3_branch2c", "res4b22_branch2c", "res5c_branch2c"} <= set(convolutions("resnet101"))
    net = generate(RESNETS["resnet50"])
    names = {layer.name for layer in net.layer}
    assert {"bn_conv1", "scale_conv1", "conv1_relu", "pool1", "bn2a_branch1", "scale2a_branch1", "res2a"} <= names
    assert [layer.name for layer in net.layer][-2:] == ["pool5", "fc1000"]


def test_resnet_strides_are_where_its_authors_have_them():
    strided = {
        layer.name
        for layer in generate(RESNETS["resnet50"]).layer
        if layer.type == "Convolution" and layer.convolution_param.stride[0] == 2
    }
    assert strided == {"conv1", *(f"res{n}a_branch{branch}" for n in (3, 4, 5) for branch in ("1", "2a"))}
    rows = {row.name: row for row in trace(generate(RESNETS["resnet50"]))}
    assert rows["pool1"].top_shapes == ((1, 64, 56, 56),)  # 112 and 3 every 2: Caffe rounds up
    assert rows["pool5"].bottom_shapes == ((1, 2048, 7, 7),)
    eighteen = [layer.name for layer in generate(RESNETS["resnet18"]).layer]
    assert [name for name in eighteen if name.startswith("res") and name.endswith("_branch1")] == [
        f"res{n}a_branch1" for n in (3, 4, 5)
    ]


# -------------------------------------------------------------------------------------- squeeze, clips, normalisation


def test_squeeze_and_excitation_is_stock_caffe():
    rows = {row.name: row for row in trace(generate("m8_i8e4q_c10", input_shape=(2, 3, 32, 32)))}
    prefix = "res2.1.squeeze"
    assert [name for name in rows if name.startswith(prefix)] == [
        f"{prefix}.pool", f"{prefix}.reduce", f"{prefix}.relu", f"{prefix}.excite", f"{prefix}.gate", prefix,
    ]  # fmt: skip
    assert rows[f"{prefix}.reduce"].top_shapes == ((2, 8),)
    assert rows[prefix].bottom_shapes == ((2, 32, 8, 8), (2, 32))
    assert rows[prefix].blob_shapes == ()
    wide = {row.name: row for row in trace(generate("m40_i40e6q_c10", input_shape=(1, 3, 32, 32)))}
    assert wide[f"{prefix}.reduce"].top_shapes == ((1, 60),)


def test_clips_have_tops_of_their_own():
    """Caffe's Clip looks at its bottom for the gradient; in place it would find what it has cut."""
    clips = [layer for layer in generate(PONAS["a"], form="train_val").layer if layer.type == "Clip"]
    assert len(clips) == 1 + 1 + 19 * 2 + 1
    for layer in clips:
        assert layer.bottom != layer.top
        assert (layer.clip_param.min, layer.clip_param.max) == (0, 6)


@pytest.mark.parametrize(("code", "eps"), [(PONAS["a"], 1e-5), (GPUNET["p0"], 1e-3), (RESNETS["resnet18"], 1e-5)])
def test_batch_norm_has_the_eps_of_its_family(code, eps):
    found = [layer.batch_norm_param.eps for layer in generate(code).layer if layer.type == "BatchNorm"]
    assert found == pytest.approx([eps] * len(found))


def test_dropout_is_for_training_alone():
    assert [layer.name for layer in generate(PONAS["a"], form="train_val").layer if layer.type == "Dropout"] == [
        "dropout"
    ]
    assert not [layer for layer in generate(PONAS["a"]).layer if layer.type == "Dropout"]


# ------------------------------------------------------------------------------------------------------- any of them

SMALL = [
    "r8_v1.8x2_v16_c5", "r8_w1.8_w16x2_c10", "m8_i1.8e1_i8e3q-k5e2_h32_c10", "g8_k1.8k5_k8_i12h20-k7h9_h16_c7",
    "t8-16_u16x2_u32_c10", "s8_u16_i1.16e2_k16_c3", "t8_b16_n16_c2", "m8x2_b8_n8_v8_w8_u8_c6",
]  # fmt: skip
SIZES = st.tuples(st.integers(1, 2), st.sampled_from([1, 3]), st.integers(3, 150), st.integers(3, 150))


@settings(deadline=None)
@given(st.sampled_from(SMALL), st.sampled_from(FORMS), SIZES, st.booleans())
def test_every_network_fits_together(code, form, shape, merged):
    spec = parse_architecture(code)
    assert str(spec) == code
    net = generate(code, form, shape, merged)
    summary = summarize(net, input_shapes={"data": shape})
    logits = next(row for row in summary.layers if row.name == spec.traits.classifier.format(classes=spec.classes))
    assert logits.top_shapes[0] == (shape[0], spec.classes)
    assert logits.bottom_shapes[0][2:] == (1, 1)
    assert any(row.type == "BatchNorm" for row in summary.layers) == (not merged)


@settings(deadline=None)
@given(st.sampled_from(SMALL), SIZES, st.booleans())
def test_blocks_have_the_channels_that_their_specs_say(code, shape, merged):
    spec = parse_architecture(code)
    tops = {row.tops[0]: row.top_shapes[0] for row in trace(generate(code, "deploy", shape, merged))}
    for block in spec.blocks():
        ends = [top for top in tops if top == block.name or top.startswith((f"{block.name}.", f"{block.name}_"))]
        assert tops[ends[-1]][1] == block.out_channels
