"""The shape rules of losses, by Caffe's definitions."""

from __future__ import annotations

import pytest

from prototxt_gen.errors import NetworkError

Shape = tuple[int, ...]


@pytest.mark.parametrize(
    ("layer", "bottoms", "tops"),
    [
        # Losses name their top or not, and may have a second.
        ('type: "SoftmaxWithLoss"', [(2, 3, 4), (2, 4)], [()]),
        ('type: "SoftmaxWithLoss" top: "l" softmax_param { axis: -1 }', [(2, 3, 4), (2, 1, 3)], [()]),
        ('type: "InfogainLoss" top: "l" top: "p" loss_weight: [1, 0]', [(2, 3), (2,), (1, 1, 3, 3)], [(), (2, 3)]),
        ('type: "ContrastiveLoss"', [(2, 3), (2, 3, 1, 1), (2,)], [()]),
    ],
)  # fmt: skip
def test_tops(layer: str, bottoms: list[Shape], tops: list[Shape], apply) -> None:
    assert list(apply(layer, *bottoms).tops) == tops


@pytest.mark.parametrize(
    ("layer", "bottoms", "message"),
    [
        ('type: "SoftmaxWithLoss" top: "l"', [(2, 3), (3,)], r"bottom\[1\]"),
        ('type: "SoftmaxWithLoss" top: "l"', [(2, 3, 4), (2, 3)], "expected 8"),
        # Caffe: "top.size() == num_loss_weights (2 vs. 1)" without weights, "(1 vs. 2)" of the Softmax inside with two.
        ('type: "SoftmaxWithLoss" top: "l" top: "p"', [(2, 3), (2,)], "top: found 2, expected 1"),
        ('type: "SoftmaxWithLoss" top: "l" top: "p" loss_weight: [1, 0]', [(2, 3), (2,)], "top: found 2, expected 1"),
        ('type: "InfogainLoss" top: "l" top: "p"', [(2, 3), (2,), (1, 1, 3, 3)], "loss_weight: found 0, expected 2"),
        # Caffe: "normalize is deprecated. use normalization", whatever its value.
        ('type: "InfogainLoss" loss_param { normalize: false }', [(2, 3), (2,), (1, 1, 3, 3)], "loss_param.normalize"),
        # Caffe: blob.cpp, "Check failed: diff_".
        ('type: "SoftmaxWithLoss"', [(0, 3), (0,)], "1 number or more"),
        ('type: "EuclideanLoss"', [(2, 3), (2, 4)], r"bottom\[1\]"),
        ('type: "EuclideanLoss"', [(2, 3, 1, 1, 1), (2, 3, 1, 1, 1)], "4 axes"),
        ('type: "HingeLoss"', [(2, 3, 1, 1, 1), (2,)], "4 axes"),
        ('type: "MultinomialLogisticLoss"', [(2, 3, 1, 1, 1), (2,)], "4 axes"),
        ('type: "ContrastiveLoss"', [(2, 3), (2, 3), (1,)], r"bottom\[2\].*at least 2"),
        ('type: "SigmoidCrossEntropyLoss" bottom: "x" bottom: "t" top: "x"', [(2, 3), (2, 3)], "in place"),
        ('type: "InfogainLoss"', [(2, 3), (2,)], "source"),
    ],
)  # fmt: skip
def test_what_caffe_refuses(layer: str, bottoms: list[Shape], message: str, apply) -> None:
    with pytest.raises(NetworkError, match=message):
        apply(layer, *bottoms)
