"""Layers that treat every number by itself: ReLU, Sigmoid, Power, Dropout and others."""

from __future__ import annotations

import math
from collections.abc import Sequence

from prototxt_gen.layers.layer_types import Filler, LayerShape, Shape, check_numbers, layer_type, require
from prototxt_gen.proto import LayerParameter


@layer_type("BNLL", source="bnll_layer.cpp", does="log(1 + exp(x))")
@layer_type(
    "Dropout",
    options=("dropout_param",),
    source="dropout_layer.cpp",
    does="passes through in TEST; drops and rescales in TRAIN",
    differs="draws torch's random numbers, not Caffe's",
)
@layer_type("ELU", options=("elu_param",), source="elu_layer.cpp", does="alpha")
@layer_type("Power", options=("power_param",), source="power_layer.cpp", does="power, scale, shift")
@layer_type("ReLU", options=("relu_param",), source="relu_layer.cpp", does="negative_slope")
@layer_type("ReLU6", source="neuron_layer.cpp", does="of forks: min(max(x, 0), 6)")
@layer_type("Sigmoid", options=("sigmoid_param",), source="sigmoid_layer.cpp")
@layer_type("Swish", options=("swish_param",), source="swish_layer.cpp", does="beta")
@layer_type("TanH", options=("tanh_param",), source="tanh_layer.cpp")
@layer_type("Threshold", options=("threshold_param",), source="threshold_layer.cpp", differs="no gradient, as in Caffe")
def neuron(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The bottom's shape (Caffe: neuron_layer.cpp). ReLU6 is of forks: min(max(x, 0), 6)."""
    return LayerShape((bottoms[0],))


@layer_type("Clip", options=("clip_param",), source="clip_layer.cpp", does="min and max")
def clip(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The bottom's shape. clip_param states both limits; without it both are 0 (Caffe: clip_layer.cpp, caffe.proto)."""
    if layer.HasField("clip_param"):
        missing = [limit for limit in ("min", "max") if not layer.clip_param.HasField(limit)]
        require(not missing, "clip_param", f"no {' and no '.join(missing)}", "min and max")
    return LayerShape((bottoms[0],))


@layer_type("Exp", options=("exp_param",), source="exp_layer.cpp", does="base, scale, shift")
def exp(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The bottom's shape (Caffe: exp_layer.cpp)."""
    _check_base(layer.exp_param.base, "exp_param.base")
    return LayerShape((bottoms[0],))


@layer_type("Log", options=("log_param",), source="log_layer.cpp", does="base, scale, shift")
def log(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The bottom's shape (Caffe: log_layer.cpp)."""
    _check_base(layer.log_param.base, "log_param.base")
    require(layer.log_param.base != 1, "log_param.base", 1, "another base: the logarithm to base 1 is infinite")
    return LayerShape((bottoms[0],))


@layer_type("AbsVal", source="absval_layer.cpp", in_place=False, does="absolute value")
def absval(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The bottom's shape (Caffe: absval_layer.cpp)."""
    return LayerShape((bottoms[0],))


@layer_type(
    "PReLU",
    has_blobs=True,
    options=("prelu_param",),
    source="prelu_layer.cpp",
    does="a slope for each channel, or channel_shared",
)
def prelu(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The bottom's shape. One slope for each channel, or one in a blob without axes (Caffe: prelu_layer.cpp)."""
    require(2 <= len(bottoms[0]) <= 4, "bottom[0]", f"shape {bottoms[0]}", "2 to 4 axes")
    check_numbers(bottoms[0])
    slopes = () if layer.prelu_param.channel_shared else bottoms[0][1:2]
    return LayerShape((bottoms[0],), (slopes,), fillers=(Filler("prelu_param.filler", 0.25),))


def _check_base(base: float, field: str) -> None:
    require(0 < base < math.inf or base == -1, field, base, "more than 0, or -1 for e")
