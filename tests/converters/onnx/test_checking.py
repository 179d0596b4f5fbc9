"""The check itself notices wrong numbers and wrong shapes."""

from __future__ import annotations

import numpy as np
import pytest

from converters.onnx.layers import EMITTERS
from tests.converters.onnx.checking import check_layer, onnx, operators

X = np.linspace(-1, 1, 24, dtype=np.float32).reshape(2, 3, 2, 2)


def test_a_right_layer_passes():
    assert operators(check_layer('type: "ReLU"', x=X)) == ["Relu"]


@pytest.mark.parametrize("operator", ["Sigmoid", "Flatten"])
def test_a_wrong_layer_does_not(operator):
    right = EMITTERS.remove("ReLU")
    EMITTERS.register("ReLU")(lambda layer: layer.node(operator, layer.bottoms, layer.tops[0]))
    try:
        with pytest.raises((AssertionError, onnx.shape_inference.InferenceError)):
            check_layer('type: "ReLU"', x=X)
    finally:
        EMITTERS.remove("ReLU")
        EMITTERS.register("ReLU")(right)
