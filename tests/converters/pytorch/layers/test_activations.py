"""Layers that treat every number alone, against numpy."""

from __future__ import annotations

import numpy as np
import pytest

from prototxt_gen import UnsupportedError
from tests.converters.pytorch.layers.arrays import P, X, close, normal

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
}


@pytest.mark.parametrize("text", ELEMENTWISE)
def test_layers_of_one_bottom(text, run):
    x, definition = ELEMENTWISE[text]
    close(run(text, x=x), definition(x.astype(np.float64)))


def test_power_does_not_look_at_what_it_does_not_need(run):
    x = np.float32([[np.inf, np.nan]])
    assert run('type: "Power" power_param { scale: 0 shift: 2 }', x=x).tolist() == [[2, 2]]


def test_prelu(run):
    w = normal(3)
    slope = np.minimum(X, 0)
    close(run('type: "PReLU"', [w], x=X), np.maximum(X, 0) + w.reshape(3, 1, 1) * slope)
    close(run('type: "PReLU" prelu_param { channel_shared: true }', [w[0]], x=X), np.maximum(X, 0) + w[0] * slope)
    close(run('type: "PReLU"', x=X), np.maximum(X, 0) + 0.25 * slope)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ('type: "Dropout" dropout_param { dropout_ratio: 1.5 }', "dropout_ratio: found 1.5, expected 0 to 1"),
        ('type: "BatchNorm" batch_norm_param { eps: -0.5 }', "eps: found -0.5, expected 0 or more"),
    ],
)
def test_numbers_that_make_no_sense_are_refused_by_name(run, layer, message):
    with pytest.raises(UnsupportedError, match=message):
        run(layer, x=X)
