"""Pooling and SPP, window by window as pooling_layer.cpp goes."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from tests.converters.pytorch.layers.arrays import LOWEST, close, normal


def pool(x, method, kernel, stride, pad, ceil=True):
    """Pooling window by window, as pooling_layer.cpp goes: the top and the mask."""
    sizes = []
    for n, k, s, p in zip(x.shape[2:], kernel, stride, pad, strict=True):
        steps = (n + 2 * p - k) / s
        size = (math.ceil(steps) if ceil else math.floor(steps)) + 1
        sizes.append(size - 1 if any(pad) and (size - 1) * s >= n + p else size)
    y, mask = np.zeros((*x.shape[:2], *sizes)), np.full((*x.shape[:2], *sizes), -1.0)
    for i, j in itertools.product(*map(range, sizes)):
        starts = [i * stride[0] - pad[0], j * stride[1] - pad[1]]
        ends = [min(start + k, n + p) for start, k, n, p in zip(starts, kernel, x.shape[2:], pad, strict=True)]
        area = (ends[0] - starts[0]) * (ends[1] - starts[1])
        top, left = max(starts[0], 0), max(starts[1], 0)
        bottom, right = min(ends[0], x.shape[2]), min(ends[1], x.shape[3])
        window = x[:, :, top:bottom, left:right].astype(np.float64)
        if method == "AVE":
            y[:, :, i, j] = window.sum((2, 3)) / area
        elif method == "STOCHASTIC":
            total = window.sum((2, 3))
            y[:, :, i, j] = np.where(total > 0, (window**2).sum((2, 3)) / np.where(total > 0, total, 1), 0)
        else:
            y[:, :, i, j] = window.max((2, 3))
            place = window.reshape(*x.shape[:2], -1).argmax(-1)
            width = right - left
            mask[:, :, i, j] = (top + place // width) * x.shape[3] + left + place % width
    return y, mask


POOLS = [  # bottom, kernel, stride, pad
    ((2, 3, 9, 11), (3, 3), (2, 2), (0, 0)),
    ((2, 3, 9, 11), (3, 3), (2, 2), (1, 1)),
    ((2, 3, 8, 8), (2, 3), (2, 1), (1, 0)),
    ((2, 3, 8, 7), (3, 2), (3, 3), (2, 1)),  # a pad above half a kernel
    ((1, 2, 10, 7), (4, 5), (3, 2), (3, 4)),
    ((1, 2, 8, 8), (2, 2), (3, 3), (1, 1)),
    ((1, 2, 5, 4), (7, 6), (3, 5), (0, 0)),  # a kernel larger than the image
    ((1, 1, 1, 1), (2, 2), (1, 1), (1, 1)),
]


POOLINGS = [
    (*case, method, rounding)
    for case in POOLS
    for method in ("MAX", "AVE", "STOCHASTIC")
    for rounding in ("CEIL", "FLOOR")
    # Caffe pads only AVE and MAX; rounding down, a kernel larger than the padded image fits nowhere.
    if not (method == "STOCHASTIC" and any(case[3]))
    and (rounding == "CEIL" or all(n + 2 * p >= k for n, k, p in zip(case[0][2:], case[1], case[3], strict=True)))
]


@pytest.mark.parametrize(("shape", "kernel", "stride", "pad", "method", "rounding"), POOLINGS)
def test_pooling(shape, kernel, stride, pad, method, rounding, run):
    x = normal(*shape) if method != "STOCHASTIC" else np.abs(normal(*shape))
    sizes = "kernel_h: {} kernel_w: {} stride_h: {} stride_w: {} pad_h: {} pad_w: {}".format(*kernel, *stride, *pad)
    text = f'type: "Pooling" pooling_param {{ pool: {method} {sizes} round_mode: {rounding} }}'
    y, mask = pool(x, method, kernel, stride, pad, rounding == "CEIL")
    close(run(text, x=x), y)
    if method == "MAX":
        both = run(f'top: "y" top: "m" {text}', x=x)
        close(both[0], y)
        np.testing.assert_array_equal(both[1], mask)


def test_windows_behind_the_image(run):
    """Without padding a stride above the kernel may lead past the image: Caffe leaves its starting values there."""
    x = np.arange(10, dtype=np.float32).reshape(1, 1, 5, 2)
    text = 'top: "y" top: "m" type: "Pooling" pooling_param { kernel_size: 1 stride_h: 2 stride_w: 4 }'
    y, mask = run(text, x=x)
    assert y[..., 0].tolist() == mask[..., 0].tolist() == [[[0, 4, 8]]]
    assert (y[..., 1] == LOWEST).all() and (mask[..., 1] == -1).all()


@pytest.mark.parametrize("method", ["MAX", "AVE", "STOCHASTIC"])
def test_global_pooling(method, run):
    x = np.abs(normal(2, 3, 5, 7))
    text = f'type: "Pooling" pooling_param {{ pool: {method} global_pooling: true }}'
    y, mask = pool(x, method, (5, 7), (1, 1), (0, 0))
    close(run(text, x=x), y)
    if method == "MAX":
        np.testing.assert_array_equal(run(f'top: "y" top: "m" {text}', x=x)[1], mask)


def test_stochastic_pooling_draws_by_size_in_training(run):
    x = np.zeros((1, 1, 2, 2), np.float32)
    x[0, 0, 0, 1], x[0, 0, 1, 0] = 1, 3
    torch.manual_seed(0)
    text = 'type: "Pooling" pooling_param { pool: STOCHASTIC kernel_size: 2 }'
    y = run(text, train=True, x=np.tile(x, (1000, 1, 1, 1)))
    assert set(y.flatten()) == {1, 3}
    assert (y == 3).mean() == pytest.approx(0.75, abs=0.05)


@pytest.mark.parametrize("method", ["MAX", "AVE"])
@pytest.mark.parametrize(("height", "width", "levels"), [(16, 12, 3), (9, 7, 2), (13, 20, 3), (5, 6, 1)])
def test_spp(method, height, width, levels, run):
    x = normal(2, 3, height, width)
    tops = []
    for bins in (2**level for level in range(levels)):
        kernel = (math.ceil(height / bins), math.ceil(width / bins))
        pad = ((kernel[0] * bins - height + 1) // 2, (kernel[1] * bins - width + 1) // 2)
        tops.append(pool(x, method, kernel, kernel, pad)[0])
    expected = np.concatenate([top.reshape(2, -1) for top in tops], 1) if levels > 1 else tops[0]
    close(run(f'type: "SPP" spp_param {{ pool: {method} pyramid_height: {levels} }}', x=x), expected)
