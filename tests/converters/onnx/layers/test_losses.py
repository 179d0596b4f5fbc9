"""Losses, held against to_torch."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from prototxt_gen.errors import UnsupportedError
from tests.converters.onnx.checking import check, check_layer, net_of

NUMBERS = np.random.default_rng(0)
MODES = ["", *(f"normalization: {mode}" for mode in ("FULL", "VALID", "BATCH_SIZE", "NONE"))]
OLD_MODES = ["normalize: true", "normalize: false"]
IGNORED = ["", "ignore_label: 1", "ignore_label: -1"]
COUNTED = list(itertools.product(MODES, IGNORED))
COUNTED_BY_OLD_NAMES = list(itertools.product(OLD_MODES, IGNORED))
SCORES = [  # scores, axis, labels
    ((4, 5), 1, (4,)),
    ((4, 5), 1, (4, 1)),
    ((2, 5, 3, 4), 1, (2, 1, 3, 4)),
    ((2, 5, 3, 4), 1, (2, 3, 4)),
    ((2, 5, 3, 4), 1, (2, 12)),
    ((2, 3, 4, 5), -1, (2, 3, 4)),
]


def numbers(*shape):
    return NUMBERS.normal(size=shape).astype(np.float32)


def labels(classes, *shape):
    return NUMBERS.integers(0, classes, shape).astype(np.float32)


@pytest.mark.parametrize(("mode", "ignored"), COUNTED + COUNTED_BY_OLD_NAMES)
@pytest.mark.parametrize(("shape", "axis", "places"), SCORES[::3])
def test_softmax_with_loss_counts(shape, axis, places, mode, ignored):
    text = f'type: "SoftmaxWithLoss" softmax_param {{ axis: {axis} }} loss_param {{ {mode} {ignored} }}'
    check_layer(text, x=numbers(*shape) * 3, t=labels(5, *places))


@pytest.mark.parametrize("ignored", IGNORED)
@pytest.mark.parametrize(("shape", "axis", "places"), SCORES)
def test_softmax_with_loss(shape, axis, places, ignored):
    text = f'type: "SoftmaxWithLoss" softmax_param {{ axis: {axis} }} loss_param {{ {ignored} }}'
    check_layer(text, x=numbers(*shape) * 3, t=labels(5, *places))


def test_the_least_probability():
    x = np.array([[0, 300], [0, 1]], np.float32)
    check_layer('type: "SoftmaxWithLoss"', x=x, t=np.zeros(2, np.float32))


@pytest.mark.parametrize(("mode", "ignored"), COUNTED + COUNTED_BY_OLD_NAMES)
@pytest.mark.parametrize(("shape", "places"), [((3, 4), (3, 4)), ((3, 2, 4), (3, 8)), ((3,), (3, 1))])
def test_sigmoid_cross_entropy_loss(shape, places, mode, ignored):
    text = f'type: "SigmoidCrossEntropyLoss" loss_param {{ {mode} {ignored} }}'
    check_layer(text, x=numbers(*shape) * 3, t=labels(2, *places))


@pytest.mark.parametrize(("mode", "ignored"), COUNTED[::2])
@pytest.mark.parametrize(("shape", "axis", "places"), SCORES)
def test_infogain_loss(shape, axis, places, mode, ignored):
    tops = 'top: "y" top: "p" loss_weight: 1 loss_weight: 0' if mode else ""
    text = f'{tops} type: "InfogainLoss" infogain_loss_param {{ axis: {axis} }} loss_param {{ {mode} {ignored} }}'
    check_layer(text, x=numbers(*shape) * 3, t=labels(5, *places), m=numbers(1, 1, 5, 5))


def test_infogain_matrix_that_is_no_file(tmp_path):
    text = f'type: "InfogainLoss" infogain_loss_param {{ source: "{tmp_path}/none" }}'
    with pytest.raises(UnsupportedError, match=r"infogain_loss_param\.source"):
        check_layer(text, x=numbers(4, 5), t=labels(5, 4))


@pytest.mark.parametrize(("shape", "places"), [((4, 5), (4,)), ((4, 5, 1, 1), (4, 1, 1, 1)), ((3, 2, 4), (3,))])
def test_multinomial_logistic_loss(shape, places):
    x = np.abs(numbers(*shape))
    x.reshape(len(x), -1)[0] = 0  # below the least
    check_layer('type: "MultinomialLogisticLoss"', x=x, t=labels(5, *places))


@pytest.mark.parametrize(("shape", "places"), [((4, 5), (4, 5)), ((3, 2, 4), (3, 8)), ((4,), (4,))])
def test_euclidean_loss(shape, places):
    check_layer('type: "EuclideanLoss"', x=numbers(*shape), t=numbers(*places))


@pytest.mark.parametrize("norm", ["L1", "L2"])
@pytest.mark.parametrize(("shape", "places"), [((4, 5), (4,)), ((3, 5, 2), (3, 1)), ((3, 5), (3, 4)), ((3,), (3,))])
def test_hinge_loss(shape, places, norm):
    classes = int(np.prod(shape[1:]))
    check_layer(f'type: "HingeLoss" hinge_loss_param {{ norm: {norm} }}', x=numbers(*shape), t=labels(classes, *places))


@pytest.mark.parametrize("legacy", ["true", "false"])
@pytest.mark.parametrize(("shape", "places"), [((6, 5), (6,)), ((6, 5, 1, 1), (6, 1)), ((1, 5), (1,))])
def test_contrastive_loss(shape, places, legacy):
    text = f'type: "ContrastiveLoss" contrastive_loss_param {{ margin: 3 legacy_version: {legacy} }}'
    check_layer(text, x=numbers(*shape), z=numbers(*shape), s=labels(2, *places))


@pytest.mark.parametrize("kind", ["SoftmaxWithLoss", "SigmoidCrossEntropyLoss", "EuclideanLoss", "HingeLoss"])
@pytest.mark.parametrize("mode", MODES)
def test_open_batch(kind, mode):
    shape = (3, 5) if kind in ("EuclideanLoss", "SigmoidCrossEntropyLoss") else (3,)
    text = f'layer {{ name: "l" type: "{kind}" bottom: "x" bottom: "t" top: "y" loss_param {{ {mode} }} }}'

    def inputs(batch):
        return {"x": numbers(batch, 5), "t": labels(2, batch, *shape[1:])}

    check(net_of(text, x=(3, 5), t=shape), {}, inputs(3), dynamic="batch", others=[inputs(1), inputs(8)])
