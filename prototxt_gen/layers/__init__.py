"""Caffe's layer types, one file a family: options, shapes, blobs, costs, fillers, and what else is known of each.

The families are imported for what importing them does: each enters its types in LAYERS.
"""

from prototxt_gen.layers import (  # noqa: F401
    activations,
    arithmetic,
    arrangement,
    convolution,
    dense,
    losses,
    normalization,
    pooling,
    recurrent,
    resizing,
    scores,
    sources,
)
from prototxt_gen.layers.table import LAYERS, Filler, LayerShape, LayerType, Shape, is_input, layer_type

__all__ = ["LAYERS", "Filler", "LayerShape", "LayerType", "Shape", "is_input", "layer_type"]
