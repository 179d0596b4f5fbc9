"""Caffe's layers in PyTorch: `BUILDERS` maps every Caffe type to its builder; each family of layers has one file."""

from importlib import import_module

from converters.pytorch.layers.builders import BUILDERS, Apply, Builder
from prototxt_gen.layers import LAYER_FAMILIES

__all__ = ["BUILDERS", "Apply", "Builder"]

for _family in LAYER_FAMILIES:  # importing it registers its builders
    import_module(f"{__name__}.{_family}")
