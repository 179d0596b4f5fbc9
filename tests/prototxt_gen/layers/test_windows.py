"""Sizes of windows as layers state them, both ways."""

from __future__ import annotations

import pytest

from prototxt_gen.layers.windows import spatial_options, spatial_sizes
from prototxt_gen.proto import ConvolutionParameter


@pytest.mark.parametrize(
    ("kernel", "stride", "dilation", "stated"),
    [
        ((3, 3), (1, 1), (1, 1), {"kernel_size": [3]}),
        ((3, 5), (2, 1), (1, 2), {"kernel_h": 3, "kernel_w": 5, "stride_h": 2, "stride_w": 1, "dilation": [1, 2]}),
        ((3,), (2,), (2,), {"kernel_size": [3], "stride": [2], "dilation": [2]}),
        ((1, 2, 3), (2, 2, 2), (1, 1, 1), {"kernel_size": [1, 2, 3], "stride": [2]}),
    ],
)
def test_sizes_are_stated_in_the_fewest_words_and_read_back(kernel, stride, dilation, stated):
    made = spatial_options(kernel_size=kernel, stride=stride, dilation=dilation)
    assert made == stated
    message, axes = ConvolutionParameter(**made), len(kernel)
    assert spatial_sizes(message, "convolution_param", "kernel_size", axes) == kernel
    assert spatial_sizes(message, "convolution_param", "stride", axes, 1) == stride
    assert spatial_sizes(message, "convolution_param", "dilation", axes, 1) == dilation
