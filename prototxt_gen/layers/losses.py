"""Caffe's losses.

`loss_weights` says how much every top of a layer counts in what the solver minimises.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from prototxt_gen.layers.layer_types import (
    LayerShape,
    Shape,
    axis_of,
    check_numbers,
    count,
    layer_type,
    legacy_shape,
    require,
)
from prototxt_gen.layers.scores import check_labels
from prototxt_gen.proto import LayerParameter

_loss = partial(layer_type, bottoms=2, automatic=True, in_place=False)
"""Enters a loss: of a prediction and a label, its top added by Caffe where none is named."""


def check_batches(bottoms: Sequence[Shape]) -> None:
    """Prediction and label have the same first axis (Caffe: loss_layer.cpp, Reshape)."""
    for index in (0, 1):
        require(len(bottoms[index]) > 0, f"bottom[{index}]", "no axes", "1 axis or more")
    require(
        bottoms[0][0] == bottoms[1][0], "bottom[1]", f"shape {bottoms[1]}", f"{bottoms[0][0]} on axis 0 as bottom[0]"
    )


def loss_weights(layer: LayerParameter, tops: int) -> tuple[float, ...]:
    """The weight of each of a layer's tops in what the solver minimises; 0 where it is no loss.

    The types that end in Loss count with weight 1 where none is stated (Caffe: loss_layer.cpp, layer.hpp).
    """
    stated = tuple(layer.loss_weight) or (1.0,) * layer.type.endswith("Loss")
    return (stated + (0.0,) * tops)[:tops]


def _check_counts(bottoms: Sequence[Shape], first: int) -> None:
    """Prediction and target hold as many numbers on the axes from `first` on."""
    wanted, found = (count(bottom[first:]) for bottom in bottoms[:2])
    require(found == wanted, "bottom[1]", f"shape {bottoms[1]}", f"as many numbers as {bottoms[0]} of bottom[0]")


def _check_single(bottoms: Sequence[Shape], index: int, first: int) -> None:
    """The bottom has one number on the axes from `first` on."""
    shape = legacy_shape(bottoms[index], f"bottom[{index}]")
    require(
        shape[first:] == (1,) * (4 - first), f"bottom[{index}]", f"shape {bottoms[index]}", f"1 from axis {first} on"
    )


@_loss(
    "SoftmaxWithLoss",
    options=("loss_param", "softmax_param"),
    source="softmax_loss_layer.cpp",
    labels=(1,),
    does="any axis, ignore_label, every normalization",
    differs="one top only: Caffe refuses a second one, whatever the loss weights",
)
def softmax_with_loss(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """One number (Caffe: softmax_loss_layer.cpp).

    Caffe's second top, the probabilities, cannot be used: two tops need two loss weights, and the Softmax inside, which
    has one top, refuses two.
    """
    axis = axis_of(layer, "softmax_param", bottoms[0])
    check_batches(bottoms)
    check_labels(axis, bottoms)
    check_numbers(bottoms[0])
    return LayerShape(((),))


@_loss("EuclideanLoss", source="euclidean_loss_layer.cpp")
def euclidean_loss(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """One number (Caffe: euclidean_loss_layer.cpp)."""
    check_batches(bottoms)
    legacy_shape(bottoms[0], "bottom[0]")
    _check_counts(bottoms, first=1)
    return LayerShape(((),))


@_loss(
    "SigmoidCrossEntropyLoss",
    options=("loss_param",),
    source="sigmoid_cross_entropy_loss_layer.cpp",
    does="ignore_label, every normalization",
)
def sigmoid_cross_entropy_loss(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """One number (Caffe: sigmoid_cross_entropy_loss_layer.cpp)."""
    check_batches(bottoms)
    _check_counts(bottoms, first=0)
    return LayerShape(((),))


@_loss(
    "HingeLoss",
    options=("hinge_loss_param",),
    source="hinge_loss_layer.cpp",
    labels=(1,),
    does="L1 and L2",
)
def hinge_loss(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """One number; where there are more labels than items, the first ones are used (Caffe: hinge_loss_layer.cpp)."""
    check_batches(bottoms)
    legacy_shape(bottoms[0], "bottom[0]")
    return LayerShape(((),))


@_loss(
    "MultinomialLogisticLoss",
    source="multinomial_logistic_loss_layer.cpp",
    labels=(1,),
)
def multinomial_logistic_loss(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """One number, from one label for each item (Caffe: multinomial_logistic_loss_layer.cpp)."""
    check_batches(bottoms)
    legacy_shape(bottoms[0], "bottom[0]")
    _check_single(bottoms, 1, first=1)
    return LayerShape(((),))


@_loss(
    "InfogainLoss",
    options=("infogain_loss_param", "loss_param"),
    source="infogain_loss_layer.cpp",
    bottoms=(2, 3),
    tops=(1, 2),
    labels=(1,),
    does="the matrix as a third bottom or as a file; ignore_label, every normalization",
)
def infogain_loss(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """One number; a second top holds the probabilities (Caffe: infogain_loss_layer.cpp).

    The matrix, classes x classes, is a third bottom or a file that is not read here. The loss weight that Caffe fills
    in is for one top, so two tops need both stated (Caffe: loss_layer.cpp).
    """
    require(not layer.loss_param.HasField("normalize"), "loss_param.normalize", "it", "normalization instead")
    axis = axis_of(layer, "infogain_loss_param", bottoms[0])
    check_batches(bottoms)
    check_labels(axis, bottoms)
    classes = bottoms[0][axis]
    if len(bottoms) == 3:
        fits = count(bottoms[2]) == classes**2
        require(fits, "bottom[2]", f"shape {bottoms[2]}", f"{classes**2} numbers for {classes} classes")
    else:
        require(
            layer.infogain_loss_param.HasField("source"), "infogain_loss_param.source", "none", "a file or a bottom"
        )
    check_numbers(bottoms[0])
    if len(layer.top) == 2:
        require(len(layer.loss_weight) == 2, "loss_weight", len(layer.loss_weight), "2, one for each top")
    return LayerShape(((), bottoms[0])[: max(1, len(layer.top))])


@_loss(
    "ContrastiveLoss",
    options=("contrastive_loss_param",),
    source="contrastive_loss_layer.cpp",
    bottoms=3,
    labels=(2,),
    does="margin, legacy_version",
)
def contrastive_loss(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """One number, from pairs of vectors and whether they are alike (Caffe: contrastive_loss_layer.cpp)."""
    check_batches(bottoms)
    for index in (0, 1):
        _check_single(bottoms, index, first=2)
    _check_single(bottoms, 2, first=1)
    channels = [legacy_shape(bottom, "bottom")[1] for bottom in bottoms[:2]]
    require(channels[0] == channels[1], "bottom[1]", f"shape {bottoms[1]}", f"{channels[0]} channels as bottom[0]")
    # Caffe would read past the end.
    pairs = bottoms[0][0]
    require(
        count(bottoms[2]) >= pairs, "bottom[2]", f"shape {bottoms[2]}", f"at least {pairs} numbers, one for each pair"
    )
    return LayerShape(((),))
