"""Generated networks: exactly the released ones, and sound for every architecture and shape."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prototxt_gen.architectures import parse_architecture
from prototxt_gen.binary import from_binary, to_binary
from prototxt_gen.errors import ArchitectureError
from prototxt_gen.fingerprints import fingerprint
from prototxt_gen.generator.networks import FORMS, generate, generate_block, generate_head, generate_stem, generate_text
from prototxt_gen.proto import NetParameter
from prototxt_gen.text import parse_text, read_prototxt, to_text

CODES = {
    "df1": "s32-64_b64x3_b128x3_b256x3-512_c1000",
    "df2": "s32-64_b64x2-128_b128x10-256_b256x4-512x2_c1000",
    "df2a": "s32-64_b64x2-128_n128x10-256_n256x4-512x2_c1000",
}
RELEASED = [
    pytest.param(name, merged, id=name + "_mergebn" * merged) for name in sorted(CODES) for merged in (False, True)
]
TRAIN, TEST = 0, 1  # Phase in caffe.proto
SMALL = "s4-8_b8x2_n8-16_c10"

architectures = st.sampled_from(
    [SMALL, "s8_b8_c2", "s8-16-32_n8_b16_n16x2_b32_c5", "s3_b1x3_b2_b3_b4_b5_c4", *CODES.values()]
)
shapes = st.tuples(*[st.integers(1, 5), st.sampled_from([1, 3]), *[st.integers(1, 300)] * 2])


# ------------------------------------------------------------------------------------------------ the released files


@pytest.mark.parametrize(("name", "merged"), RELEASED)
def test_release_form_is_the_released_file_field_for_field(reference, name, merged):
    released = read_prototxt(reference / "release" / "prototxt" / f"{name}{'_mergebn' * merged}.prototxt")
    made = generate(CODES[name], form="release", merged=merged)
    assert made == released
    assert to_text(made) == to_text(released)
    assert to_binary(made) == to_binary(released)


@pytest.mark.parametrize(("name", "merged"), RELEASED)
def test_release_form_has_the_fingerprint_of_the_manifest(name, merged):
    """Proves exactness on machines that have the manifest only."""
    manifest = json.loads((Path(__file__).parents[2] / "weights_manifest.json").read_text("utf-8"))
    entry = manifest["networks"][name + "_mergebn" * merged]
    assert entry["architecture"] == CODES[name]
    assert fingerprint(generate(CODES[name], form="release", merged=merged)) == entry["fingerprint"]


@pytest.mark.parametrize(("name", "merged"), RELEASED)
def test_the_manifest_has_the_fingerprints_of_the_released_files(reference, name, merged):
    stem = name + "_mergebn" * merged
    manifest = json.loads((Path(__file__).parents[2] / "weights_manifest.json").read_text("utf-8"))
    released = read_prototxt(reference / "release" / "prototxt" / f"{stem}.prototxt")
    assert fingerprint(released) == manifest["networks"][stem]["fingerprint"]


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


@pytest.mark.parametrize("shape", [(1, 3, 224, 224), (8, 1, 32, 48), (2, 7, 5, 5)])
def test_deploy_begins_with_an_input_and_ends_at_the_logits(shape):
    net = generate(SMALL, input_shape=shape)
    first, last = net.layer[0], net.layer[-1]
    assert (first.name, first.type, list(first.top)) == ("data", "Input", ["data"])
    assert tuple(first.input_param.shape[0].dim) == shape
    assert (last.name, last.type, list(last.top), last.inner_product_param.num_output) == (
        "fc", "InnerProduct", ["fc"], 10,
    )  # fmt: skip
    assert net.name == SMALL


def test_deploy_without_a_shape_is_one_image_of_224():
    assert generate(SMALL) == generate(SMALL, "deploy", (1, 3, 224, 224))


def test_train_val_reads_images_in_both_phases_and_measures():
    net = generate(SMALL, "train_val", (16, 3, 32, 32))
    train, test = net.layer[:2]
    assert [train.include[0].phase, test.include[0].phase] == [TRAIN, TEST]
    for layer in (train, test):
        assert (layer.name, layer.type, list(layer.top)) == ("data", "ImageData", ["data", "label"])
        assert layer.image_data_param.batch_size == 16
        assert layer.transform_param.crop_size == 32
        assert layer.transform_param.scale == pytest.approx(0.008)
        assert list(layer.transform_param.mean_value) == [104, 117, 123]
    assert (train.transform_param.mirror, train.image_data_param.shuffle) == (True, True)
    assert (test.transform_param.mirror, test.image_data_param.shuffle) == (False, False)
    ends = [(n.name, n.type, list(n.bottom), [rule.phase for rule in n.include]) for n in net.layer[-3:]]
    assert ends == [
        ("loss", "SoftmaxWithLoss", ["fc", "label"], []),
        ("accuracy/top-1", "Accuracy", ["fc", "label"], [TEST]),
        ("accuracy/top-5", "Accuracy", ["fc", "label"], [TEST]),
    ]
    fillers = [n.convolution_param.weight_filler.type for n in net.layer if n.type == "Convolution"]
    assert set(fillers) == {"msra"}


@pytest.mark.parametrize("form", ["train_val", "release"])
@pytest.mark.parametrize(("classes", "top_ks"), [(1, [1]), (4, [1]), (5, [1, 5]), (1000, [1, 5])])
def test_accuracy_asks_for_no_more_than_there_are_classes(form, classes, top_ks):
    net = generate(f"s8_b8_c{classes}", form)
    assert [layer.accuracy_param.top_k for layer in net.layer if layer.type == "Accuracy"] == top_ks


@pytest.mark.parametrize(
    ("shape", "crop", "new_size", "means", "is_color"),
    [
        ((2, 3, 96, 96), 96, (0, 0), [104, 117, 123], True),
        ((2, 3, 96, 64), 0, (96, 64), [104, 117, 123], True),
        ((2, 1, 28, 28), 28, (0, 0), [117], False),
    ],
)
def test_images_are_cropped_square_or_stretched(shape, crop, new_size, means, is_color):
    layer = generate(SMALL, "release", shape).layer[0]
    images = layer.image_data_param
    assert layer.transform_param.crop_size == crop
    assert (images.new_height, images.new_width) == new_size
    assert list(layer.transform_param.mean_value) == means
    assert images.is_color == is_color


# ------------------------------------------------------------------------------------------------------ mini-networks


@pytest.mark.parametrize("merged", [False, True], ids=["bn", "merged"])
def test_mini_networks_are_the_parts_of_the_network(merged):
    backbone = parse_architecture(SMALL)
    whole = to_text(generate(backbone, merged=merged))
    parts = [generate_stem(backbone, (1, 3, 32, 32), merged)]
    for block in backbone.blocks():
        part = generate_block(block, (1, block.in_channels, 8, 8), merged)
        bottom = part.layer[0].top[0]
        text = to_text(NetParameter(layer=part.layer[1:])).replace('"block', f'"{block.name}')
        assert bottom == "data"
        assert re.sub('"data"', f'"{_bottom_of(block.name, whole)}"', text) in whole
        parts.append(part)
    parts.append(generate_head(backbone, (1, 64, 2, 2)))
    assert sum(len(part.layer) - 1 for part in parts) == len(generate(backbone, merged=merged).layer) - 1
    assert [part.layer[0].type for part in parts] == ["Input"] * len(parts)


def _bottom_of(block: str, text: str) -> str:
    found = re.search(rf'name: "{re.escape(block)}\.conv1"\n  type: "Convolution"\n  bottom: "([^"]+)"', text)
    assert found is not None
    return found.group(1)


# ------------------------------------------------------------------------------------------------------------- faults


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


def test_parts_refuse_other_channels():
    backbone = parse_architecture(SMALL)
    with pytest.raises(ArchitectureError, match="expected 8 channels"):
        generate_block(next(backbone.blocks()), (1, 3, 8, 8))
    with pytest.raises(ArchitectureError, match="expected 64 channels"):
        generate_head(backbone, (1, 16, 2, 2))
