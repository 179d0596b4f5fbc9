"""Accuracy and ArgMax."""

from __future__ import annotations

import numpy as np

from converters.onnx.layers.emitters import EMITTERS, FLOAT, INT64, Layer
from prototxt_gen.layers import Shape
from prototxt_gen.layers.layer_types import axis_of, count


def labels_of(layer: Layer, axis: int, ignore: int | None) -> tuple[str, str | None]:
    """The second bottom as whole numbers, with size 1 on `axis` of the scores, and where they are ignored, or None.

    Labels that are ignored become 0.
    """
    scores, shape = layer.row.bottom_shapes[:2]
    label = layer.node("Cast", [layer.bottoms[1]], to=INT64)
    wanted = (*scores[:axis], 1, *scores[axis + 1 :])
    if shape == (*scores[:axis], *scores[axis + 1 :]):
        label = layer.node("Unsqueeze", [label, layer.constant([axis], "axes")])
    elif shape != wanted:
        label = reshaped(layer, label, shape, wanted)
    if ignore is None:
        return label, None
    ignored = layer.node("Equal", [label, layer.constant([ignore], "ignore_label")])
    return layer.node("Where", [ignored, layer.constant([0], "zero"), label]), ignored


def reshaped(layer: Layer, value: str, found: Shape, wanted: Shape) -> str:
    """A value in another shape; the first size is kept where it is the same, as that of the batch may be open."""
    kept = [0] if found[:1] == wanted[:1] else list(wanted[:1])
    return layer.node("Reshape", [value, layer.constant(np.array([*kept, *wanted[1:]], np.int64), "shape")])


def one_at(layer: Layer, label: str, classes: int, axis: int, rank: int) -> str:
    """Whether each class is the label's, as bool with all classes on `axis`."""
    numbers = np.arange(classes).reshape((-1,) + (1,) * (rank - 1 - axis))
    return layer.node("Equal", [label, layer.constant(numbers, "classes")])


def total(layer: Layer, value: str, top: str | None = None) -> str:
    """The sum of all numbers, without axes."""
    return layer.node("ReduceSum", [value], top, keepdims=0)


@EMITTERS.register("Accuracy")
def accuracy(layer: Layer) -> None:
    """The share of labels for which fewer than top_k other scores are as high; a second top has it per class.

    Caffe: accuracy_layer.cpp.
    """
    options, scores = layer.parameter.accuracy_param, layer.row.bottom_shapes[0]
    axis = axis_of(layer.parameter, "accuracy_param", scores)
    label, ignored = labels_of(layer, axis, options.ignore_label if options.HasField("ignore_label") else None)
    own = layer.node("GatherElements", [layer.bottoms[0], label], axis=axis)
    higher = layer.node("Cast", [layer.node("GreaterOrEqual", [layer.bottoms[0], own])], to=FLOAT)
    number = layer.node("ReduceSum", [higher, layer.constant([axis], "axis")], keepdims=1)
    right = layer.node("LessOrEqual", [number, layer.constant(float(options.top_k), "top_k")])
    valid = layer.node("Not", [ignored]) if ignored is not None else None
    if valid is not None:
        right = layer.node("And", [right, valid])
    hits = layer.node("Cast", [right], to=FLOAT)
    if valid is None:
        layer.node("ReduceMean", [hits], layer.tops[0], keepdims=0)
    else:
        counts = total(layer, layer.node("Cast", [valid], to=FLOAT))
        layer.node("Div", [total(layer, hits), _one_or_more(layer, counts)], layer.tops[0])
    if len(layer.tops) == 1:
        return
    own_class = one_at(layer, label, scores[axis], axis, len(scores))
    others = [other for other in range(len(scores)) if other != axis]
    axes = [layer.constant(others, "others")] if others else []

    def for_each_class(mask: str | None) -> str:
        found = own_class if mask is None else layer.node("And", [own_class, mask])
        found = layer.node("Cast", [found], to=FLOAT)
        return layer.node("ReduceSum", [found, *axes], keepdims=0) if axes else found

    hits_of = for_each_class(right)
    layer.node("Div", [hits_of, _one_or_more(layer, for_each_class(valid))], layer.tops[1])


def _one_or_more(layer: Layer, number: str) -> str:
    return layer.node("Max", [number, layer.constant(1.0, "least")])


@EMITTERS.register("ArgMax")
def argmax(layer: Layer) -> None:
    """The top_k positions, or values, along an axis or in each image; of equal values the last one comes first.

    Caffe: argmax_layer.cpp.
    """
    options, bottom = layer.parameter.argmax_param, layer.row.bottom_shapes[0]
    if options.HasField("axis"):
        axis = axis_of(layer.parameter, "argmax_param", bottom)
        if options.out_max_val:
            _values(layer, layer.bottoms[0], axis, layer.tops[0])
        else:
            _places(layer, layer.bottoms[0], axis, bottom, layer.tops[0])
        return
    image = layer.node("Flatten", [layer.bottoms[0]], axis=1)
    axes = layer.constant([1, *range(3, len(bottom))], "axes")
    flat = (bottom[0], count(bottom[1:]))
    if not options.out_max_val:
        layer.node("Unsqueeze", [_places(layer, image, 1, flat), axes], layer.tops[0])
        return
    parts = [_places(layer, image, 1, flat), _values(layer, image, 1)]
    layer.node("Concat", [layer.node("Unsqueeze", [part, axes]) for part in parts], layer.tops[0], axis=1)


def _values(layer: Layer, value: str, axis: int, top: str | None = None) -> str:
    """The top_k largest along an axis."""
    top_k = layer.parameter.argmax_param.top_k
    if top_k == 1:
        return layer.node("ReduceMax", [value], top, axes=[axis], keepdims=1)
    largest = layer.value("values") if top is None else top
    layer.nodes("TopK", [value, layer.constant([top_k], "top_k")], [largest, layer.value("unused")], axis=axis)
    return largest


def _places(layer: Layer, value: str, axis: int, shape: Shape, top: str | None = None) -> str:
    """Their places as float32. ONNX puts the first of equal values first: so the axis is turned round."""
    top_k = layer.parameter.argmax_param.top_k
    if top_k == 1:
        place = layer.node("ArgMax", [value], axis=axis, keepdims=1, select_last_index=1)
        return layer.node("Cast", [place], top, to=FLOAT)
    edges = {"starts": [-1], "ends": [np.iinfo(np.int64).min], "axes": [axis], "steps": [-1]}
    turned = layer.node("Slice", [value, *(layer.constant(edge, name) for name, edge in edges.items())])
    place = layer.value("places")
    layer.nodes("TopK", [turned, layer.constant([top_k], "top_k")], [layer.value("unused"), place], axis=axis)
    place = layer.node("Sub", [layer.constant([shape[axis] - 1], "last"), place])
    return layer.node("Cast", [place], top, to=FLOAT)
