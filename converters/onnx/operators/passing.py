"""Operators that become no layer: they pass a tensor on as it is, or ask only for its shape."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from converters.onnx.models.tensors import kind_of, type_name
from converters.onnx.network import Network
from converters.onnx.operators.readers import OPERATORS, Call, refuse
from converters.onnx.values import Constant, Tensor
from prototxt_gen.errors import UnsupportedError, need


@OPERATORS.register("Identity")
def identity(call: Call, net: Network) -> Tensor:
    """The value itself."""
    return call.tensor(0)


@OPERATORS.register("Dropout")
def dropout(call: Call, net: Network) -> Tensor:
    """The value itself: networks are read as they run, not as they are trained. Nobody takes the mask then."""
    training = call.constant(2)
    need(training is None or not bool(np.any(training)), "training_mode is true: it would leave out numbers at random")
    return call.tensor(0)


@OPERATORS.register("Cast", "CastLike")
def cast(call: Call, net: Network) -> Constant | Tensor:
    """Numbers of another type: between floats, and from whole numbers to any, they stay the same in a float32 blob.

    What a narrower float would round away is kept. A constant that becomes like a tensor stays a constant.
    """
    given, target = call.inputs[0], call.inputs[1] if call.operator == "CastLike" else None
    if given is not None and not isinstance(given, Tensor) and isinstance(target, Tensor):
        return given.astype(np.int64 if target.whole else np.float32)
    x = call.tensor(0)
    if call.operator == "CastLike":
        like = call.inputs[1]
        whole = like.whole if isinstance(like, Tensor) else np.asarray(like).dtype.kind in "iub"
        boolean = not isinstance(like, Tensor) and np.asarray(like).dtype.kind == "b"
    else:
        target = call.attribute("to")
        kind = kind_of(target)
        need(kind is not None, f"to the type {type_name(target)}, which no blob of Caffe can hold")
        whole, boolean = kind in ("i", "b"), kind == "b"
    if not whole:
        return replace(x, whole=False)
    need(x.whole, "of real numbers to whole ones: no layer of Caffe rounds towards zero")
    need(not boolean, "to booleans: a blob holds whole numbers as they are")
    return x


@OPERATORS.register("Shape")
def shape(call: Call, net: Network) -> Constant:
    """All shapes are known while a network is read."""
    sizes = call.tensor(0).shape
    return np.array(sizes[call.attribute("start", 0) : call.attribute("end", len(sizes))], np.int64)


@OPERATORS.register("Size")
def size(call: Call, net: Network) -> Constant:
    """How many numbers the tensor has."""
    return np.array(prod(call.tensor(0).shape), np.int64)


@OPERATORS.register("ConstantOfShape")
def constant_of_shape(call: Call, net: Network) -> Tensor:
    """Its input is a shape, which is known: it only comes here when the network computes it."""
    raise UnsupportedError("its shape is computed by the network: shapes in Caffe are fixed")


# Weights that are stored as whole numbers are constants, and computed when they are met.
refuse(
    "numbers rounded to 8 bits while the network runs: Caffe's layers compute with floats",
    "QuantizeLinear",
    "DequantizeLinear",
    "DynamicQuantizeLinear",
    "QLinearConv",
    "QLinearMatMul",
    "ConvInteger",
    "MatMulInteger",
)
refuse(
    "recurrent operators are not read: Caffe's LSTM and RNN take a second bottom that says where sequences begin, and "
    "there is no GRU",
    "LSTM",
    "GRU",
    "RNN",
)
