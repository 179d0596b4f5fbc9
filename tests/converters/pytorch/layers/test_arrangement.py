"""Layers that only move numbers, against numpy."""

from __future__ import annotations

import numpy as np
import pytest

from tests.converters.pytorch.layers.arrays import X, close, normal

ELEMENTWISE = {
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
