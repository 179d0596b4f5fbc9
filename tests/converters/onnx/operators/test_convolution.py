"""Conv and ConvTranspose against onnxruntime."""

from __future__ import annotations

from tests.converters.onnx.operators.checking import check, node, normal, types


def test_a_convolution():
    x, constants = {"x": normal(1, 4, 5, 6)}, {"w": normal(6, 2, 3, 3), "b": normal(6)}
    net = check(node("Conv", "x w b", group=2, pads=[1] * 4, strides=[2, 1]), x, constants)
    assert types(net) == ["Convolution"]
