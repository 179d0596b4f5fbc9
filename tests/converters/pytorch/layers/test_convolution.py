"""Convolution, Deconvolution and Im2col against their definitions, written out in numpy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from tests.converters.pytorch.layers.arrays import close, normal


def convolve(x, w, b, stride, pad, dilation, group):
    """Convolution as a sum over the kernel, any number of axes."""
    axes = x.ndim - 2
    kernel = w.shape[2:]
    x = np.pad(x.astype(np.float64), [(0, 0), (0, 0), *((p, p + 5) for p in pad)])
    real = [size - 5 for size in x.shape[2:]]
    sizes = [int((n - d * (k - 1) - 1) / s) + 1 for n, k, s, d in zip(real, kernel, stride, dilation, strict=True)]
    y = np.zeros((x.shape[0], w.shape[0], *sizes))
    per_in, per_out = w.shape[1], w.shape[0] // group
    for place in itertools.product(*map(range, kernel)):
        window = tuple(
            slice(o * d, o * d + (n - 1) * s + 1, s) for o, d, n, s in zip(place, dilation, sizes, stride, strict=True)
        )
        patch = x[(slice(None), slice(None), *window)]
        for g in range(group):
            part = w[g * per_out : (g + 1) * per_out][(..., *place)]
            y[:, g * per_out : (g + 1) * per_out] += np.einsum(
                "oc,nc...->no...", part, patch[:, g * per_in : (g + 1) * per_in]
            )
    return y + b.reshape(-1, *(1,) * axes)


def deconvolve(x, w, b, stride, pad, dilation, group):
    """Every number of x spreads the kernel over the output."""
    kernel = w.shape[2:]
    sizes = [s * (n - 1) + d * (k - 1) + 1 for n, k, s, d in zip(x.shape[2:], kernel, stride, dilation, strict=True)]
    y = np.zeros((x.shape[0], w.shape[1] * group, *sizes))
    per_in, per_out = x.shape[1] // group, w.shape[1]
    for place in itertools.product(*map(range, kernel)):
        window = tuple(
            slice(o * d, o * d + (n - 1) * s + 1, s)
            for o, d, n, s in zip(place, dilation, x.shape[2:], stride, strict=True)
        )
        for g in range(group):
            part = w[g * per_in : (g + 1) * per_in][(..., *place)].astype(np.float64)
            y[(slice(None), slice(g * per_out, (g + 1) * per_out), *window)] += np.einsum(
                "co,nc...->no...", part, x[:, g * per_in : (g + 1) * per_in]
            )
    crop = tuple(slice(p, size - p) for p, size in zip(pad, sizes, strict=True))
    return y[(slice(None), slice(None), *crop)] + b.reshape(-1, *(1,) * (x.ndim - 2))


CONVOLUTIONS = [  # bottom, kernel, stride, pad, dilation, group
    ((2, 4, 9, 8), (3, 3), (1, 1), (0, 0), (1, 1), 1),
    ((2, 4, 9, 8), (3, 2), (2, 3), (1, 2), (2, 1), 2),
    ((2, 4, 9, 8), (1, 5), (1, 1), (3, 0), (1, 1), 4),
    ((2, 4, 3, 8), (4, 3), (2, 1), (0, 0), (1, 1), 2),  # the kernel hangs over by less than a stride
    ((2, 4, 11), (3,), (2,), (2,), (2,), 2),
    ((1, 4, 4, 5, 6), (2, 3, 2), (1, 2, 1), (1, 0, 1), (1, 1, 2), 2),
    ((1, 4, 3, 4, 3, 4), (2, 2, 1, 2), (1, 2, 1, 1), (0, 1, 0, 1), (1, 1, 1, 2), 2),
    ((3, 4), (), (), (), (), 2),
]


def window_text(kernel, stride, pad, dilation, group):
    lists = {"kernel_size": kernel, "stride": stride, "pad": pad, "dilation": dilation}
    return " ".join(f"{name}: {value}" for name, values in lists.items() for value in values) + f" group: {group}"


@pytest.mark.parametrize(("shape", "kernel", "stride", "pad", "dilation", "group"), CONVOLUTIONS)
def test_convolution(shape, kernel, stride, pad, dilation, group, run):
    x, w, b = normal(*shape), normal(8, shape[1] // group, *kernel), normal(8)
    text = f"convolution_param {{ num_output: 8 {window_text(kernel, stride, pad, dilation, group)} }}"
    expected = convolve(x, w, b, stride, pad, dilation, group)
    close(run(f'type: "Convolution" {text}', [w, b], x=x), expected)
    bare = text.replace("num_output", "bias_term: false num_output")
    close(run(f'type: "Convolution" {bare}', [w], x=x), expected - b.reshape(-1, *(1,) * len(kernel)))


@pytest.mark.parametrize(
    ("shape", "kernel", "stride", "pad", "dilation", "group"), [case for case in CONVOLUTIONS if case[0][2:3] != (3,)]
)
def test_deconvolution(shape, kernel, stride, pad, dilation, group, run):
    x, w, b = normal(*shape), normal(shape[1], 8 // group, *kernel), normal(8)
    text = f"convolution_param {{ num_output: 8 {window_text(kernel, stride, pad, dilation, group)} }}"
    close(run(f'type: "Deconvolution" {text}', [w, b], x=x), deconvolve(x, w, b, stride, pad, dilation, group))


def test_deconvolution_over_four_axes(run):
    x, w, b = normal(2, 4, 3, 2, 3, 2), normal(4, 3, 2, 3, 1, 2), normal(6)
    window = ((2, 3, 1, 2), (2, 1, 2, 1), (1, 1, 0, 0), (1, 2, 1, 1), 2)
    text = f'type: "Deconvolution" convolution_param {{ num_output: 6 {window_text(*window)} }}'
    close(run(text, [w, b], x=x), deconvolve(x, w, b, *window[1:]))


def test_convolution_from_another_axis(run):
    x, w, b = normal(2, 3, 4, 6, 5), normal(8, 2, 3, 3), normal(8)
    text = 'type: "Convolution" convolution_param { axis: -3 num_output: 8 kernel_size: 3 group: 2 pad: 1 }'
    expected = convolve(x.reshape(6, 4, 6, 5), w, b, (1, 1), (1, 1), (1, 1), 2)
    close(run(text, [w, b], x=x), expected.reshape(2, 3, 8, 6, 5))


def test_sizes_by_height_and_width(run):
    x, w = normal(1, 2, 7, 9), normal(3, 2, 3, 2)
    sizes = "kernel_h: 3 kernel_w: 2 stride_h: 2 stride_w: 1 pad_h: 0 pad_w: 1"
    text = f'type: "Convolution" convolution_param {{ num_output: 3 bias_term: false {sizes} }}'
    close(run(text, [w], x=x), convolve(x, w, np.zeros(3), (2, 1), (0, 1), (1, 1), 1))


def test_depthwise_convolution(run):
    x, w, b = normal(1, 4, 6, 6), normal(4, 1, 3, 3), normal(4)
    text = 'type: "DepthwiseConvolution" convolution_param { num_output: 4 kernel_size: 3 stride: 2 pad: 1 group: 4 }'
    close(run(text, [w, b], x=x), convolve(x, w, b, (2, 2), (1, 1), (1, 1), 4))


@pytest.mark.parametrize("axis", [1, 2])
def test_im2col(axis, run):
    x = normal(2, 3, 7, 8) if axis == 1 else normal(2, 2, 3, 7, 8)
    text = f'type: "Im2col" convolution_param {{ axis: {axis} kernel_h: 3 kernel_w: 2 stride: 2 pad: 1 dilation: 2 }}'
    rows = torch.nn.functional.unfold(torch.from_numpy(x.reshape(-1, 3, 7, 8)), (3, 2), 2, 1, 2)
    close(run(text, x=x), rows.reshape(*x.shape[:axis], 18, 3, 4).numpy())


@pytest.mark.parametrize("kind", ["Convolution", "Deconvolution"])
def test_a_kernel_of_dilation_0_lies_on_one_number(kind, run):
    x, weight = normal(1, 2, 5, 4), normal(2, 2, 3, 3).astype(np.float32)
    options = "bias_term: false num_output: 2 stride: 2"
    found = run(f'type: "{kind}" convolution_param {{ {options} kernel_size: 3 dilation: 0 }}', [weight], x=x)
    summed = weight.sum((2, 3), keepdims=True)
    close(found, run(f'type: "{kind}" convolution_param {{ {options} kernel_size: 1 }}', [summed], x=x), 1e-5)
