"""The shape rules of scores, by Caffe's definitions."""

from __future__ import annotations

import pytest

from prototxt_gen.errors import NetworkError

Shape = tuple[int, ...]


@pytest.mark.parametrize(
    ("layer", "bottoms", "tops"),
    [
        ('type: "ArgMax" argmax_param { top_k: 3 out_max_val: true }', [(2, 3, 4, 5)], [(2, 2, 3, 1)]),
        ('type: "ArgMax" argmax_param { axis: -1 top_k: 2 out_max_val: true }', [(2, 3, 4)], [(2, 3, 2)]),
        ('type: "ArgMax"', [(2, 5)], [(2, 1, 1)]),
        ('type: "Accuracy" top: "a" top: "each" accuracy_param { axis: -1 }', [(2, 4, 3), (2, 4)], [(), (3,)]),
    ],
)  # fmt: skip
def test_tops(layer: str, bottoms: list[Shape], tops: list[Shape], apply) -> None:
    assert list(apply(layer, *bottoms).tops) == tops


@pytest.mark.parametrize(
    ("layer", "bottoms", "message"),
    [
        ('type: "Accuracy" accuracy_param { top_k: 4 }', [(2, 3), (2,)], "top_k"),
    ],
)  # fmt: skip
def test_what_caffe_refuses(layer: str, bottoms: list[Shape], message: str, apply) -> None:
    with pytest.raises(NetworkError, match=message):
        apply(layer, *bottoms)
