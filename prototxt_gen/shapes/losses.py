"""Shape rules of losses and scores."""

from __future__ import annotations

from collections.abc import Sequence

from prototxt_gen.proto import LayerParameter
from prototxt_gen.shapes.rules import LayerShape, Shape, canonical_axis, count, require, shape_rule


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


def check_batches(bottoms: Sequence[Shape]) -> None:
    """Prediction and label have the same first axis (Caffe: loss_layer.cpp, Reshape)."""
    for index in (0, 1):
        require(len(bottoms[index]) > 0, f"bottom[{index}]", "no axes", "1 axis or more")
    require(
        bottoms[0][0] == bottoms[1][0], "bottom[1]", f"shape {bottoms[1]}", f"{bottoms[0][0]} on axis 0 as bottom[0]"
    )


@shape_rule("Accuracy", bottoms=2, tops=(1, 2))
def accuracy(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """One number; a second top holds one for each class (Caffe: accuracy_layer.cpp)."""
    scores, top_k = bottoms[0], layer.accuracy_param.top_k
    axis = canonical_axis(layer.accuracy_param.axis, scores, "accuracy_param.axis")
    check_labels(axis, bottoms)
    require(top_k <= scores[axis], "accuracy_param.top_k", top_k, f"at most the {scores[axis]} classes")
    return LayerShape(((), (scores[axis],))[: len(layer.top)])


@shape_rule("SoftmaxWithLoss", bottoms=2, tops=(1, 2), automatic=True)
def softmax_with_loss(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """One number; a second top holds the probabilities (Caffe: softmax_loss_layer.cpp)."""
    axis = canonical_axis(layer.softmax_param.axis, bottoms[0], "softmax_param.axis")
    check_batches(bottoms)
    check_labels(axis, bottoms)
    return LayerShape(((), bottoms[0])[: max(1, len(layer.top))])
