"""Loss layers. Every value is unweighted, as in Caffe's tops."""

from __future__ import annotations

import math

import numpy as np

from converters.onnx.layers.emitters import EMITTERS, FLOAT, INT64, Layer
from converters.onnx.layers.scores import labels_of, one_at, reshaped, total
from converters.weights.infogain import read_infogain
from prototxt_gen.layers import Shape
from prototxt_gen.layers.layer_types import axis_of, count
from prototxt_gen.proto import LossParameter

_LOG_FLOOR = 1e-20  # Caffe: kLOG_THRESHOLD in loss_layer.hpp
_SMALLEST = float(np.finfo(np.float32).tiny)


def _normalization(loss: LossParameter, default: str) -> str:
    """FULL, VALID, BATCH_SIZE or NONE; the older `normalize` stands for VALID or BATCH_SIZE."""
    if loss.HasField("normalization"):
        return loss.NormalizationMode.Name(loss.normalization)
    if loss.HasField("normalize"):
        return "VALID" if loss.normalize else "BATCH_SIZE"
    return default


def _ignored(loss: LossParameter) -> int | None:
    return loss.ignore_label if loss.HasField("ignore_label") else None


def _normalized(layer: Layer, each: str, shape: Shape, mode: str, axis: int, ignored: str | None) -> None:
    """The top: the sum of `each`, of this shape, divided by how many count, at any size.

    BATCH_SIZE is the number of items, the sizes before `axis`. `each` is 0 where `ignored`.
    """
    if mode == "VALID" and ignored is not None:
        valid = total(layer, layer.node("Cast", [layer.node("Not", [ignored])], to=FLOAT))
        least = layer.node("Max", [valid, layer.constant(1.0, "least")])
        layer.node("Div", [total(layer, each), least], layer.tops[0])
    elif mode == "NONE" or (mode == "BATCH_SIZE" and axis == 0):
        total(layer, each, layer.tops[0])
    elif mode == "BATCH_SIZE" and axis < len(shape):
        inner = layer.constant(list(range(axis, len(shape))), "inner")
        layer.node("ReduceMean", [layer.node("ReduceSum", [each, inner], keepdims=0)], layer.tops[0], keepdims=0)
    else:
        layer.node("ReduceMean", [each], layer.tops[0], keepdims=0)


def _of_items(layer: Layer, each: str, rank: int, top: str | None = None) -> str:
    """The sum of all numbers divided by the size of the first axis."""
    if rank > 1:
        each = layer.node("ReduceSum", [each, layer.constant(list(range(1, rank)), "inner")], keepdims=0)
    return layer.node("ReduceMean", [each], top, keepdims=0)


def _as_first(layer: Layer, place: int) -> str:
    """A bottom in the shape of the first."""
    wanted, found = layer.row.bottom_shapes[0], layer.row.bottom_shapes[place]
    return layer.bottoms[place] if found == wanted else reshaped(layer, layer.bottoms[place], found, wanted)


def _item_labels(layer: Layer, place: int) -> str:
    """A bottom as (items, 1) whole numbers; where it has more of them the first ones are used."""
    items, shape = layer.row.bottom_shapes[0][0], layer.row.bottom_shapes[place]
    label = layer.bottoms[place]
    if len(shape) != 2 or shape[1] != 1:
        label = layer.node("Reshape", [label, layer.constant([-1, 1], "column")])
    if count(shape) > items:
        edges = {"starts": [0], "ends": [items], "axes": [0]}
        label = layer.node("Slice", [label, *(layer.constant(edge, name) for name, edge in edges.items())])
    return layer.node("Cast", [label], to=INT64)


def _rows(layer: Layer, place: int = 0) -> str:
    """A bottom with one row for each item."""
    if len(layer.row.bottom_shapes[place]) == 2:
        return layer.bottoms[place]
    return layer.node("Flatten", [layer.bottoms[place]], axis=1)


@EMITTERS.register("SoftmaxWithLoss")
def softmax_with_loss(layer: Layer) -> None:
    """The probability is at least the smallest normal float32. Caffe: softmax_loss_layer.cpp."""
    scores = layer.row.bottom_shapes[0]
    axis = axis_of(layer.parameter, "softmax_param", scores)
    options = layer.parameter.loss_param
    label, ignored = labels_of(layer, axis, _ignored(options))
    logs = layer.node("LogSoftmax", [layer.bottoms[0]], axis=axis)
    logs = layer.node("GatherElements", [logs, label], axis=axis)
    each = layer.node("Neg", [layer.node("Max", [logs, layer.constant(math.log(_SMALLEST), "least_log")])])
    if ignored is not None:
        each = layer.node("Where", [ignored, layer.constant(0.0, "nothing"), each])
    shape = (*scores[:axis], 1, *scores[axis + 1 :])
    _normalized(layer, each, shape, _normalization(options, "VALID"), axis, ignored)


@EMITTERS.register("SigmoidCrossEntropyLoss")
def sigmoid_cross_entropy_loss(layer: Layer) -> None:
    """Divided by the batch size by default. Caffe: sigmoid_cross_entropy_loss_layer.cpp."""
    options, x, target = layer.parameter.loss_param, layer.bottoms[0], _as_first(layer, 1)
    ignore, ignored = _ignored(options), None
    tail = layer.node("Softplus", [layer.node("Neg", [layer.node("Abs", [x])])])
    each = layer.node("Sub", [layer.node("Relu", [x]), layer.node("Mul", [x, target])])
    each = layer.node("Add", [each, tail])
    if ignore is not None:
        whole = layer.node("Cast", [target], to=INT64)
        ignored = layer.node("Equal", [whole, layer.constant([ignore], "ignore_label")])
        each = layer.node("Where", [ignored, layer.constant(0.0, "nothing"), each])
    _normalized(layer, each, layer.row.bottom_shapes[0], _normalization(options, "BATCH_SIZE"), 1, ignored)


