"""Layers that are matrix products: InnerProduct and Embed."""

from __future__ import annotations

from converters.onnx.layers.emitters import EMITTERS, Layer
from prototxt_gen.layers.layer_types import axis_of


@EMITTERS.register("InnerProduct")
def inner_product(layer: Layer) -> None:
    """Gemm where the outputs lie on axis 1, else MatMul and Add. Caffe: inner_product_layer.cpp."""
    shape, transposed = layer.row.bottom_shapes[0], layer.parameter.inner_product_param.transpose
    axis = axis_of(layer.parameter, "inner_product_param", shape)
    value, top = layer.bottoms[0], layer.tops[0]
    weight, *bias = layer.blobs
    if axis == 1:
        if len(shape) != 2:
            value = layer.node("Flatten", [value], axis=1)
        constants = [layer.constant(blob, name) for blob, name in zip(layer.blobs, ("weight", "bias"), strict=False)]
        layer.node("Gemm", [value, *constants], top, transB=0 if transposed else 1)
        return
    if len(shape) != axis + 1:
        value = layer.node("Reshape", [value, layer.constant([0] * axis + [-1], "shape")])
    steps = [("MatMul", [layer.constant(weight if transposed else weight.T, "weight")])]
    steps += [("Add", [layer.constant(blob, "bias")]) for blob in bias]
    layer.chain(value, top, steps)


@EMITTERS.register("Embed")
def embed(layer: Layer) -> None:
    """Gather by whole numbers. Caffe: embed_layer.cpp."""
    places = layer.node("Cast", layer.bottoms, to=7)  # TensorProto.INT64; towards zero, as a C++ cast
    weight, *bias = layer.blobs
    found = layer.node("Gather", [layer.constant(weight, "weight"), places], None if bias else layer.tops[0], axis=0)
    if bias:
        layer.node("Add", [found, layer.constant(bias[0], "bias")], layer.tops[0])
