"""Layers that change each number alone."""

from __future__ import annotations

from converters.onnx.layers.emitters import EMITTERS, Layer


@EMITTERS.register("ReLU")
def relu(layer: Layer) -> None:
    """Caffe: relu_layer.cpp."""
    slope = layer.parameter.relu_param.negative_slope
    if slope:
        layer.node("LeakyRelu", layer.bottoms, layer.tops[0], alpha=slope)
    else:
        layer.node("Relu", layer.bottoms, layer.tops[0])
