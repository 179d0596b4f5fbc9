"""Caffe's layer types, one file a family: options, shapes, blobs, costs, fillers, and what else is known of each.

Importing the file of a family enters its types in LAYERS.
"""

from importlib import import_module

from prototxt_gen.layers.layer_types import LAYERS, Filler, LayerShape, LayerType, Shape, is_input, layer_type

__all__ = ["LAYERS", "LAYER_FAMILIES", "Filler", "LayerShape", "LayerType", "Shape", "is_input", "layer_type"]

LAYER_FAMILIES = (
    "sources",
    "convolution",
    "pooling",
    "resizing",
    "dense",
    "normalization",
    "activations",
    "arithmetic",
    "arrangement",
    "recurrent",
    "losses",
    "scores",
)
"""The families of layer types. An engine with files of its own for them names these in the same way."""

for _family in LAYER_FAMILIES:
    import_module(f"{__name__}.{_family}")
