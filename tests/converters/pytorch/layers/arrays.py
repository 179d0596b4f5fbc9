"""The arrays that go through single layers, and how near a layer's must come to its definition's."""

from __future__ import annotations

import numpy as np

RANDOM = np.random.default_rng(0)
LOWEST = np.finfo(np.float32).min


def normal(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


def labels(classes: int, *shape: int) -> np.ndarray:
    return RANDOM.integers(0, classes, shape).astype(np.float32)


X = normal(2, 3, 4, 5)
P = np.abs(X) + np.float32(0.1)


def close(found, expected, limit=1e-6):
    assert found.shape == np.shape(expected)
    assert np.abs(found - expected).max() <= limit * max(1, np.abs(expected).max())


def sigmoid(x):
    return 1 / (1 + np.exp(-x))
