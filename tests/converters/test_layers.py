"""Every layer type against its definition, written out in numpy, over the parameters that combine."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from converters.pytorch.layers import BUILDERS
from converters.pytorch.module import to_torch, weights_of
from prototxt_gen import UnsupportedError
from prototxt_gen.layers import LAYERS, LayerShape, is_input, layer_type
from prototxt_gen.proto import BlobProto
from prototxt_gen.trace import trace

RANDOM = np.random.default_rng(0)
LOWEST = np.finfo(np.float32).min


def normal(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


def labels(classes: int, *shape: int) -> np.ndarray:
    return RANDOM.integers(0, classes, shape).astype(np.float32)


@pytest.fixture
def run(net_of):
    """The tops of one layer, `l`, in the order of the text, for arrays by bottom name; float64 inside."""

    def apply(text: str, weights=None, train=False, **inputs: np.ndarray):
        bottoms = " ".join(f'bottom: "{name}"' for name in inputs)
        if "top:" not in text:
            text = f'top: "y" {text}'
        net = net_of(f'layer {{ name: "l" {bottoms} {text} }}', **{name: array.shape for name, array in inputs.items()})
        tops = list(net.layer[-1].top)
        module = to_torch(net, weights and {"l": weights}, outputs=tops)
        module = module.double().train(train)
        with torch.no_grad():
            result = module(*(torch.from_numpy(array).double() for array in inputs.values()))
        found = [result[top].numpy() for top in tops] if len(tops) > 1 else [result.numpy()]
        if "Filter" not in text:
            assert [top.shape for top in found] == list(trace(net)[-1].top_shapes)
        return found if len(found) > 1 else found[0]

    return apply


def close(found, expected, limit=1e-6):
    assert found.shape == np.shape(expected)
    assert np.abs(found - expected).max() <= limit * max(1, np.abs(expected).max())


# ---- windows


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


def interpolate(x, height, width):
    """Rows and columns blended by their distances, corners on corners."""

    def blend(x, axis, size):
        ratio = (x.shape[axis] - 1) / (size - 1) if size > 1 else 0.0
        at = np.arange(size) * ratio
        low = np.minimum(at.astype(int), x.shape[axis] - 1)
        high = np.minimum(low + 1, x.shape[axis] - 1)
        share = (at - low).reshape(-1, *(1,) * (3 - axis))
        return x.take(low, axis) * (1 - share) + x.take(high, axis) * share

    return blend(blend(x.astype(np.float64), 2, height), 3, width)


@pytest.mark.parametrize(
    ("text", "crop", "size"),
    [
        ("height: 17 width: 6", (0, 0), (17, 6)),
        ("height: 1 width: 1", (0, 0), (1, 1)),
        ("zoom_factor: 4", (0, 0), (33, 41)),
        ("shrink_factor: 3", (0, 0), (3, 4)),
        ("shrink_factor: 2 zoom_factor: 3", (0, 0), (13, 16)),
        ("zoom_factor: 2 height: 5 width: 5", (0, 0), (17, 21)),
        ("shrink_factor: 2 zoom_factor: 3 height: 5 width: 4", (0, 0), (5, 4)),
        ("pad_beg: -1 pad_end: -2 zoom_factor: 2", (1, 2), (11, 15)),
        ("pad_end: -3 height: 6 width: 8", (0, 3), (6, 8)),
    ],
)
def test_interp(text, crop, size, run):
    x = normal(2, 3, 9, 11)
    inner = x[:, :, crop[0] : 9 - crop[1], crop[0] : 11 - crop[1]]
    close(run(f'type: "Interp" interp_param {{ {text} }}', x=x), interpolate(inner, *size), 1e-5)


def test_interp_to_the_size_of_another_bottom(run):
    x, like = normal(2, 3, 9, 11), normal(1, 5, 4, 20)
    text = 'type: "Interp" interp_param { pad_beg: -1 }'
    close(run(text, x=x, like=like), interpolate(x[:, :, 1:, 1:], 4, 20), 1e-5)
    close(run(text, x=x, like=like[0, :, :, 0]), interpolate(x[:, :, 1:, 1:], 1, 1), 1e-5)


# ---- numbers one by one, and combined

X = normal(2, 3, 4, 5)
P = np.abs(X) + np.float32(0.1)
ELEMENTWISE = {
    'type: "AbsVal"': (X, np.abs),
    'type: "BNLL"': (X * 20, lambda x: np.logaddexp(0, x)),
    'type: "Clip" clip_param { min: -0.5 max: 0.25 }': (X, lambda x: np.clip(x, -0.5, 0.25)),
    'type: "Clip" clip_param { min: 1 max: -1 }': (X, np.ones_like),
    'type: "Dropout" dropout_param { dropout_ratio: 0.9 }': (X, lambda x: x),
    'type: "ELU" elu_param { alpha: 0.75 }': (X, lambda x: np.where(x > 0, x, 0.75 * (np.exp(np.minimum(x, 0)) - 1))),
    'type: "Exp" exp_param { base: 2 scale: 0.5 shift: -1 }': (X, lambda x: 2 ** (0.5 * x - 1)),
    'type: "Exp" exp_param { scale: 2 shift: 0.5 }': (X, lambda x: np.exp(2 * x + 0.5)),
    'type: "Log" log_param { base: 10 scale: 3 shift: 2 }': (P, lambda x: np.log10(3 * x + 2)),
    'type: "Log"': (P, np.log),
    'type: "Power" power_param { power: 3 scale: -2 shift: 0.5 }': (X, lambda x: (0.5 - 2 * x) ** 3),
    'type: "Power" power_param { power: 0.5 }': (P, np.sqrt),
    'type: "Power" power_param { power: -1.5 shift: 1 }': (P, lambda x: (1 + x) ** -1.5),
    'type: "Power" power_param { power: 0 }': (X, np.ones_like),
    'type: "Power" power_param { power: 2 scale: 0 shift: 3 }': (X, lambda x: np.full_like(x, 9)),
    'type: "ReLU" relu_param { negative_slope: -0.5 }': (X, lambda x: np.maximum(x, 0) - 0.5 * np.minimum(x, 0)),
    'type: "ReLU6"': (X * 5, lambda x: np.clip(x, 0, 6)),
    'type: "Sigmoid"': (X, lambda x: 1 / (1 + np.exp(-x))),
    'type: "Swish" swish_param { beta: 1.5 }': (X, lambda x: x / (1 + np.exp(-1.5 * x))),
    'type: "TanH"': (X, np.tanh),
    'type: "Threshold" threshold_param { threshold: -0.25 }': (X, lambda x: x > -0.25),
    'type: "Softmax"': (X, lambda x: np.exp(x) / np.exp(x).sum(1, keepdims=True)),
    'type: "Softmax" softmax_param { axis: -1 }': (X, lambda x: np.exp(x) / np.exp(x).sum(3, keepdims=True)),
    'type: "Flatten" flatten_param { axis: 2 }': (X, lambda x: x.reshape(2, 3, 20)),
    'type: "Flatten" flatten_param { axis: 0 end_axis: -2 }': (X, lambda x: x.reshape(24, 5)),
    'type: "Flatten" flatten_param { axis: -2 end_axis: 3 }': (X, lambda x: x.reshape(2, 3, 20)),
    'type: "Flatten" flatten_param { axis: 2 end_axis: 1 }': (X, lambda x: x.reshape(2, 3, 1, 4, 5)),
    'type: "Reshape" reshape_param { shape { dim: 0 dim: -1 } }': (X, lambda x: x.reshape(2, 60)),
    'type: "Reshape" reshape_param { shape { dim: 6 dim: -1 } axis: 0 num_axes: 3 }': (X, lambda x: x.reshape(6, 4, 5)),
    'type: "Reshape" reshape_param { shape { dim: 2 dim: 10 } axis: 2 }': (X, lambda x: x.reshape(2, 3, 2, 10)),
    'type: "Reshape" reshape_param { shape { dim: 1 dim: 1 } axis: -1 num_axes: 0 }': (
        X,
        lambda x: x.reshape(2, 3, 4, 5, 1, 1),
    ),
    'type: "Reshape" reshape_param { shape { dim: -1 dim: 0 } axis: 1 num_axes: 2 }': (X, lambda x: x),
    'type: "Permute" permute_param { order: 0 order: 2 order: 3 order: 1 }': (X, lambda x: x.transpose(0, 2, 3, 1)),
    'type: "Permute" permute_param { order: 3 order: 1 }': (X, lambda x: x.transpose(3, 1, 0, 2)),
    'type: "Tile" tile_param { axis: -1 tiles: 3 }': (X, lambda x: np.tile(x, (1, 1, 1, 3))),
    'type: "Tile" tile_param { axis: 0 tiles: 2 }': (X, lambda x: np.tile(x, (2, 1, 1, 1))),
    'type: "Reduction"': (X, np.sum),
    'type: "Reduction" reduction_param { operation: ASUM axis: 1 coeff: 2 }': (X, lambda x: 2 * abs(x).sum((1, 2, 3))),
    'type: "Reduction" reduction_param { operation: SUMSQ axis: -1 }': (X, lambda x: (x**2).sum(3)),
    'type: "Reduction" reduction_param { operation: MEAN axis: 2 coeff: -0.5 }': (X, lambda x: -x.mean((2, 3)) / 2),
    'type: "ShuffleChannel" shuffle_channel_param { group: 2 }': (
        normal(2, 6, 2, 2),
        lambda x: x[:, [0, 3, 1, 4, 2, 5]],
    ),
    'type: "ShuffleChannel" shuffle_channel_param { group: 3 }': (
        normal(2, 6),
        lambda x: x[:, [0, 2, 4, 1, 3, 5]].reshape(2, 6, 1, 1),
    ),
    'type: "Slice" slice_param { axis: 2 }': (X, lambda x: x),
    'type: "Split"': (X, lambda x: x),
}


@pytest.mark.parametrize("text", ELEMENTWISE)
def test_layers_of_one_bottom(text, run):
    x, definition = ELEMENTWISE[text]
    close(run(text, x=x), definition(x.astype(np.float64)))


def test_power_does_not_look_at_what_it_does_not_need(run):
    x = np.float32([[np.inf, np.nan]])
    assert run('type: "Power" power_param { scale: 0 shift: 2 }', x=x).tolist() == [[2, 2]]


def test_slice(run):
    x = normal(2, 6, 4)
    for found, expected in zip(
        run('top: "a" top: "b" top: "c" type: "Slice" slice_param { axis: -2 slice_point: 1 slice_point: 3 }', x=x),
        np.split(x, [1, 3], 1),
        strict=True,
    ):
        close(found, expected)
    for found, expected in zip(
        run('top: "a" top: "b" type: "Slice" slice_param { slice_dim: 2 }', x=x), np.split(x, 2, 2), strict=True
    ):
        close(found, expected)


def test_concat(run):
    a, b = normal(2, 3, 4), normal(2, 3, 2)
    close(run('type: "Concat" concat_param { axis: -1 }', a=a, b=b), np.concatenate([a, b], 2))
    close(run('type: "Concat" concat_param { concat_dim: 2 }', a=a, b=b), np.concatenate([a, b], 2))
    close(run('type: "Concat"', a=a), a)


def test_eltwise(run):
    a, b, c = normal(3, 2, 3, 4)
    close(run('type: "Eltwise"', a=a, b=b, c=c), a + b + c)
    close(run('type: "Eltwise" eltwise_param { coeff: 2 coeff: 0 coeff: -1 }', a=a, b=b, c=c), 2 * a - c)
    close(run('type: "Eltwise" eltwise_param { operation: PROD }', a=a, b=b, c=c), a * b * c)
    close(run('type: "Eltwise" eltwise_param { operation: MAX }', a=a, b=b, c=c), np.maximum(np.maximum(a, b), c))


@pytest.mark.parametrize(
    ("axis", "axes", "shape"), [(1, 1, (3,)), (0, 2, (2, 3)), (-2, -1, (4, 5)), (2, 0, ()), (3, 1, (5,))]
)
def test_scale_and_bias(axis, axes, shape, run):
    w, b = normal(*shape), normal(*shape)
    start = axis % 4
    wide = [array.reshape(*shape, *(1,) * (4 - start - len(shape))) for array in (w, b)]
    where = f"axis: {axis} num_axes: {axes}"
    close(run(f'type: "Scale" scale_param {{ {where} }}', [w], x=X), X * wide[0])
    close(run(f'type: "Scale" scale_param {{ {where} bias_term: true }}', [w, b], x=X), X * wide[0] + wide[1])
    close(run(f'type: "Bias" bias_param {{ {where} }}', [b], x=X), X + wide[1])
    close(run(f'type: "Scale" scale_param {{ axis: {axis} }}', x=X, s=w), X * wide[0])
    close(run(f'type: "Scale" scale_param {{ axis: {axis} bias_term: true }}', [b], x=X, s=w), X * wide[0] + wide[1])
    close(run(f'type: "Bias" bias_param {{ axis: {axis} }}', x=X, s=w), X + wide[0])


def test_prelu(run):
    w = normal(3)
    slope = np.minimum(X, 0)
    close(run('type: "PReLU"', [w], x=X), np.maximum(X, 0) + w.reshape(3, 1, 1) * slope)
    close(run('type: "PReLU" prelu_param { channel_shared: true }', [w[0]], x=X), np.maximum(X, 0) + w[0] * slope)
    close(run('type: "PReLU"', x=X), np.maximum(X, 0) + 0.25 * slope)


def test_inner_product(run):
    w, b = normal(7, 20), normal(7)
    text = "axis: 2 num_output: 7"
    expected = X.reshape(2, 3, 20) @ w.T + b
    close(run(f'type: "InnerProduct" inner_product_param {{ {text} }}', [w, b], x=X), expected)
    turned = np.ascontiguousarray(w.T)
    close(run(f'type: "InnerProduct" inner_product_param {{ {text} transpose: true }}', [turned, b], x=X), expected)
    w = normal(4, 5)
    text = "axis: -1 num_output: 4 bias_term: false"
    close(run(f'type: "InnerProduct" inner_product_param {{ {text} }}', [w], x=X), X @ w.T)
    close(
        run('type: "InnerProduct" inner_product_param { axis: 0 num_output: 4 bias_term: false }', [w], x=X[0, 0, 0]),
        w @ X[0, 0, 0],
    )


def test_embed(run):
    w, b, at = normal(6, 4), normal(4), labels(6, 2, 3)
    text = "embed_param { input_dim: 6 num_output: 4"
    close(run(f'type: "Embed" {text} }}', [w, b], x=at), w[at.astype(int)] + b)
    close(run(f'type: "Embed" {text} bias_term: false }}', [w], x=at), w[at.astype(int)])


def test_crop(run):
    x = normal(3, 5, 8, 9)
    for text, size, expected in [
        ("axis: 2 offset: 1", (9, 9, 3, 4), x[:, :, 1:4, 1:5]),
        ("axis: 1 offset: 1 offset: 0 offset: 3", (9, 2, 3, 4), x[:, 1:3, 0:3, 3:7]),
        ("axis: -1", (9, 9, 9, 4), x[:, :, :, :4]),
        ("axis: 0 offset: 1", (2, 3, 3, 4), x[1:3, 1:4, 1:4, 1:5]),
    ]:
        close(run(f'type: "Crop" crop_param {{ {text} }}', x=x, r=normal(*size)), expected)


def test_rows_by_other_bottoms(run):
    x, z = normal(5, 2, 3), normal(5, 4)
    rows = np.float32([3, 0, 3, 1])
    close(run('type: "BatchReindex"', x=x, i=rows), x[[3, 0, 3, 1]])
    select = np.float32([0, 1, 0, 1, 1]).reshape(5, 1, 1, 1)
    found = run('top: "a" top: "b" type: "Filter"', x=x, z=z, s=select)
    close(found[0], x[[1, 3, 4]])
    close(found[1], z[[1, 3, 4]])
    close(run('type: "Filter"', x=x, s=select), x[[1, 3, 4]])


# ---- normalisation


@pytest.mark.parametrize(("size", "alpha", "beta", "k"), [(5, 1.0, 0.75, 1), (3, 0.2, 0.5, 2), (7, 0.1, 1, 0.5)])
def test_lrn(size, alpha, beta, k, run):
    x = normal(2, 6, 5, 7)
    half = size // 2
    squares = np.pad(x.astype(np.float64) ** 2, [(0, 0), (half, half), (0, 0), (0, 0)])
    sums = sum(squares[:, i : i + 6] for i in range(size))
    text = f"local_size: {size} alpha: {alpha} beta: {beta}"
    close(run(f'type: "LRN" lrn_param {{ {text} k: {k} }}', x=x), x / (k + alpha / size * sums) ** beta)
    squares = np.pad(x.astype(np.float64) ** 2, [(0, 0), (0, 0), (half, half), (half, half)])
    sums = sum(squares[:, :, i : i + 5, j : j + 7] for i in range(size) for j in range(size))
    within = run(f'type: "LRN" lrn_param {{ {text} norm_region: WITHIN_CHANNEL }}', x=x)
    close(within, x / (1 + alpha / size**2 * sums) ** beta)


@pytest.mark.parametrize("across", [True, False])
@pytest.mark.parametrize("variance", [True, False])
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 3, 4), (2, 3)])
def test_mvn(across, variance, shape, run):
    x = normal(*shape)
    flat = x.astype(np.float64).reshape(2, 1 if across else 3, -1)
    expected = flat - flat.mean(2, keepdims=True)
    if variance:
        expected = expected / (flat.std(2, keepdims=True) + 0.25)
    text = f"across_channels: {across} normalize_variance: {variance} eps: 0.25".lower()
    # Caffe gives this layer's top four axes.
    close(run(f'type: "MVN" mvn_param {{ {text} }}', x=x), expected.reshape(shape + (1,) * (4 - len(shape))))


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("shared", [True, False])
def test_normalize(whole, shared, run):
    w = normal() if shared else normal(3)
    length = np.sqrt((X.astype(np.float64) ** 2).sum((1, 2, 3) if whole else 1, keepdims=True))
    text = f"across_spatial: {whole} channel_shared: {shared}".lower()
    weight = w if shared else w.reshape(3, 1, 1)
    shape = () if shared else (3,)
    found = run(f'type: "Normalize" norm_param {{ {text} }}', [w.reshape(shape)], x=X)
    close(found, X / length * weight)


@pytest.mark.parametrize("stated", ["", "use_global_stats: true", "use_global_stats: false"])
@pytest.mark.parametrize("train", [True, False])
def test_batch_norm(stated, train, run):
    mean, variance = normal(3), np.abs(normal(3))
    x = X.astype(np.float64)
    text = f'type: "BatchNorm" batch_norm_param {{ eps: 0.125 {stated} }}'
    found = run(text, [mean * 4, variance * 4, np.float32([4])], train=train, x=X)
    if "false" in stated or (train and not stated):
        mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3))
    close(found, (x - mean.reshape(3, 1, 1)) / np.sqrt(variance.reshape(3, 1, 1) + 0.125))


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1, 1)])
@pytest.mark.parametrize("train", [True, False])
def test_batch_norm_of_one_number_a_channel(shape, train, run):
    """Caffe takes it for its own mean, with variance 0."""
    text = f'type: "BatchNorm" batch_norm_param {{ {"" if train else "use_global_stats: false"} }}'
    close(run(text, train=train, x=normal(*shape)), np.zeros(shape))


# ---- recurrence


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("static", [True, False])
@pytest.mark.parametrize("exposed", [True, False])
@pytest.mark.parametrize("kind", ["LSTM", "RNN"])
def test_recurrence(static, exposed, kind, run):
    t, n, d, wide = 5, 3, 4, 4 if kind == "LSTM" else 1
    x, cont = normal(t, n, 2, 3), (RANDOM.random((t, n)) > 0.3).astype(np.float32)
    inputs = {"x": x, "cont": cont}
    w_x, b, w_s, w_h = normal(wide * d, 6), normal(wide * d), normal(wide * d, 5), normal(wide * d, d)
    w_o, b_o = normal(d, d), normal(d)
    if static:
        inputs["s"] = normal(n, 5)
    h, c = np.zeros((n, d)), np.zeros((n, d))
    if exposed:
        h, c = normal(n, d), normal(n, d)
        inputs["h0"] = h[None]
        if kind == "LSTM":
            inputs["c0"] = c[None]
    y = []
    for step in range(t):
        go = cont[step][:, None]
        gates = x[step].reshape(n, -1) @ w_x.T + b + (h * go) @ w_h.T
        if static:
            gates = gates + inputs["s"] @ w_s.T
        if kind == "LSTM":
            i, f, o, g = np.split(gates, 4, 1)
            c = go * sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
            y.append(h)
        else:
            h = np.tanh(gates)
            y.append(np.tanh(h @ w_o.T + b_o))
    weights = [w_x, b, *([w_s] if static else []), w_h, *([w_o, b_o] if kind == "RNN" else [])]
    tops = 'top: "y"' + (' top: "h"' + (' top: "c"' if kind == "LSTM" else "") if exposed else "")
    text = f'{tops} type: "{kind}" recurrent_param {{ num_output: {d} expose_hidden: {str(exposed).lower()} }}'
    found = run(text, weights, **inputs)
    close(found[0] if exposed else found, np.stack(y))
    if exposed:
        close(found[1], h[None])
        if kind == "LSTM":
            close(found[2], c[None])


# ---- losses and scores

NORMALIZATIONS = ["", "normalization: FULL", "normalization: VALID", "normalization: BATCH_SIZE", "normalization: NONE"]
NORMALIZATIONS += ["normalize: true", "normalize: false"]


def divisor(text, default, outer, inner, valid):
    text = text or default
    if "FULL" in text:
        return outer * inner
    if "NONE" in text:
        return 1
    return max(1, valid) if "VALID" in text or "true" in text else outer


@pytest.mark.parametrize("mode", NORMALIZATIONS)
@pytest.mark.parametrize("ignore", [None, 2, 255])
@pytest.mark.parametrize(("shape", "axis"), [((6, 5), 1), ((2, 5, 4, 3), 1), ((2, 3, 4, 5), -1)])
def test_softmax_loss(mode, ignore, shape, axis, run):
    x = normal(*shape) * 3
    positions = tuple(size for index, size in enumerate(shape) if index != axis % len(shape))
    label = labels(5, *positions)
    if ignore == 255:
        label.flat[::2] = 255
    probability = np.moveaxis(np.exp(x.astype(np.float64)), axis, -1)
    probability = (probability / probability.sum(-1, keepdims=True)).reshape(-1, 5)
    flat = label.reshape(-1).astype(int)
    valid = flat != ignore
    total = -np.log(probability[np.arange(len(flat))[valid], flat[valid]]).sum()
    outer = math.prod(shape[: axis % len(shape)])
    expected = total / divisor(mode, "VALID", outer, len(flat) // outer, valid.sum())
    ignored = "" if ignore is None else f"ignore_label: {ignore}"
    text = f"loss_param {{ {mode} {ignored} }} softmax_param {{ axis: {axis} }}"
    close(run(f'type: "SoftmaxWithLoss" {text}', x=x, t=label), expected)


def test_softmax_loss_stops_at_the_smallest_float(run):
    found = run('type: "SoftmaxWithLoss"', x=np.float32([[0, 1000]]), t=np.float32([0]))
    assert found == pytest.approx(-math.log(np.finfo(np.float32).tiny))


@pytest.mark.parametrize("mode", NORMALIZATIONS)
@pytest.mark.parametrize("ignore", [None, -1])
def test_sigmoid_loss(mode, ignore, run):
    x, t = normal(3, 4, 2) * 4, RANDOM.random((3, 4, 2)).astype(np.float32)
    if ignore is not None:
        t[0, 1:3] = ignore
    valid = t.astype(int) != ignore if ignore is not None else np.ones(t.shape, bool)
    p = sigmoid(x.astype(np.float64))
    total = -(t * np.log(p) + (1 - t) * np.log(1 - p))[valid].sum()
    text = f"loss_param {{ {mode} {'' if ignore is None else f'ignore_label: {ignore}'} }}"
    expected = total / divisor(mode, "BATCH_SIZE", 3, 8, valid.sum())
    close(run(f'type: "SigmoidCrossEntropyLoss" {text}', x=x, t=t), expected)


@pytest.mark.parametrize("mode", NORMALIZATIONS[:5])
@pytest.mark.parametrize("ignore", [None, 1])
@pytest.mark.parametrize("from_file", [True, False])
def test_infogain_loss(mode, ignore, from_file, run, tmp_path):
    x, label, matrix = normal(2, 4, 3), labels(4, 2, 3), np.abs(normal(4, 4))
    p = np.exp(x.astype(np.float64))
    p /= p.sum(1, keepdims=True)
    valid = label != ignore
    total = -sum(
        matrix[int(label[i, j])] @ np.log(p[i, :, j]) for i, j in itertools.product(range(2), range(3)) if valid[i, j]
    )
    expected = total / divisor(mode, "VALID", 2, 3, valid.sum())
    text = f"loss_param {{ {mode} {'' if ignore is None else f'ignore_label: {ignore}'} }}"
    if from_file:
        blob = BlobProto(data=matrix.flatten().tolist(), num=1, channels=1, height=4, width=4)
        (tmp_path / "H.binaryproto").write_bytes(blob.SerializeToString())
        text += f' infogain_loss_param {{ source: "{tmp_path / "H.binaryproto"}" }}'
        close(run(f'type: "InfogainLoss" {text}', x=x, t=label), expected)
    else:
        close(run(f'type: "InfogainLoss" {text}', x=x, t=label, m=matrix.reshape(1, 1, 4, 4)), expected)
        turned = f'type: "InfogainLoss" {text} infogain_loss_param {{ axis: -1 }} softmax_param {{ axis: 1 }}'
        expected = total / divisor(mode, "VALID", 6, 1, valid.sum())
        close(run(turned, x=x.transpose(0, 2, 1), t=label, m=matrix), expected)


def test_a_broken_infogain_matrix_is_named(run, tmp_path):
    (tmp_path / "H.binaryproto").write_bytes(b"<html>")
    text = f'type: "InfogainLoss" infogain_loss_param {{ source: "{tmp_path / "H.binaryproto"}" }}'
    with pytest.raises(UnsupportedError, match=r"H\.binaryproto"):
        run(text, x=normal(2, 4), t=labels(4, 2))


def test_other_losses(run):
    x, t = normal(4, 3, 2), normal(4, 3, 2)
    close(run('type: "EuclideanLoss"', x=x, t=t), ((x - t) ** 2).sum() / 8)
    scores, label = normal(5, 4), labels(4, 5)
    margins = 1 + scores * np.where(np.arange(4) == label[:, None], -1, 1)
    close(run('type: "HingeLoss"', x=scores, t=label), np.maximum(margins, 0).sum() / 5)
    text = "hinge_loss_param { norm: L2 }"
    close(run(f'type: "HingeLoss" {text}', x=scores, t=label), (np.maximum(margins, 0) ** 2).sum() / 5)
    p = RANDOM.random((5, 4)).astype(np.float32)
    p[1, int(label[1])] = 0
    own = np.maximum(p[np.arange(5), label.astype(int)], 1e-20)
    close(run('type: "MultinomialLogisticLoss"', x=p, t=label), -np.log(own).sum() / 5)


def test_losses_read_bottoms_of_other_shapes_as_rows(run):
    """Items of one number need no second axis, a label of each item is enough, and pairs may differ in their axes."""
    one, label = normal(5), np.zeros(5, np.float32)
    close(run('type: "HingeLoss"', x=one, t=label), np.maximum(1 - one, 0).sum() / 5)
    close(run('type: "MultinomialLogisticLoss"', x=np.abs(one), t=label), -np.log(np.abs(one)).sum() / 5)
    scores, more = normal(5, 4), labels(4, 5, 3)
    first = more.reshape(-1)[:5].copy()
    close(run('type: "HingeLoss"', x=scores, t=more), run('type: "HingeLoss"', x=scores, t=first))
    a, b, alike = normal(5, 3), normal(5, 3), labels(2, 7)
    expected = run('type: "ContrastiveLoss"', a=a, b=b, s=alike[:5])
    close(run('type: "ContrastiveLoss"', a=a.reshape(5, 3, 1, 1), b=b, s=alike), expected)
    expected = run('type: "ContrastiveLoss"', a=one[:, None], b=label[:, None], s=alike)
    close(run('type: "ContrastiveLoss"', a=one, b=label[:, None], s=alike), expected)


@pytest.mark.parametrize("legacy", [True, False])
def test_contrastive_loss(legacy, run):
    a, b, alike = normal(6, 3), normal(6, 3) * 0.3, np.float32([1, 0, 0, 1, 0, 0])
    b[2] = a[2]
    squares = ((a - b).astype(np.float64) ** 2).sum(1)
    apart = np.maximum(2 - squares, 0) if legacy else np.maximum(2 - np.sqrt(squares), 0) ** 2
    expected = np.where(alike == 1, squares, apart).sum() / 12
    text = f"contrastive_loss_param {{ margin: 2 legacy_version: {str(legacy).lower()} }}"
    close(run(f'type: "ContrastiveLoss" {text}', a=a, b=b, s=alike), expected)


@pytest.mark.parametrize("top_k", [1, 2, 4])
@pytest.mark.parametrize("ignore", [None, 3])
@pytest.mark.parametrize(("shape", "axis"), [((20, 5), 1), ((2, 5, 3, 4), 1), ((2, 3, 4, 5), -1)])
def test_accuracy(top_k, ignore, shape, axis, run):
    x = RANDOM.integers(0, 4, shape).astype(np.float32)  # with many equal scores
    scores = np.moveaxis(x, axis, -1).reshape(-1, 5)
    label = labels(5, *(size for index, size in enumerate(shape) if index != axis % len(shape)))
    flat = label.reshape(-1).astype(int)
    hits, counts = np.zeros(5), np.zeros(5)
    for row, own in zip(scores, flat, strict=True):
        if own != ignore:
            counts[own] += 1
            hits[own] += (row >= row[own]).sum() - 1 < top_k
    text = f"accuracy_param {{ top_k: {top_k} axis: {axis} {'' if ignore is None else f'ignore_label: {ignore}'} }}"
    found = run(f'top: "a" top: "c" type: "Accuracy" {text}', x=x, t=label)
    close(found[0], hits.sum() / counts.sum())
    close(found[1], hits / np.maximum(counts, 1))
    close(run(f'type: "Accuracy" {text}', x=x, t=label), hits.sum() / counts.sum())


ARGMAXES = [*itertools.product([(2, 3, 4, 5), (3, 7)], [None, -1, 1], [1, 3]), ((4,), None, 1), ((4,), 0, 3)]


@pytest.mark.parametrize(("shape", "axis", "top_k"), ARGMAXES)
@pytest.mark.parametrize("values", [True, False])
def test_argmax(values, top_k, shape, axis, run):
    x = RANDOM.integers(0, 4, shape).astype(np.float32)  # with many equal values
    lines = x.reshape(shape[0], -1) if axis is None else np.moveaxis(x, axis, -1).reshape(-1, shape[axis])
    places = np.array([sorted(range(len(line)), key=lambda i: (line[i], i), reverse=True)[:top_k] for line in lines])
    largest = np.take_along_axis(lines, places, 1)
    where = "" if axis is None else f"axis: {axis}"
    text = f"argmax_param {{ out_max_val: {str(values).lower()} top_k: {top_k} {where} }}"
    found = run(f'type: "ArgMax" {text}', x=x)
    if axis is None:
        expected = np.stack([places, largest], 1) if values else places[:, None]
        close(found.reshape(expected.shape), expected)
    else:
        close(np.moveaxis(found, axis, -1).reshape(-1, top_k), largest if values else places)


# ---- sources, sinks, types of one's own


def test_parameter_is_learned(net_of):
    net = net_of(
        'layer { name: "p" type: "Parameter" top: "p" parameter_param { shape { dim: 2 dim: 3 } } }'
        'layer { name: "s" type: "Eltwise" bottom: "x" bottom: "p" top: "s" }',
        x=(2, 3),
    )
    module = to_torch(net, {"p": [np.ones((2, 3), np.float32)]})
    assert module(torch.ones(2, 3)).tolist() == [[2] * 3] * 2
    assert [name for name, _ in module.named_parameters()] == ["p.weight"]
    assert list(weights_of(module)) == ["p"]


def test_dummy_data(net_of):
    net = net_of(
        'layer { name: "d" type: "DummyData" top: "a" top: "b" dummy_data_param { shape { dim: 2 } shape { dim: 3 }'
        ' data_filler { value: 4 } data_filler { type: "uniform" min: 1 max: 2 } } }'
        'layer { name: "s" type: "Silence" bottom: "b" }'
    )
    module = to_torch(net, outputs=["a", "b"])
    first, second = module(), module()
    assert first["a"].tolist() == [4, 4]
    assert not torch.equal(first["b"], second["b"]) and 1 <= second["b"].min() <= second["b"].max() <= 2
    assert to_torch(net)().tolist() == [4, 4]


def test_data_layers_are_inputs(net_of):
    net = net_of(
        'layer { name: "d" type: "MemoryData" top: "data" top: "label"'
        " memory_data_param { batch_size: 2 channels: 1 height: 2 width: 2 } }"
        'layer { name: "f" type: "InnerProduct" bottom: "data" top: "f" inner_product_param { num_output: 3 } }'
        'layer { name: "l" type: "SoftmaxWithLoss" bottom: "f" bottom: "label" top: "l" }'
    )
    assert to_torch(net)(torch.zeros(2, 1, 2, 2), torch.zeros(2)).item() == pytest.approx(math.log(3))


def test_a_layer_type_of_ones_own(net_of):
    @layer_type("Twice")
    def shape(layer, bottoms):
        return LayerShape(tops=(bottoms[0],), blobs=((1,),))

    class Twice(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.factor = torch.nn.Parameter(torch.tensor([2.0]))

        def forward(self, x):
            return x * self.factor

    @BUILDERS.register("Twice")
    def build(row):
        return Twice()

    try:
        net = net_of('layer { name: "t" type: "Twice" bottom: "x" top: "t" }', x=(1, 2))
        module = to_torch(net)
        assert module(torch.ones(1, 2)).tolist() == [[2, 2]]
        assert weights_of(module)["t"][0].tolist() == [2]
        assert to_torch(net, {"t": [np.float32([5])]})(torch.ones(1, 2)).tolist() == [[5, 5]]
    finally:
        LAYERS.remove("Twice")
        BUILDERS.remove("Twice")


def test_every_shape_rule_has_a_layer():
    without = {"Split", "Silence", "HDF5Output", *filter(is_input, LAYERS)}
    assert set(LAYERS) - without == set(BUILDERS)


@pytest.mark.parametrize("kind", ["Convolution", "Deconvolution"])
def test_a_kernel_of_dilation_0_lies_on_one_number(kind, run):
    x, weight = normal(1, 2, 5, 4), normal(2, 2, 3, 3).astype(np.float32)
    options = "bias_term: false num_output: 2 stride: 2"
    found = run(f'type: "{kind}" convolution_param {{ {options} kernel_size: 3 dilation: 0 }}', [weight], x=x)
    summed = weight.sum((2, 3), keepdims=True)
    close(found, run(f'type: "{kind}" convolution_param {{ {options} kernel_size: 1 }}', [summed], x=x), 1e-5)
