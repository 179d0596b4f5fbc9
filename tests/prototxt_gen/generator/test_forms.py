"""What each form begins with and ends in."""

from __future__ import annotations

import pytest

from caffe_zoo.cards import CARDS
from prototxt_gen import ArchitectureError, Decoder, NetworkError, label_size, summarize
from prototxt_gen.generator.networks import generate

TRAIN, TEST = 0, 1  # Phase in caffe.proto
SMALL = "s4-8_b8x2_n8-16_c10"
DF1_SEG = "s32-64_b64x3_b128x3_b256x3-512_p128-512_d128-32-19_u8_c19"


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


def test_labels_are_read_in_the_order_of_their_images():
    """Caffe reads the two lists apart: nothing random may happen to one of them."""
    for layer in generate(DF1_SEG, "train_val", (2, 3, 64, 128)).layer:
        if layer.type == "ImageData":
            assert not layer.image_data_param.shuffle
            assert not layer.transform_param.mirror
            assert not layer.transform_param.crop_size
    loss = next(layer for layer in generate(DF1_SEG, "train_val").layer if layer.name == "loss")
    assert loss.loss_param.ignore_label == 255
    assert list(loss.bottom) == ["Decoder_score.up8", "label"]


# -------------------------------------------------------------------------------------------------------- label maps

SCENES = {name: card.architecture for name, card in CARDS.items() if isinstance(card.architecture, Decoder)}


@pytest.mark.parametrize("name", SCENES)
def test_label_maps_are_never_resized(name):
    """Caffe resizes by interpolation: between the classes 0 and 18 it would find class 9."""
    labels = [layer for layer in generate(SCENES[name], "train_val").layer if layer.name == "label"]
    assert len(labels) == 2
    for layer in labels:
        param = layer.image_data_param
        assert not param.HasField("new_height") and not param.HasField("new_width")
        assert not layer.HasField("transform_param")


@pytest.mark.parametrize("size", [(64, 128), (97, 131), (224, 224)])
@pytest.mark.parametrize("name", SCENES)
def test_label_size_is_that_of_the_scores(name, size):
    shape = (1, 3, *size)
    scores = next(iter(summarize(generate(SCENES[name], input_shape=shape)).outputs.values()))
    wanted = label_size(SCENES[name], shape)
    assert scores[2:] == wanted
    summary = summarize(generate(SCENES[name], "train_val", shape), input_shapes={"label": (1, 1, *wanted)})
    assert summary.outputs == {"loss": (), "accuracy": ()}


def test_label_sizes_of_the_release():
    assert {name: label_size(scene) for name, scene in SCENES.items()} == {
        "df1seg": (1024, 2048),
        "df2seg1": (1024, 2048),
        "df2seg2": (1024, 2048),
        "df-lite_seg": (1024, 2048),
        "df1seg_d8": (128, 256),
        "df-lite_seg_d8": (128, 256),
        "pl1a_seg": (256, 512),
    }


def test_whoever_needs_the_label_maps_size_is_told_to_give_it():
    with pytest.raises(NetworkError, match=r"layer 'label' \(ImageData\): .*input_shapes"):
        summarize(generate(DF1_SEG, "train_val"))


def test_backbones_read_no_label_maps():
    with pytest.raises(ArchitectureError, match="found a classification network, which reads no label maps"):
        label_size(SMALL)
