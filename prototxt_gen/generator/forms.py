"""The forms that networks are written in: what they begin with, and what they end in."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias, get_args

from prototxt_gen.architectures import Decoder
from prototxt_gen.architectures.kinds import IMAGE_SCALE
from prototxt_gen.binary import to_binary
from prototxt_gen.generator.decoders import Phase, Resizing
from prototxt_gen.generator.fragments import Fragment, fragment
from prototxt_gen.proto import LayerParameter, NetParameter
from prototxt_gen.text import to_text

Form: TypeAlias = Literal["deploy", "train_val", "release"]
FORMS: tuple[Form, ...] = get_args(Form)

_RELEASE_SOURCE = "/home/vip/dataset/imagenet/ILSVRC2012_val_256xN_list.txt"
_SCENE_SOURCE = "/home/vip/dataset/cityscapes/img_val_1024x2048_list.txt"
# A grey pixel is about this much of B, G and R.
_GREY = (0.11, 0.59, 0.30)
_IGNORED_LABEL = 255


class SceneForm(NamedTuple):
    """How a form writes a segmentation network: what it begins with, its resizings, what follows the scores."""

    source: Literal["input", "logged input", "images", "images and labels"]
    resizings: tuple[Resizing, ...]
    ends_in: Literal["scores", "labels", "loss"]
    named: bool = True


SCENE_FORMS = {
    "deploy": SceneForm("input", (Resizing(),), "scores"),
    "train_val": SceneForm("images and labels", (Resizing(),), "loss"),
    "release": SceneForm("images", (Resizing("TRAIN", square=True), Resizing("TEST")), "labels", named=False),
}
# The networks without upsampling exist in logs only: as `caffe time` prints a network, in the phase TRAIN.
LOGGED = SceneForm("logged input", (Resizing("TRAIN"),), "scores", named=False)
# The one file of the release whose ImageData does not say `shuffle: false`: (architecture, merged).
_SHUFFLE_UNSAID = {("s32-64_b64x3_b128x3_b256x3-512_p128-512_d128-32-19_u8_c19", False)}


@lru_cache(maxsize=256)
def data(form: Form, shape: tuple[int, ...], mean: tuple[float, ...]) -> Fragment:
    """What a form begins with; its first top is `data`."""
    if form == "release":
        return fragment([_images("TEST", _RELEASE_SOURCE, shape, mean)])
    if form == "train_val":
        return fragment([_images("TRAIN", "train.txt", shape, mean), _images("TEST", "val.txt", shape, mean)])
    layer = LayerParameter(name="data", type="Input", top=["data"])
    layer.input_param.shape.add(dim=shape)
    return fragment([layer])


def _images(phase: Phase, source: str, shape: tuple[int, ...], mean: tuple[float, ...]) -> LayerParameter:
    batch, channels, height, width = shape
    training = phase == "TRAIN"
    layer = LayerParameter(name="data", type="ImageData", top=["data", "label"], include=[{"phase": phase}])
    layer.transform_param.scale = IMAGE_SCALE
    layer.transform_param.mirror = training
    layer.transform_param.mean_value.extend(_means(mean, channels))
    layer.image_data_param.source = source
    layer.image_data_param.batch_size = batch
    layer.image_data_param.shuffle = training
    if height == width:
        layer.transform_param.crop_size = height
    else:
        layer.image_data_param.new_height = height
        layer.image_data_param.new_width = width
    if channels == 1:
        layer.image_data_param.is_color = False
    return layer


def _means(mean: Sequence[float], channels: int) -> tuple[float, ...]:
    """The mean of each channel; that of grey images is a whole number."""
    if channels == 3:
        return tuple(mean)
    return (float(round(sum(part * value for part, value in zip(_GREY, mean, strict=True)))),)


def scenes(decoder: Decoder, shape: tuple[int, ...], merged: bool) -> LayerParameter:
    """The release's data layer of whole images."""
    batch, channels, _, _ = shape
    layer = LayerParameter(name="data", type="ImageData", top=["data", "label"], include=[{"phase": "TEST"}])
    layer.transform_param.scale = IMAGE_SCALE
    layer.transform_param.mirror = False
    layer.transform_param.mean_value.extend(_means(decoder.backbone.style.scene_mean, channels))
    layer.image_data_param.source = _SCENE_SOURCE
    layer.image_data_param.batch_size = batch
    if (str(decoder), merged) not in _SHUFFLE_UNSAID:
        layer.image_data_param.shuffle = False
    if channels == 1:
        layer.image_data_param.is_color = False
    return layer


