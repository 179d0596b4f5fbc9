"""The shape rules of activations, by Caffe's definitions."""

from __future__ import annotations

import pytest

from prototxt_gen.errors import NetworkError

Shape = tuple[int, ...]


@pytest.mark.parametrize(
    ("layer", "bottoms", "blobs"),
    [
        ('type: "PReLU"', [(2, 3, 5)], [(3,)]),
        ('type: "PReLU" prelu_param { channel_shared: true }', [(2, 3, 5)], [()]),
    ],
)  # fmt: skip
def test_blobs(layer: str, bottoms: list[Shape], blobs: list[Shape], apply) -> None:
    assert list(apply(layer, *bottoms).blobs) == blobs


@pytest.mark.parametrize(
    ("layer", "bottoms", "message"),
    [
        ('type: "Exp" exp_param { base: 0 }', [(1, 2)], "base"),
    ],
)  # fmt: skip
def test_what_caffe_refuses(layer: str, bottoms: list[Shape], message: str, apply) -> None:
    with pytest.raises(NetworkError, match=message):
        apply(layer, *bottoms)
