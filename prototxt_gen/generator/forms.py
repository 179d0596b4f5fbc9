"""The forms that networks are written in: what they begin with, and what they end in."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from prototxt_gen.architectures import Backbone, Decoder, last_stages, sizes_of
from prototxt_gen.architectures.kinds import IMAGE_SCALE
from prototxt_gen.binary import to_binary
from prototxt_gen.errors import ArchitectureError
from prototxt_gen.generator.arguments import Form, checked_architecture, checked_shape
from prototxt_gen.generator.decoders import Resizing
from prototxt_gen.generator.elements import Phase
from prototxt_gen.generator.fragments import Fragment, fragment, named
from prototxt_gen.proto import LayerParameter, NetParameter

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


_SCENE_FORMS = {
    "deploy": SceneForm("input", (Resizing(),), "scores"),
    "train_val": SceneForm("images and labels", (Resizing(),), "loss"),
    "release": SceneForm("images", (Resizing("TRAIN", square=True), Resizing("TEST")), "labels", named=False),
}
# The networks without upsampling exist in logs only: as `caffe time` prints a network, in the phase TRAIN.
_LOGGED = SceneForm("logged input", (Resizing("TRAIN"),), "scores", named=False)
# The one file of the release whose ImageData does not say `shuffle: false`: (architecture, merged).
_SHUFFLE_UNSAID = {("s32-64_b64x3_b128x3_b256x3-512_p128-512_d128-32-19_u8_c19", False)}


def scene_form(decoder: Decoder, form: Form) -> SceneForm:
    """How the form writes this segmentation network."""
    return _LOGGED if form == "release" and decoder.upsampling == 1 else _SCENE_FORMS[form]


def label_size(architecture: Decoder | str, input_shape: Sequence[int] | None = None) -> tuple[int, int]:
    """Height and width that the label maps of a train_val network must have: those of the scores.

    Caffe resizes images by interpolation, which turns class ids into other ids, so a train_val network takes label
    files as they are. `input_shape` is the network's, as in `generate`. ArchitectureError for a backbone.
    """
    spec = checked_architecture(architecture)
    if not isinstance(spec, Decoder):
        raise ArchitectureError(f"architecture {spec}: found a classification network, which reads no label maps")
    _, _, height, width = checked_shape(input_shape, spec, "train_val")
    stages = last_stages(spec.backbone)
    stride = list(stages)[-len(spec.channels)]
    if spec.upsampling == stride:
        return height, width
    rows, columns = sizes_of(spec.backbone, height, width)[1 + stages[stride]]
    return spec.upsampling * rows, spec.upsampling * columns


def beginning(spec: Backbone | Decoder, form: Form, shape: tuple[int, ...], merged: bool) -> list[Fragment]:
    """The name, where the form gives one, and the data layers; the first top of the last fragment is `data`."""
    if isinstance(spec, Backbone):
        source = _data(form, shape, spec.traits.mean)
        return [source] if form == "release" else [named(str(spec)), source]
    written = scene_form(spec, form)
    if written.source == "input":
        source = _data("deploy", shape, ())
    elif written.source == "logged input":
        source = _logged_input(shape)
    elif written.source == "images":
        source = fragment([_scenes(spec, shape, merged)])
    else:
        source = _images_and_labels(shape, spec.backbone.traits.scene_mean)
    return [named(str(spec)), source] if written.named else [source]


def ending(spec: Backbone | Decoder, form: Form, scores: str, coarse: str) -> list[Fragment]:
    """What follows the logits or the scores; `coarse` is the top of a decoder's scores before they are enlarged."""
    if isinstance(spec, Backbone):
        return [] if form == "deploy" else [_measures(form, spec.classes, scores)]
    ends_in = scene_form(spec, form).ends_in
    if ends_in == "labels":
        stride = list(last_stages(spec.backbone))[-len(spec.channels)]
        return [fragment([*_predict("", scores), *_predict(f"_d{stride}", coarse)])]
    return [_scene_measures(scores)] if ends_in == "loss" else []


