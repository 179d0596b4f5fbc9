"""Activations in ONNX: every option, over one to five axes, against to_torch."""

from __future__ import annotations

import numpy as np
import pytest

from prototxt_gen.errors import UnsupportedError
from tests.converters.onnx.checking import check_layer, operators

NUMBERS = np.random.default_rng(0)
X = NUMBERS.normal(size=(2, 3, 4, 5)).astype(np.float32) * 2
INFINITE = np.where(X > 0, np.inf, -np.inf).astype(np.float32)
POSITIVE = np.abs(X) + np.float32(0.1)

# What follows `type: `, the array, and the operators in order.
CASES = [
    ('"ReLU"', X, "Relu"),
    ('"ReLU" relu_param { negative_slope: 0.1 }', X, "LeakyRelu"),
    ('"ReLU" relu_param { negative_slope: -1.5 }', X, "LeakyRelu"),
    ('"ReLU6"', X * 4, "Clip"),
    ('"ELU"', X, "Elu"),
    ('"ELU" elu_param { alpha: 0.3 }', X, "Elu"),
    ('"Sigmoid"', X * 30, "Sigmoid"),
    ('"TanH"', X, "Tanh"),
    ('"AbsVal"', X, "Abs"),
    ('"BNLL"', X * 40, "Softplus"),
    ('"Swish"', X, "Sigmoid Mul"),
    ('"Swish" swish_param { beta: 1.7 }', X, "Mul Sigmoid Mul"),
    ('"Swish" swish_param { beta: 0 }', X, "Mul Sigmoid Mul"),
    ('"Clip" clip_param { min: -0.5 max: 1 }', X, "Clip"),
    ('"Clip" clip_param { min: 1 max: -0.5 }', X, "Clip"),
    ('"Threshold"', X, "Greater Cast"),
    ('"Threshold" threshold_param { threshold: 0.7 }', X, "Greater Cast"),
    ('"Power"', X, "Identity"),
    ('"Power" power_param { scale: 2 }', X, "Mul"),
    ('"Power" power_param { shift: -1 }', X, "Add"),
    ('"Power" power_param { power: 2 scale: 0.5 shift: 1 }', X, "Mul Add Pow"),
    ('"Power" power_param { power: 3 }', X, "Pow"),
    ('"Power" power_param { power: 0.5 scale: 3 }', POSITIVE, "Mul Pow"),
    ('"Power" power_param { power: -1.5 shift: 0.5 }', POSITIVE, "Add Pow"),
    ('"Power" power_param { power: 0.5 }', X, "Pow"),
    ('"Power" power_param { power: 0 scale: 3 shift: 2 }', INFINITE, "Shape Expand"),
    ('"Power" power_param { power: 2 scale: 0 shift: 3 }', INFINITE, "Shape Expand"),
    ('"Power" power_param { power: -1 scale: 0 }', X, "Shape Expand"),
    ('"Power" power_param { power: 0.5 scale: 0 shift: -2 }', X, "Shape Expand"),
    ('"Exp"', X, "Exp"),
    ('"Exp" exp_param { base: 2 scale: 0.5 shift: 1 }', X, "Mul Exp Mul"),
    ('"Exp" exp_param { base: 2 }', X, "Mul Exp"),
    ('"Exp" exp_param { shift: 2 }', X, "Exp Mul"),
    ('"Log"', POSITIVE, "Log"),
    ('"Log" log_param { base: 10 scale: 3 shift: 0.5 }', POSITIVE, "Mul Add Log Mul"),
    ('"Log" log_param { base: 0.5 shift: 0.5 }', POSITIVE, "Add Log Mul"),
    ('"Dropout"', X, "Dropout"),
    ('"Dropout" dropout_param { dropout_ratio: 0.3 } phase: TEST', X, "Dropout"),
]


@pytest.mark.parametrize("text, x, expected", CASES, ids=[text.replace('"', "") for text, _, _ in CASES])
def test_activations(text, x, expected):
    assert operators(check_layer(f"type: {text}", x=x)) == expected.split()


@pytest.mark.parametrize("shape", [(7,), (2, 3), (2, 3, 4), (2, 3, 2, 2, 2)])
@pytest.mark.parametrize("kind", ["ReLU", "Power", "Exp", "Threshold", "Swish", "Dropout"])
def test_any_number_of_axes(kind, shape):
    check_layer(f'type: "{kind}"', x=NUMBERS.normal(size=shape).astype(np.float32))


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4), (2, 3, 4, 5)])
@pytest.mark.parametrize("shared", ["true", "false"])
def test_prelu(shape, shared):
    slopes = np.float32(0.3) if shared == "true" else np.array([0.25, -0.5, 2], np.float32)
    x = NUMBERS.normal(size=shape).astype(np.float32)
    check_layer(f'type: "PReLU" prelu_param {{ channel_shared: {shared} }}', [np.array(slopes)], x=x)


def test_dropout_that_always_trains_is_refused():
    with pytest.raises(UnsupportedError, match=r"layer 'l' \(Dropout\): phase"):
        check_layer('type: "Dropout" phase: TRAIN', x=X)
