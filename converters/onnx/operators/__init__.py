"""What each ONNX operator becomes in Caffe: one file for each family of layers, as in prototxt_gen/layers."""

from importlib import import_module

from converters.onnx.operators.readers import OPERATORS, REFUSED, Call, Reader

OPERATOR_FAMILIES = (
    "passing",
    "convolution",
    "pooling",
    "padding",
    "resizing",
    "dense",
    "normalization",
    "activations",
    "arithmetic",
    "reductions",
    "arrangement",
    "scores",
)
"""The families of layers that operators become, and first those that become none."""

for _family in OPERATOR_FAMILIES:
    import_module(f"{__name__}.{_family}")

__all__ = ["OPERATORS", "OPERATOR_FAMILIES", "REFUSED", "Call", "Reader"]
