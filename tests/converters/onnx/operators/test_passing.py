"""Operators that become no layer."""

from __future__ import annotations

import numpy as np
import pytest

from tests.converters.onnx.operators.checking import check, node, normal, refused

X = {"x": normal(2, 3, 4, 5)}
WHOLE = {"x": np.arange(6).reshape(2, 3)}
TRUTH = {"x": np.array([[True, False]])}


@pytest.mark.parametrize("last, inputs", [
    (node("Identity", "x"), X),
    (node("Dropout", "x"), X),
    (node("Dropout", "x ratio"), X),
    (node("Dropout", "x ratio off"), X),
    (node("Dropout", "x", "y unused"), X),
    (node("Cast", "x", to=1), X),
    (node("Cast", "x", to=11), X),
    (node("Cast", "x", to=1), WHOLE),
    (node("Cast", "x", to=6), WHOLE),
    (node("Cast", "x", to=1), TRUTH),
    (node("Cast", "x", to=7), TRUTH),
    (node("CastLike", "x ratio"), X),
    (node("CastLike", "x ratio"), WHOLE),
])  # fmt: skip
def test_values_that_pass(last, inputs):
    constants = {"ratio": np.float32(0.25), "off": np.array(False)}
    net = check(last, inputs, constants, outputs="y")
    assert [layer.type for layer in net.layer] == ["Input", "Split"]


def test_half_precision_is_kept_as_it_was_before():
    x = {"x": np.float32([[0.1, 70000.0]])}
    check([node("Cast", "x", "h", to=10), node("Cast", "h", to=1)], x, by=[x["x"]])


@pytest.mark.parametrize("last, inputs, why", [
    (node("Cast", "x", to=7), X, "of real numbers to whole ones"),
    (node("Cast", "x", to=9), X, "of real numbers to whole ones"),
    (node("Cast", "x", to=9), WHOLE, "to booleans"),
    (node("Cast", "x", to=8), X, "to the type STRING"),
    (node("CastLike", "x whole"), X, "of real numbers to whole ones"),
    (node("Dropout", "x ratio on"), X, "training_mode is true"),
    (node("Dropout", "x", "z y"), X, "output 1, 'y', is used, but no layer of Caffe makes it"),
])  # fmt: skip
def test_what_would_change_numbers_is_refused(last, inputs, why):
    constants = {"ratio": np.float32(0.25), "on": np.array(True), "whole": np.array(1)}
    refused(last, inputs, constants, outputs="y", match=why)


@pytest.mark.parametrize("nodes", [
    [node("Shape", "x", "s"), node("Cast", "s", to=1)],
    [node("Shape", "x", "s", start=1, end=-1), node("Cast", "s", to=1)],
    [node("Shape", "x", "s", start=-9, end=9), node("Cast", "s", to=1)],
    [node("Size", "x", "s"), node("Cast", "s", to=1)],
    [node("Relu", "x", "r"), node("Shape", "r", "s"), node("Gather", "s i", "g"), node("Mul", "g g", "m"),
     node("Unsqueeze", "m a", "u"), node("Cast", "u", to=1)],
])  # fmt: skip
def test_shapes_are_constants(nodes):
    net = check(nodes, X, {"i": np.array(2), "a": np.array([0])})
    assert [layer.type for layer in net.layer] == ["Input", "Parameter"]
