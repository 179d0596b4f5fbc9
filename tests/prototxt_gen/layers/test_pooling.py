"""The shape rules of pooling, by Caffe's definitions."""

from __future__ import annotations

import pytest

from prototxt_gen.errors import NetworkError

Shape = tuple[int, ...]


@pytest.mark.parametrize(
    ("layer", "bottoms", "tops"),
    [
        # Pooling rounds up, and drops a last window that begins in the padding.
        ('type: "Pooling" pooling_param { kernel_size: 3 stride: 2 }', [(1, 2, 112, 112)], [(1, 2, 56, 56)]),
        # Caffe passes over one of kernel_h and kernel_w beside kernel_size.
        ('type: "Pooling" pooling_param { kernel_size: 2 kernel_h: 3 }', [(1, 1, 6, 6)], [(1, 1, 5, 5)]),
        ('type: "Pooling" pooling_param { kernel_size: 2 kernel_w: 0 }', [(1, 1, 6, 6)], [(1, 1, 5, 5)]),
        ('type: "Pooling" pooling_param { kernel_size: 3 stride: 2 round_mode: FLOOR }',
         [(1, 2, 112, 112)], [(1, 2, 55, 55)]),
        ('type: "Pooling" pooling_param { kernel_size: 2 stride: 2 pad: 1 }', [(1, 2, 5, 4)], [(1, 2, 3, 3)]),
        ('type: "Pooling" pooling_param { kernel_size: 2 stride: 3 pad: 1 }', [(1, 2, 3, 6)], [(1, 2, 2, 3)]),
        ('type: "Pooling" pooling_param { kernel_size: 1 stride: 3 }', [(1, 2, 5, 6)], [(1, 2, 3, 3)]),
        ('type: "Pooling" pooling_param { pool: AVE global_pooling: true }', [(1, 2, 5, 6)], [(1, 2, 1, 1)]),
        ('type: "Pooling" top: "t" top: "mask" pooling_param { kernel_h: 2 kernel_w: 3 }',
         [(1, 2, 5, 6)], [(1, 2, 4, 4)] * 2),
        ('type: "SPP" spp_param { pyramid_height: 1 }', [(2, 3, 7, 5)], [(2, 3, 1, 1)]),
        ('type: "SPP" spp_param { pyramid_height: 3 }', [(2, 3, 9, 16)], [(2, 63)]),
    ],
)  # fmt: skip
def test_tops(layer: str, bottoms: list[Shape], tops: list[Shape], apply) -> None:
    assert list(apply(layer, *bottoms).tops) == tops


@pytest.mark.parametrize(
    ("layer", "bottoms", "message"),
    [
        ('type: "Pooling" pooling_param { kernel_size: 2 pad: 2 }', [(1, 2, 5, 5)], "pad"),
        ('type: "Pooling" pooling_param { kernel_h: 2 }', [(1, 2, 5, 5)], "kernel_h"),
        ('type: "Pooling" pooling_param { kernel_size: 2 pad: 1 pad_h: 1 }', [(1, 2, 5, 5)], "pad_h"),
        ('type: "Pooling" pooling_param { kernel_size: 2 stride: 1 stride_h: 1 stride_w: 1 }',
         [(1, 2, 5, 5)], "stride"),
        ('type: "Pooling" pooling_param { kernel_size: 2 stride_w: 1 }', [(1, 2, 5, 5)], "stride_h"),
        ('type: "Pooling" pooling_param { global_pooling: true kernel_h: 2 }', [(1, 2, 5, 5)], "global_pooling"),
        ('type: "Pooling" pooling_param { kernel_size: 2 stride: 0 }', [(1, 2, 5, 5)], "stride"),
        ('type: "Pooling" pooling_param { kernel_size: 2 kernel_h: 2 kernel_w: 2 }', [(1, 2, 5, 5)], "kernel_size"),
        ('type: "Pooling" pooling_param { }', [(1, 2, 5, 5)], "kernel_size"),
        ('type: "Pooling" pooling_param { kernel_size: 2 global_pooling: true }', [(1, 2, 5, 5)], "global_pooling"),
        ('type: "Pooling" pooling_param { kernel_size: 2 pad: 1 pool: STOCHASTIC }', [(1, 2, 5, 5)], "STOCHASTIC"),
        ('type: "Pooling" top: "a" top: "b" pooling_param { kernel_size: 2 pool: AVE }', [(1, 2, 5, 5)], "mask"),
        ('type: "Pooling" pooling_param { kernel_size: 2 }', [(1, 2, 5)], "4 axes"),
        ('type: "SPP" spp_param { pyramid_height: 4000000000 }', [(1, 2, 5, 5)], "pyramid_height"),
        ('type: "SPP" bottom: "x" top: "x" spp_param { pyramid_height: 2 }', [(1, 2, 5, 5)], "in place"),
    ],
)  # fmt: skip
def test_what_caffe_refuses(layer: str, bottoms: list[Shape], message: str, apply) -> None:
    with pytest.raises(NetworkError, match=message):
        apply(layer, *bottoms)
