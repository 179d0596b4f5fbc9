"""Accuracy and ArgMax, counted one by one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.converters.pytorch.layers.arrays import RANDOM, close, labels


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
