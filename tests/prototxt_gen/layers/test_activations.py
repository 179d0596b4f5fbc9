"""The shape rules of activations, by Caffe's definitions."""

from __future__ import annotations

import pytest

from prototxt_gen.errors import NetworkError

Shape = tuple[int, ...]


@pytest.mark.parametrize(
    ("layer", "bottoms", "tops"),
    [
        ('type: "Exp" exp_param { base: 1 }', [(1, 2)], [(1, 2)]),
        ('type: "Log" log_param { base: -1 }', [(1, 2)], [(1, 2)]),
        ('type: "Log" log_param { base: 0.5 }', [(1, 2)], [(1, 2)]),
        # Caffe runs both: without clip_param it clips to 0..0.
        ('type: "Clip"', [(1, 2)], [(1, 2)]),
        ('type: "Clip" clip_param { min: 1 max: -1 }', [(1, 2)], [(1, 2)]),
    ],
)  # fmt: skip
def test_tops(layer: str, bottoms: list[Shape], tops: list[Shape], apply) -> None:
    assert list(apply(layer, *bottoms).tops) == tops


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
        # Caffe: log_layer.cpp, "Inf result: 1/log(base) = 1/log(1) = inf"; to base 1 Exp gives ones.
        ('type: "Log" log_param { base: 1 }', [(1, 2)], "log_param.base: found 1"),
        ('type: "Log" log_param { base: -2 }', [(1, 2)], "log_param.base"),
        # Caffe's text parser: "Message missing required fields: layer[1].clip_param.max".
        ('type: "Clip" clip_param { min: 1 }', [(1, 2)], "clip_param: found no max, expected min and max"),
        ('type: "Clip" clip_param { max: 1 }', [(1, 2)], "clip_param: found no min"),
        ('type: "Clip" clip_param { }', [(1, 2)], "clip_param: found no min and no max"),
        # Caffe: blob.hpp, "Cannot use legacy accessors on Blobs with > 4 axes."
        ('type: "PReLU"', [(2, 3, 4, 5, 6)], "2 to 4 axes"),
        ('type: "PReLU" prelu_param { channel_shared: true }', [(2, 3, 4, 5, 6)], "2 to 4 axes"),
        ('type: "PReLU"', [(2,)], "2 to 4 axes"),
        ('type: "PReLU"', [(2, 3, 0)], "1 number or more"),
    ],
)  # fmt: skip
def test_what_caffe_refuses(layer: str, bottoms: list[Shape], message: str, apply) -> None:
    with pytest.raises(NetworkError, match=message):
        apply(layer, *bottoms)
