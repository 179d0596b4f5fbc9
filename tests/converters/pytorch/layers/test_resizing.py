"""Interp: rows and columns blended by their distances; Upsample: each of them repeated."""

from __future__ import annotations

import numpy as np
import pytest

from tests.converters.pytorch.layers.arrays import close, normal


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


def test_upsample(run):
    x = normal(2, 3, 4, 5)
    close(run('type: "Upsample" upsample_param { scale: 3 }', x=x), x.repeat(3, 2).repeat(3, 3), 0)
