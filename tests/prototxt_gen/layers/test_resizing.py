"""The shape rules of resizing, by Caffe's definitions."""

from __future__ import annotations

import pytest

from prototxt_gen.errors import NetworkError

Shape = tuple[int, ...]


@pytest.mark.parametrize(
    ("layer", "bottoms", "tops"),
    [
        # Interp: each size rule, and pads that crop.
        ('type: "Interp" interp_param { height: 5 width: 4 zoom_factor: 2 }', [(1, 2, 3, 3)], [(1, 2, 5, 5)]),
        ('type: "Interp" interp_param { height: 5 width: 4 zoom_factor: 2 shrink_factor: 2 }',
         [(1, 2, 3, 3)], [(1, 2, 5, 4)]),
        ('type: "Upsample" upsample_param { scale: 3 }', [(1, 2, 3, 4)], [(1, 2, 9, 12)]),
        ('type: "Interp" interp_param { zoom_factor: 3 shrink_factor: 2 }', [(1, 2, 6, 7)], [(1, 2, 7, 10)]),
        ('type: "Interp" interp_param { zoom_factor: 2 pad_beg: -1 pad_end: -2 }', [(1, 2, 6, 7)], [(1, 2, 5, 7)]),
    ],
)  # fmt: skip
def test_tops(layer: str, bottoms: list[Shape], tops: list[Shape], apply) -> None:
    assert list(apply(layer, *bottoms).tops) == tops


@pytest.mark.parametrize(
    ("layer", "bottoms", "message"),
    [
        ('type: "Interp" interp_param { height: 5 }', [(1, 2, 5, 5)], "no size"),
        ('type: "Interp" interp_param { zoom_factor: 2 }', [(1, 2, 5, 5), (1, 2, 9, 9)], "second bottom"),
        ('type: "Interp" interp_param { height: 5 width: 5 pad_beg: 1 }', [(1, 2, 5, 5)], "pad_beg"),
        ('type: "Upsample" upsample_param { scale: 0 }', [(1, 2, 5, 5)], "upsample_param.scale"),
        ('type: "Upsample"', [(1, 2, 5)], "4 axes"),
        ('type: "Interp" interp_param { zoom_factor: 0 }', [(1, 2, 5, 5)], "zoom_factor"),
    ],
)  # fmt: skip
def test_what_caffe_refuses(layer: str, bottoms: list[Shape], message: str, apply) -> None:
    with pytest.raises(NetworkError, match=message):
        apply(layer, *bottoms)