@lru_cache(maxsize=256)
def _data(form: Form, shape: tuple[int, ...], mean: tuple[float, ...]) -> Fragment:
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


def _scenes(decoder: Decoder, shape: tuple[int, ...], merged: bool) -> LayerParameter:
    """The release's data layer of whole images."""
    batch, channels, _, _ = shape
    layer = LayerParameter(name="data", type="ImageData", top=["data", "label"], include=[{"phase": "TEST"}])
    layer.transform_param.scale = IMAGE_SCALE
    layer.transform_param.mirror = False
    layer.transform_param.mean_value.extend(_means(decoder.backbone.traits.scene_mean, channels))
    layer.image_data_param.source = _SCENE_SOURCE
    layer.image_data_param.batch_size = batch
    if (str(decoder), merged) not in _SHUFFLE_UNSAID:
        layer.image_data_param.shuffle = False
    if channels == 1:
        layer.image_data_param.is_color = False
    return layer


def _logged_input(shape: tuple[int, ...]) -> Fragment:
    """The state and the input layer that Caffe prints of a network in the phase TRAIN."""
    net = NetParameter(state={"phase": "TRAIN", "level": 0, "stage": [""]})
    layer = net.layer.add(name="input", type="Input", top=["data"])
    layer.input_param.shape.add(dim=shape)
    return Fragment(to_binary(net), "data")


@lru_cache(maxsize=256)
def _images_and_labels(shape: tuple[int, ...], mean: tuple[float, ...]) -> Fragment:
    """Lists of images and of their label maps, for both phases; the classes that ImageData adds are not needed.

    Label maps are read as they are: a size would make Caffe interpolate class ids (Caffe: io.cpp, ReadImageToCVMat).
    """
    batch, channels, height, width = shape
    layers = []
    for phase, prefix in (("TRAIN", "train"), ("TEST", "val")):
        images = LayerParameter(name="data", type="ImageData", top=["data", "data/class"], include=[{"phase": phase}])
        images.transform_param.scale = IMAGE_SCALE
        images.transform_param.mean_value.extend(_means(mean, channels))
        labels = LayerParameter(name="label", type="ImageData", top=["label", "label/class"])
        labels.include.add(phase=phase)
        for layer, suffix, colour in ((images, "", channels == 3), (labels, "_label", False)):
            options = layer.image_data_param
            options.source = f"{prefix}{suffix}.txt"
            options.batch_size = batch
            options.shuffle = False
            if layer is images:
                options.new_height, options.new_width = height, width
            if not colour:
                options.is_color = False
            layers.append(layer)
    layers.append(LayerParameter(name="classes", type="Silence", bottom=["data/class", "label/class"]))
    net = NetParameter(layer=layers)
    return Fragment(to_binary(net), "data")


def _predict(suffix: str, scores: str) -> list[LayerParameter]:
    """The release's end: probabilities of the scores, and the most probable class of every pixel."""
    prob, pred = f"prob{suffix}", f"pred{suffix}"
    layers = [
        LayerParameter(name=prob, type="Softmax", bottom=[scores], top=[prob], include=[{"phase": "TEST"}]),
        LayerParameter(name=pred, type="ArgMax", bottom=[prob], top=[pred], include=[{"phase": "TEST"}]),
    ]
    layers[1].argmax_param.axis = 1
    return layers


def _scene_measures(scores: str) -> Fragment:
    """Loss and accuracy over the pixels that have a label."""
    loss = LayerParameter(name="loss", type="SoftmaxWithLoss", bottom=[scores, "label"], top=["loss"])
    loss.loss_param.ignore_label = _IGNORED_LABEL
    accuracy = LayerParameter(name="accuracy", type="Accuracy", bottom=[scores, "label"], top=["accuracy"])
    accuracy.accuracy_param.ignore_label = _IGNORED_LABEL
    accuracy.include.add(phase="TEST")
    return fragment([loss, accuracy])


@lru_cache(maxsize=256)
def _measures(form: Form, classes: int, logits: str) -> Fragment:
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
