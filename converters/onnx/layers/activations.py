"""Layers that change each number alone."""

from __future__ import annotations

import math

from converters.onnx.layers.emitters import EMITTERS, Layer
from prototxt_gen.errors import need

_PLAIN = {"Sigmoid": "Sigmoid", "TanH": "Tanh", "AbsVal": "Abs", "BNLL": "Softplus"}


@EMITTERS.register(*_PLAIN)
def plain(layer: Layer) -> None:
    """The operator for the type; BNLL is log(1 + exp(x)). Caffe: sigmoid, tanh, absval, bnll_layer.cpp."""
    layer.node(_PLAIN[layer.row.type], layer.bottoms, layer.tops[0])


@EMITTERS.register("ReLU")
def relu(layer: Layer) -> None:
    """Caffe: relu_layer.cpp."""
    slope = layer.parameter.relu_param.negative_slope
    if slope:
        layer.node("LeakyRelu", layer.bottoms, layer.tops[0], alpha=slope)
    else:
        layer.node("Relu", layer.bottoms, layer.tops[0])


@EMITTERS.register("ReLU6")
def relu6(layer: Layer) -> None:
    """min(max(x, 0), 6), from the forks for mobile networks."""
    _clip(layer, 0.0, 6.0)


@EMITTERS.register("Clip")
def clip(layer: Layer) -> None:
    """At most max, then at least min, which wins if it is above max. Caffe: clip_layer.cpp."""
    options = layer.parameter.clip_param
    _clip(layer, options.min, max(options.min, options.max))  # in ONNX max would win


def _clip(layer: Layer, least: float, most: float) -> None:
    limits = [layer.constant(least, "min"), layer.constant(most, "max")]
    layer.node("Clip", [*layer.bottoms, *limits], layer.tops[0])


@EMITTERS.register("PReLU")
def prelu(layer: Layer) -> None:
    """A slope below zero per channel, or one for all. Caffe: prelu_layer.cpp."""
    slope, axes = layer.blobs[0], len(layer.row.bottom_shapes[0])
    shape = slope.shape + (1,) * (axes - 2) if slope.ndim else (1,)
    layer.node("PRelu", [*layer.bottoms, layer.constant(slope.reshape(shape), "slope")], layer.tops[0])


@EMITTERS.register("ELU")
def elu(layer: Layer) -> None:
    """X above zero, alpha * (exp(x) - 1) below. Caffe: elu_layer.cpp."""
    layer.node("Elu", layer.bottoms, layer.tops[0], alpha=layer.parameter.elu_param.alpha)


@EMITTERS.register("Swish")
def swish(layer: Layer) -> None:
    """X * sigmoid(beta * x). Caffe: swish_layer.cpp."""
    (value,), beta = layer.bottoms, layer.parameter.swish_param.beta
    scaled = value if beta == 1 else layer.node("Mul", [value, layer.constant(beta, "beta")])
    layer.node("Mul", [value, layer.node("Sigmoid", [scaled])], layer.tops[0])


@EMITTERS.register("Threshold")
def threshold(layer: Layer) -> None:
    """1 where x is above the threshold, 0 elsewhere. Caffe: threshold_layer.cpp."""
    limit = layer.constant(layer.parameter.threshold_param.threshold, "threshold")
    layer.node("Cast", [layer.node("Greater", [*layer.bottoms, limit])], layer.tops[0], to=1)  # TensorProto.FLOAT


@EMITTERS.register("Power")
def power(layer: Layer) -> None:
    """(shift + scale * x) ^ power. Caffe: power_layer.cpp."""
    options = layer.parameter.power_param
    if options.power * options.scale == 0:  # Caffe ignores x then, even if it is infinite
        number = 1.0 if options.power == 0 else _powered(options.shift, options.power)
        layer.node("Expand", [layer.constant(number, "value"), layer.node("Shape", layer.bottoms)], layer.tops[0])
        return
    _steps(layer, ("Mul", options.scale, 1), ("Add", options.shift, 0), ("Pow", options.power, 1))


def _powered(base: float, exponent: float) -> float:
    """As in C: NaN and infinite where Python has an error."""
    try:
        return math.pow(base, exponent)
    except ValueError:
        return math.inf if base == 0 else math.nan
    except OverflowError:
        return math.inf if base > 0 or exponent % 2 == 0 else -math.inf


@EMITTERS.register("Exp")
def exp(layer: Layer) -> None:
    """Base ^ (shift + scale * x); base -1 stands for e. Caffe: exp_layer.cpp."""
    options = layer.parameter.exp_param
    log_base = 1.0 if options.base == -1 else math.log(options.base)
    outer = math.exp(log_base * options.shift)
    _steps(layer, ("Mul", log_base * options.scale, 1), ("Exp", None, None), ("Mul", outer, 1))


@EMITTERS.register("Log")
def log(layer: Layer) -> None:
    """log_base(shift + scale * x); base -1 stands for e. Caffe: log_layer.cpp."""
    options = layer.parameter.log_param
    factor = 1.0 if options.base == -1 else 1 / math.log(options.base)
    _steps(layer, ("Mul", options.scale, 1), ("Add", options.shift, 0), ("Log", None, None), ("Mul", factor, 1))


def _steps(layer: Layer, *steps: tuple[str, float | None, float | None]) -> None:
    """Operators with their numbers, without those whose number changes nothing."""
    made: list[tuple[str, list[str]]] = []
    for place, (operator, number, idle) in enumerate(steps):
        if number is None:
            made.append((operator, []))
        elif number != idle:
            made.append((operator, [layer.constant(number, f"{operator.lower()}{place}")]))
    layer.chain(layer.bottoms[0], layer.tops[0], made)


@EMITTERS.register("Dropout")
def dropout(layer: Layer) -> None:
    """Dropout, which passes its input on unless it is told to train. Caffe: dropout_layer.cpp."""
    trains = layer.parameter.HasField("phase") and layer.parameter.phase == 0
    need(not trains, "phase: found TRAIN, in which it drops other numbers at every run")
    ratio = layer.parameter.dropout_param.dropout_ratio
    stated = [layer.constant(ratio, "ratio")] if 0 <= ratio < 1 else []  # others are refused, though they do nothing
    layer.node("Dropout", [*layer.bottoms, *stated], layer.tops[0])
