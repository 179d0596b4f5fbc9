"""BatchNorm, LRN, MVN, Normalize and Softmax against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from tests.converters.pytorch.layers.arrays import X, close, normal

ELEMENTWISE = {
    'type: "Softmax"': (X, lambda x: np.exp(x) / np.exp(x).sum(1, keepdims=True)),
    'type: "Softmax" softmax_param { axis: -1 }': (X, lambda x: np.exp(x) / np.exp(x).sum(3, keepdims=True)),
}


@pytest.mark.parametrize("text", ELEMENTWISE)
def test_layers_of_one_bottom(text, run):
    x, definition = ELEMENTWISE[text]
    close(run(text, x=x), definition(x.astype(np.float64)))


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