def logged_input(shape: tuple[int, ...]) -> Fragment:
    """The state and the input layer that Caffe prints of a network in the phase TRAIN."""
    net = NetParameter(state={"phase": "TRAIN", "level": 0, "stage": [""]})
    layer = net.layer.add(name="input", type="Input", top=["data"])
    layer.input_param.shape.add(dim=shape)
    return Fragment(to_text(net), to_binary(net), "data")


@lru_cache(maxsize=256)
def images_and_labels(shape: tuple[int, ...], label_size: tuple[int, int], mean: tuple[float, ...]) -> Fragment:
    """Lists of images and of their label maps, for both phases; the classes that ImageData adds are not needed."""
    batch, channels, height, width = shape
    layers = []
    for phase, prefix in (("TRAIN", "train"), ("TEST", "val")):
        images = LayerParameter(name="data", type="ImageData", top=["data", "data/class"], include=[{"phase": phase}])
        images.transform_param.scale = IMAGE_SCALE
        images.transform_param.mean_value.extend(_means(mean, channels))
        labels = LayerParameter(name="label", type="ImageData", top=["label", "label/class"])
        labels.include.add(phase=phase)
        for layer, suffix, colour, size in (
            (images, "", channels == 3, (height, width)),
            (labels, "_label", False, label_size),
        ):
            param = layer.image_data_param
            param.source = f"{prefix}{suffix}.txt"
            param.batch_size = batch
            param.shuffle = False
            param.new_height, param.new_width = size
            if not colour:
                param.is_color = False
            layers.append(layer)
    layers.append(LayerParameter(name="classes", type="Silence", bottom=["data/class", "label/class"]))
    net = NetParameter(layer=layers)
    return Fragment(to_text(net), to_binary(net), "data")


def predict(suffix: str, scores: str) -> list[LayerParameter]:
    """The release's end: probabilities of the scores, and the most probable class of every pixel."""
    prob, pred = f"prob{suffix}", f"pred{suffix}"
    layers = [
        LayerParameter(name=prob, type="Softmax", bottom=[scores], top=[prob], include=[{"phase": "TEST"}]),
        LayerParameter(name=pred, type="ArgMax", bottom=[prob], top=[pred], include=[{"phase": "TEST"}]),
    ]
    layers[1].argmax_param.axis = 1
    return layers


def scene_measures(scores: str) -> Fragment:
    """Loss and accuracy over the pixels that have a label."""
    loss = LayerParameter(name="loss", type="SoftmaxWithLoss", bottom=[scores, "label"], top=["loss"])
    loss.loss_param.ignore_label = _IGNORED_LABEL
    accuracy = LayerParameter(name="accuracy", type="Accuracy", bottom=[scores, "label"], top=["accuracy"])
    accuracy.accuracy_param.ignore_label = _IGNORED_LABEL
    accuracy.include.add(phase="TEST")
    return fragment([loss, accuracy])


@lru_cache(maxsize=256)
def measures(form: Form, classes: int, logits: str) -> Fragment:
    """Loss, where the form trains, and accuracies of a classifier."""
    layers = []
    if form == "train_val":
        layers.append(LayerParameter(name="loss", type="SoftmaxWithLoss", bottom=[logits, "label"], top=["loss"]))
    # Caffe refuses a top_k above the number of classes (accuracy_layer.cpp).
    for top_k in (k for k in (1, 5) if k <= classes):
        name = f"accuracy/top-{top_k}"
        layer = LayerParameter(name=name, type="Accuracy", bottom=[logits, "label"], top=[name])
        layer.accuracy_param.top_k = top_k
        if form == "train_val":
            layer.include.add(phase="TEST")
        layers.append(layer)
    return fragment(layers)
