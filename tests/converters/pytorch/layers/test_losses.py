"""Caffe's losses against their definitions, over the options that combine."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from prototxt_gen import UnsupportedError
from prototxt_gen.proto import BlobProto
from tests.converters.pytorch.layers.arrays import RANDOM, close, labels, normal, sigmoid

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
