"""The shape rules of normalization, by Caffe's definitions."""

from __future__ import annotations

import pytest

from prototxt_gen.errors import NetworkError

Shape = tuple[int, ...]


@pytest.mark.parametrize(
    ("layer", "bottoms", "tops"),
    [
        ('type: "MVN"', [(2, 3)], [(2, 3, 1, 1)]),
    ],
)  # fmt: skip
def test_tops(layer: str, bottoms: list[Shape], tops: list[Shape], apply) -> None:
    assert list(apply(layer, *bottoms).tops) == tops


@pytest.mark.parametrize(
    ("layer", "bottoms", "blobs"),
    [
        ('type: "Normalize" norm_param { channel_shared: false }', [(2, 3, 5, 5)], [(3,)]),
        ('type: "Normalize"', [(2, 3, 5, 5)], [()]),
    ],
)  # fmt: skip
def test_blobs(layer: str, bottoms: list[Shape], blobs: list[Shape], apply) -> None:
    assert list(apply(layer, *bottoms).blobs) == blobs


@pytest.mark.parametrize(
    ("layer", "bottoms", "message"),
    [
        ('type: "LRN" lrn_param { local_size: 4 }', [(1, 2, 3, 3)], "odd"),
        ('type: "BatchNorm"', [(3,)], "2 axes"),
        # Caffe: "Cannot configure batch normalization statistics as layer parameters."
        ('type: "BatchNorm" param { } param { lr_mult: 0 }', [(2, 3)], r"param\[0\].lr_mult: found 1"),
        ('type: "BatchNorm"', [(3, 0)], "1 number or more"),
        ('type: "Softmax"', [(3, 0)], "1 number or more"),
    ],
)  # fmt: skip
def test_what_caffe_refuses(layer: str, bottoms: list[Shape], message: str, apply) -> None:
    with pytest.raises(NetworkError, match=message):
        apply(layer, *bottoms)
