"""The shape rules of arithmetic, by Caffe's definitions."""

from __future__ import annotations

import pytest

from prototxt_gen.errors import NetworkError

Shape = tuple[int, ...]


@pytest.mark.parametrize(
    ("layer", "bottoms", "tops"),
    [
        ('type: "Reduction" reduction_param { axis: -1 }', [(2, 3, 4)], [(2, 3)]),
        ('type: "Reduction"', [(2, 3, 4)], [()]),
    ],
)  # fmt: skip
def test_tops(layer: str, bottoms: list[Shape], tops: list[Shape], apply) -> None:
    assert list(apply(layer, *bottoms).tops) == tops


@pytest.mark.parametrize(
    ("layer", "bottoms", "blobs"),
    [
        ('type: "Scale" scale_param { axis: -2 num_axes: -1 bias_term: true }', [(2, 3, 5)], [(3, 5), (3, 5)]),
        ('type: "Scale" scale_param { axis: 0 bias_term: true }', [(2, 3, 5), (2, 3)], [(2, 3)]),
        ('type: "Scale" scale_param { num_axes: 0 }', [(2, 3, 5)], [()]),
        ('type: "Scale" scale_param { axis: 2 }', [(2, 3, 5), ()], []),
        ('type: "Bias" bias_param { num_axes: 2 }', [(2, 3, 5)], [(3, 5)]),
    ],
)  # fmt: skip
def test_blobs(layer: str, bottoms: list[Shape], blobs: list[Shape], apply) -> None:
    assert list(apply(layer, *bottoms).blobs) == blobs


@pytest.mark.parametrize(
    ("layer", "bottoms", "expected"),
    [
        ('type: "Scale"', [(2, 3, 5)], 0),
    ],
)  # fmt: skip
def test_multiply_adds(layer: str, bottoms: list[Shape], expected: int, apply) -> None:
    assert apply(layer, *bottoms).multiply_adds == expected


@pytest.mark.parametrize(
    ("layer", "bottoms", "message"),
    [
        ('type: "Eltwise"', [(2, 4)], "bottom: found 1, expected 2 or more"),
        ('type: "Eltwise"', [(2, 4), (4, 2)], r"bottom\[1\]"),
        ('type: "Eltwise" eltwise_param { coeff: 1 }', [(2, 4), (2, 4)], "coeff"),
        ('type: "Eltwise" eltwise_param { operation: PROD coeff: 1 coeff: 1 }', [(2, 4), (2, 4)], "PROD"),
        ('type: "Scale" scale_param { num_axes: 3 }', [(1, 2, 3)], "num_axes"),
        ('type: "Scale"', [(1, 2, 3), (3,)], r"bottom\[1\]"),
        ('type: "Reduction" bottom: "b" top: "b"', [(2, 3)], "in place"),
        # A second bottom without axes goes with any axis, unless there is a bias, which Caffe makes a layer of its own.
        ('type: "Scale" scale_param { axis: 2 }', [(2, 3), (1,)], "axis: found 2"),
        ('type: "Scale" scale_param { axis: 2 bias_term: true }', [(2, 3), ()], "axis: found 2"),
        ('type: "Bias" bias_param { axis: 2 }', [(2, 3)], "axis: found 2"),
    ],
)  # fmt: skip
def test_what_caffe_refuses(layer: str, bottoms: list[Shape], message: str, apply) -> None:
    with pytest.raises(NetworkError, match=message):
        apply(layer, *bottoms)