@EMITTERS.register("InfogainLoss")
def infogain_loss(layer: Layer) -> None:
    """Softmax, then its logarithms weighted by the row of a matrix that the label picks.

    The softmax goes along infogain_loss_param's axis, whatever softmax_param says. A second top has the probabilities.
    Caffe: infogain_loss_layer.cpp.
    """
    scores, options = layer.row.bottom_shapes[0], layer.parameter.loss_param
    axis = axis_of(layer.parameter, "infogain_loss_param", scores)
    last, classes = len(scores) - 1, scores[axis]
    if len(layer.bottoms) > 2:
        matrix = layer.bottoms[2]
        if layer.row.bottom_shapes[2] != (classes, classes):
            matrix = layer.node("Reshape", [matrix, layer.constant([classes, classes], "shape")])
    else:
        matrix = layer.constant(read_infogain(layer.parameter.infogain_loss_param.source, classes), "matrix")
    label, ignored = labels_of(layer, axis, _ignored(options))
    logs = layer.node("LogSoftmax", [layer.bottoms[0]], axis=axis)
    logs = layer.node("Max", [logs, layer.constant(math.log(_LOG_FLOOR), "least_log")])
    if axis != last:
        logs = layer.node("Transpose", [logs], perm=[*(place for place in range(last + 1) if place != axis), axis])
    positions = layer.node("Squeeze", [label, layer.constant([axis], "class_axis")])
    weights = layer.node("Gather", [matrix, positions], axis=0)
    sums = layer.node("ReduceSum", [layer.node("Mul", [weights, logs]), layer.constant([last], "classes")], keepdims=1)
    each = layer.node("Neg", [sums])
    if ignored is not None:
        out = layer.node("Squeeze", [ignored, layer.constant([axis], "ignored_axis")])
        out = layer.node("Unsqueeze", [out, layer.constant([last], "ignored_axis")])
        each = layer.node("Where", [out, layer.constant(0.0, "nothing"), each])
    shape = (*scores[:axis], *scores[axis + 1 :], 1)
    _normalized(layer, each, shape, _normalization(options, "VALID"), axis, ignored)
    if len(layer.tops) > 1:
        layer.node("Softmax", [layer.bottoms[0]], layer.tops[1], axis=axis)


@EMITTERS.register("MultinomialLogisticLoss")
def multinomial_logistic_loss(layer: Layer) -> None:
    """-log of the probability at the label, over the batch. Caffe: multinomial_logistic_loss_layer.cpp."""
    own = layer.node("GatherElements", [_rows(layer), _item_labels(layer, 1)], axis=1)
    logs = layer.node("Log", [layer.node("Max", [own, layer.constant(_LOG_FLOOR, "least")])])
    _of_items(layer, layer.node("Neg", [logs]), 2, layer.tops[0])


@EMITTERS.register("EuclideanLoss")
def euclidean_loss(layer: Layer) -> None:
    """Half the squared distance, over the batch. Caffe: euclidean_loss_layer.cpp."""
    difference = layer.node("Sub", [layer.bottoms[0], _as_first(layer, 1)])
    mean = _of_items(layer, layer.node("Mul", [difference, difference]), len(layer.row.bottom_shapes[0]))
    layer.node("Mul", [mean, layer.constant(0.5, "half")], layer.tops[0])


@EMITTERS.register("HingeLoss")
def hinge_loss(layer: Layer) -> None:
    """One against all with margin 1, L1 or L2, over the batch. Caffe: hinge_loss_layer.cpp."""
    options, scores = layer.parameter.hinge_loss_param, _rows(layer)
    own = one_at(layer, _item_labels(layer, 1), count(layer.row.bottom_shapes[0][1:]), 1, 2)
    signed = layer.node("Where", [own, layer.node("Neg", [scores]), scores])
    margins = layer.node("Relu", [layer.node("Add", [signed, layer.constant(1.0, "margin")])])
    if options.norm == options.L2:
        margins = layer.node("Mul", [margins, margins])
    _of_items(layer, margins, 2, layer.tops[0])


@EMITTERS.register("ContrastiveLoss")
def contrastive_loss(layer: Layer) -> None:
    """Squared distance of similar pairs; for others the square of what is missing to the margin.

    Caffe: contrastive_loss_layer.cpp.
    """
    options = layer.parameter.contrastive_loss_param
    difference = layer.node("Sub", [_rows(layer, 0), _rows(layer, 1)])
    axis = layer.constant([1], "axis")
    squares = layer.node("ReduceSum", [layer.node("Mul", [difference, difference]), axis], keepdims=1)
    margin = layer.constant(options.margin, "margin")
    distance = squares if options.legacy_version else layer.node("Sqrt", [squares])
    apart = layer.node("Relu", [layer.node("Sub", [margin, distance])])
    if not options.legacy_version:
        apart = layer.node("Mul", [apart, apart])
    unlike = layer.node("Equal", [_item_labels(layer, 2), layer.constant([0], "unlike")])
    mean = _of_items(layer, layer.node("Where", [unlike, apart, squares]), 2)
    layer.node("Mul", [mean, layer.constant(0.5, "half")], layer.tops[0])
