"""Layers that are matrix products: InnerProduct and Embed."""

from __future__ import annotations

from collections.abc import Sequence

from prototxt_gen.layers.layer_types import (
    LayerShape,
    Shape,
    axis_of,
    check_in_place,
    check_numbers,
    count,
    layer_type,
    require,
    weight_and_bias,
)
from prototxt_gen.proto import LayerParameter


@layer_type(
    "InnerProduct",
    has_blobs=True,
    options=("inner_product_param",),
    source="inner_product_layer.cpp",
    does="any axis, transpose, bias_term",
)
def inner_product(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The axes before `axis`, then num_output. Weights are (num_output, inputs), or transposed.

    (Caffe: inner_product_layer.cpp.)
    """
    options = layer.inner_product_param
    outputs = options.num_output
    require(outputs > 0, "inner_product_param.num_output", outputs, "1 or more")
    axis = axis_of(layer, "inner_product_param", bottoms[0])
    check_numbers(bottoms[0])
    inputs = count(bottoms[0][axis:])
    blobs: tuple[Shape, ...] = ((inputs, outputs) if options.transpose else (outputs, inputs),)
    if options.bias_term:
        blobs += ((outputs,),)
    costs = count(bottoms[0]) * outputs
    top = (*bottoms[0][:axis], outputs)
    check_in_place(layer, bottoms[0], top)
    return LayerShape((top,), blobs, costs, weight_and_bias("inner_product_param"))


@layer_type("Embed", has_blobs=True, options=("embed_param",), source="embed_layer.cpp", labels=(0,), does="bias_term")
def embed(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The bottom's shape, then num_output. Weights (input_dim, num_output), then a bias (Caffe: embed_layer.cpp)."""
    options = layer.embed_param
    require(options.num_output > 0, "embed_param.num_output", options.num_output, "1 or more")
    check_numbers(bottoms[0])
    require(options.input_dim > 0, "embed_param.input_dim", options.input_dim, "1 or more")
    blobs: tuple[Shape, ...] = ((options.input_dim, options.num_output),)
    if options.bias_term:
        blobs += ((options.num_output,),)
    return LayerShape(((*bottoms[0], options.num_output),), blobs, fillers=weight_and_bias("embed_param"))
