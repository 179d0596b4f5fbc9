"""The shape rules of convolution, by Caffe's definitions."""

from __future__ import annotations

import pytest

from prototxt_gen.errors import NetworkError

Shape = tuple[int, ...]


@pytest.mark.parametrize(
    ("layer", "bottoms", "tops"),
    [
        # Convolutions in any number of axes, with each way to write a size.
        ('type: "Convolution" convolution_param { num_output: 4 kernel_size: 3 }', [(2, 3, 9)], [(2, 4, 7)]),
        ('type: "Convolution" convolution_param { num_output: 4 kernel_size: 1 }', [(2, 3)], [(2, 4)]),
        (
            'type: "Convolution" convolution_param { num_output: 4 kernel_size: [3, 2, 1] stride: [1, 2, 3] pad: 1 }',
            [(2, 3, 5, 6, 7)],
            [(2, 4, 5, 4, 3)],
        ),
        (
            'type: "Convolution" convolution_param { num_output: 4 kernel_h: 1 kernel_w: 5 stride_h: 2 '
            'stride_w: 1 pad_w: 2 }',
            [(1, 3, 9, 9)],
            [(1, 4, 5, 9)],
        ),
        ('type: "Convolution" convolution_param { num_output: 4 kernel_size: 3 axis: 2 }',
         [(2, 3, 6, 9)], [(2, 3, 4, 7)]),
        ('type: "Convolution" convolution_param { num_output: 4 kernel_size: 3 axis: -3 }',
         [(2, 3, 6, 9)], [(2, 4, 4, 7)]),
        (
            'type: "Convolution" top: "p" top: "q" convolution_param { num_output: 4 kernel_size: 3 dilation: 2 }',
            [(1, 3, 9, 9), (1, 3, 9, 9)],
            [(1, 4, 5, 5), (1, 4, 5, 5)],
        ),
        # C++ rounds -1 / 2 to 0.
        ('type: "Convolution" convolution_param { num_output: 4 kernel_size: 3 stride: 2 }',
         [(1, 1, 2, 2)], [(1, 4, 1, 1)]),
        # Caffe takes dilation 0: the kernel reaches over one number.
        ('type: "Convolution" convolution_param { num_output: 4 kernel_size: 3 dilation: 0 }',
         [(1, 1, 5, 4)], [(1, 4, 5, 4)]),
        ('type: "Im2col" convolution_param { kernel_size: 3 dilation: 0 }', [(1, 2, 5, 4)], [(1, 18, 5, 4)]),
        (
            'type: "Deconvolution" convolution_param { num_output: 4 kernel_size: 3 stride: 2 pad: 1 dilation: 2 }',
            [(1, 6, 5, 7)],
            [(1, 4, 11, 15)],
        ),
        ('type: "Im2col" convolution_param { kernel_size: 3 stride: 2 }', [(2, 3, 9, 7)], [(2, 27, 4, 3)]),
    ],
)  # fmt: skip
def test_tops(layer: str, bottoms: list[Shape], tops: list[Shape], apply) -> None:
    assert list(apply(layer, *bottoms).tops) == tops


@pytest.mark.parametrize(
    ("layer", "bottoms", "blobs"),
    [
        ('type: "Convolution" convolution_param { num_output: 4 kernel_size: [3, 2] group: 2 }', [(1, 6, 9, 9)],
         [(4, 3, 3, 2), (4,)]),
        ('type: "Deconvolution" convolution_param { num_output: 4 kernel_size: 3 group: 2 }', [(1, 6, 9, 9)],
         [(6, 2, 3, 3), (4,)]),
    ],
)  # fmt: skip
def test_blobs(layer: str, bottoms: list[Shape], blobs: list[Shape], apply) -> None:
    assert list(apply(layer, *bottoms).blobs) == blobs


@pytest.mark.parametrize(
    ("layer", "bottoms", "expected"),
    [
        ('type: "Convolution" convolution_param { num_output: 4 kernel_size: 3 group: 2 }', [(5, 6, 9, 9)],
             5 * 4 * 3 * 9 * 49),
        ('type: "Deconvolution" convolution_param { num_output: 4 kernel_size: 3 }', [(5, 6, 9, 9)],
             5 * 4 * 6 * 9 * 81),
    ],
)  # fmt: skip
def test_multiply_adds(layer: str, bottoms: list[Shape], expected: int, apply) -> None:
    assert apply(layer, *bottoms).multiply_adds == expected


@pytest.mark.parametrize(
    ("layer", "bottoms", "message"),
    [
        ('type: "Convolution" convolution_param { num_output: 4 kernel_size: 3 }', [(1, 3, 2, 2)], "kernel_size"),
        ('type: "Convolution" convolution_param { num_output: 4 }', [(1, 3, 9, 9)], "kernel_size: found 0 sizes"),
        ('type: "Convolution" convolution_param { num_output: 4 kernel_size: 0 }',
         [(1, 3, 9, 9)], "kernel_size: found 0"),
        ('type: "Convolution" convolution_param { num_output: 4 kernel_size: 3 stride: 0 }', [(1, 3, 9, 9)], "stride"),
        ('type: "Im2col" bottom: "x" top: "x" convolution_param { kernel_size: 3 }', [(1, 3, 9, 9)], "in place"),
        ('type: "Convolution" convolution_param { num_output: 4 kernel_size: [3, 3, 3] }',
         [(1, 3, 9, 9)], "kernel_size"),
        ('type: "Convolution" convolution_param { num_output: 4 kernel_h: 3 }', [(1, 3, 9, 9)], "kernel_size: found 0"),
        ('type: "Convolution" convolution_param { num_output: 4 kernel_h: 3 kernel_w: 3 }', [(1, 3, 9)], "kernel_h"),
        ('type: "Convolution" convolution_param { num_output: 4 kernel_size: 3 group: 2 }', [(1, 3, 9, 9)], "group"),
        ('type: "Convolution" convolution_param { num_output: 3 kernel_size: 3 group: 2 }',
         [(1, 4, 9, 9)], "num_output"),
        ('type: "Convolution" convolution_param { kernel_size: 3 }', [(1, 4, 9, 9)], "num_output"),
        ('type: "Convolution" top: "a" top: "b" convolution_param { num_output: 3 kernel_size: 3 }',
         [(1, 4, 9, 9), (1, 4, 8, 9)], r"bottom\[1\]"),
        ('type: "Convolution" convolution_param { num_output: 3 kernel_size: 3 axis: 4 }', [(1, 4, 9, 9)], "axis"),
    ],
)  # fmt: skip
def test_what_caffe_refuses(layer: str, bottoms: list[Shape], message: str, apply) -> None:
    with pytest.raises(NetworkError, match=message):
        apply(layer, *bottoms)
