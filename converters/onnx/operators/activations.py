"""Operators that change each number alone."""

from __future__ import annotations

from converters.onnx.network import Network
from converters.onnx.operators.readers import OPERATORS, Call
from converters.onnx.values import Tensor


@OPERATORS.register("Relu")
def relu(call: Call, net: Network) -> Tensor:
    """max(x, 0)."""
    return net.layer("ReLU", [call.tensor(0)])
