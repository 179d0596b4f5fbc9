"""Layers that score or decide: Accuracy and ArgMax."""

from __future__ import annotations

from collections.abc import Sequence

from prototxt_gen.layers.layer_types import LayerShape, Shape, axis_of, count, layer_type, require
from prototxt_gen.proto import LayerParameter


def check_labels(axis: int, bottoms: Sequence[Shape]) -> None:
    """One label for each position of the scores outside `axis`."""
    scores, labels = bottoms[:2]
    positions = count(scores[:axis]) * count(scores[axis + 1 :])
    require(
        count(labels) == positions,
        "bottom[1]",
        f"{count(labels)} labels in shape {labels}",
        f"{positions}, one for each position of scores of shape {scores} outside axis {axis}",
    )


@layer_type(
    "ArgMax",
    options=("argmax_param",),
    source="argmax_layer.cpp",
    does="top_k places or values, along an axis or over each image",
    differs="no gradient, as in Caffe",
)
def argmax(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """top_k positions on the axis, or (batch, 1 or 2, top_k) without one (Caffe: argmax_layer.cpp).

    out_max_val gives the values: in place of the positions where there is an axis, else beside them, as a second
    channel.
    """
    options, bottom = layer.argmax_param, bottoms[0]
    top_k = options.top_k
    require(top_k > 0, "argmax_param.top_k", top_k, "1 or more")
    if options.HasField("axis"):
        axis = axis_of(layer, "argmax_param", bottom)
        require(top_k <= bottom[axis], "argmax_param.top_k", top_k, f"at most {bottom[axis]}, the size of axis {axis}")
        return LayerShape(((*bottom[:axis], top_k, *bottom[axis + 1 :]),))
    require(len(bottom) > 0, "bottom[0]", "no axes", "1 axis or more")
    require(top_k <= count(bottom[1:]), "argmax_param.top_k", top_k, f"at most {count(bottom[1:])}")
    top = (bottom[0], 2 if options.out_max_val else 1, top_k) + (1,) * (len(bottom) - 3)
    return LayerShape((top,))


@layer_type(
    "Accuracy",
    options=("accuracy_param",),
    source="accuracy_layer.cpp",
    bottoms=2,
    tops=(1, 2),
    in_place=False,
    labels=(1,),
    does="top_k, any axis, ignore_label; per-class accuracy as a second top",
)
def accuracy(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """One number; a second top holds one for each class (Caffe: accuracy_layer.cpp)."""
    scores, top_k = bottoms[0], layer.accuracy_param.top_k
    axis = axis_of(layer, "accuracy_param", scores)
    check_labels(axis, bottoms)
    require(top_k <= scores[axis], "accuracy_param.top_k", top_k, f"at most the {scores[axis]} classes")
    return LayerShape(((), (scores[axis],))[: len(layer.top)])
