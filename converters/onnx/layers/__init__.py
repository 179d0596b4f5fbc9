"""What each layer type becomes in ONNX: one file for each family of layers, as in prototxt_gen/layers."""

from importlib import import_module

from converters.onnx.layers.emitters import EMITTERS, Emitter, Layer
from prototxt_gen.layers import LAYER_FAMILIES

for _family in LAYER_FAMILIES:
    import_module(f"{__name__}.{_family}")

__all__ = ["EMITTERS", "Emitter", "Layer"]
