"""Operators that change each number alone: activations, Exp, Log, Abs and others."""

from __future__ import annotations

from math import inf, pi, sqrt
from typing import Any

import numpy as np

from converters.onnx.moving import views
from converters.onnx.network import Network
from converters.onnx.operators.blocks import (
    affine,
    broadcast_shape,
    clipped,
    expanded,
    float_array,
    marked,
    negated,
    number_of,
    pointwise,
    powered,
    product,
    total,
    weighted_sum,
)
from converters.onnx.operators.readers import OPERATORS, Call, refuse
from converters.onnx.values import Constant, Tensor
from prototxt_gen.errors import UnsupportedError, need


def _plain(operator: str, kind: str, says: str) -> None:
    """Enters an operator that is a layer without options."""

    def read(call: Call, net: Network) -> Tensor:
        return net.layer(kind, [call.tensor(0)])

    read.__doc__ = says
    OPERATORS.register(operator)(pointwise(read))


for _operator, _kind, _says in (
    ("Relu", "ReLU", "max(x, 0)."),
    ("Sigmoid", "Sigmoid", "1 / (1 + exp(-x))."),
    ("Tanh", "TanH", "tanh(x)."),
    ("Softplus", "BNLL", "log(1 + exp(x))."),
    ("Exp", "Exp", "exp(x)."),
    ("Log", "Log", "log(x)."),
):
    _plain(_operator, _kind, _says)


@OPERATORS.register("Abs")
@pointwise
def abs_(call: Call, net: Network) -> Tensor:
    """|x|."""
    x = call.tensor(0)
    return marked(net.layer("AbsVal", [x]), x.whole)


@OPERATORS.register("Clip")
@pointwise
def clip(call: Call, net: Network) -> Tensor:
    """min(max(x, low), high); the limits are attributes before opset 11."""
    x = call.tensor(0)
    return marked(clipped(net, x, _limit(call, 1, "min", -inf), _limit(call, 2, "max", inf)), x.whole)


def _limit(call: Call, place: int, name: str, default: float) -> float:
    found = call.constant(place)
    if found is None:
        number = float(call.attribute(name, default))
    else:
        given = number_of(found)
        need(given is not None, f"{name}: found {found.size} numbers, expected 1")
        assert given is not None
        number = given
    # Exporters write float32's end for a limit that is none.
    return inf if number >= _END else -inf if number <= -_END else number


_END = float(np.finfo(np.float32).max)


@OPERATORS.register("LeakyRelu")
@pointwise
def leaky_relu(call: Call, net: Network) -> Tensor:
    """Max(x, 0) + alpha * min(x, 0)."""
    return net.layer("ReLU", [call.tensor(0)], relu_param={"negative_slope": call.attribute("alpha", 0.01)})


@OPERATORS.register("PRelu")
def prelu(call: Call, net: Network) -> Tensor:
    """X above zero, slope * x below; the slopes broadcast to x."""
    x = call.tensor(0)
    slope = call.inputs[1] if call.has(1) else None
    if slope is None:
        raise UnsupportedError("no slope")
    if isinstance(slope, Tensor):
        shape = broadcast_shape(x.shape, slope.shape)
        falling = product(net, _below(net, x), slope, "slope")
        return total(net, net.layer("ReLU", [expanded(net, x, shape)], suffix="above"), falling)
    need(broadcast_shape(x.shape, slope.shape) == x.shape, f"slopes of shape {slope.shape} for {x.shape}")
    if x.view is not None:
        blob, wrap = views.through(net, x)
        moved = views.below(x, slope) if blob.blob == x.blob else None
        if moved is not None and moved.size <= slope.size:
            return wrap(_prelu(net, blob, moved))
        x = net.plain(x)
    return _prelu(net, x, slope)


def _prelu(net: Network, x: Tensor, slope: Constant) -> Tensor:
    own = (1,) * (len(x.shape) - slope.ndim) + slope.shape
    if 2 <= len(x.shape) <= 4:
        if slope.size == 1:
            return net.layer("PReLU", [x], blobs=[slope.reshape(())], prelu_param={"channel_shared": True})
        if slope.size == own[1]:
            return net.layer("PReLU", [x], blobs=[slope.reshape(-1)])
    if slope.size == 1:
        return net.layer("ReLU", [x], relu_param={"negative_slope": float(float_array(slope).reshape(()))})
    above = net.layer("ReLU", [x], suffix="above")
    return weighted_sum(net, [above, affine(net, _below(net, x), scale=slope, suffix="slope")], [1, 1])


def _below(net: Network, x: Tensor) -> Tensor:
    """min(x, 0)."""
    return negated(net, net.layer("ReLU", [negated(net, x)], suffix="relu"), "below")


@OPERATORS.register("ThresholdedRelu")
@pointwise
def thresholded_relu(call: Call, net: Network) -> Tensor:
    """X above alpha, 0 elsewhere."""
    x = call.tensor(0)
    gate = net.layer("Threshold", [x], suffix="gate", threshold_param={"threshold": call.attribute("alpha", 1.0)})
    return _gated(net, x, gate)


def _gated(net: Network, x: Tensor, gate: Tensor, suffix: str = "") -> Tensor:
    return net.layer("Eltwise", [x, gate], suffix=suffix, eltwise_param={"operation": "PROD"})


@OPERATORS.register("Elu")
@pointwise
def elu(call: Call, net: Network) -> Tensor:
    """X above zero, alpha * (exp(x) - 1) below."""
    return net.layer("ELU", [call.tensor(0)], elu_param={"alpha": call.attribute("alpha", 1.0)})


@OPERATORS.register("Selu")
@pointwise
def selu(call: Call, net: Network) -> Tensor:
    """Gamma times ELU."""
    alpha = call.attribute("alpha", 1.67326319217681884765625)
    y = net.layer("ELU", [call.tensor(0)], suffix="elu", elu_param={"alpha": alpha})
    return powered(net, y, scale=call.attribute("gamma", 1.05070102214813232421875))


@OPERATORS.register("Celu")
@pointwise
def celu(call: Call, net: Network) -> Tensor:
    """X above zero, alpha * (exp(x / alpha) - 1) below: alpha * ELU(x / alpha)."""
    alpha = call.attribute("alpha", 1.0)
    need(alpha > 0, f"alpha {alpha}, expected more than 0")
    if alpha == 1:
        return net.layer("ELU", [call.tensor(0)])
    y = powered(net, call.tensor(0), scale=1 / alpha, suffix="inner")
    return powered(net, net.layer("ELU", [y], suffix="elu"), scale=alpha)


@OPERATORS.register("HardSigmoid")
@pointwise
def hard_sigmoid(call: Call, net: Network) -> Tensor:
    """Alpha * x + beta, limited to 0..1."""
    return _hard_sigmoid(net, call.tensor(0), call.attribute("alpha", 0.2), call.attribute("beta", 0.5))


def _hard_sigmoid(net: Network, x: Tensor, alpha: float, beta: float, suffix: str = "") -> Tensor:
    return clipped(net, powered(net, x, scale=alpha, shift=beta, suffix="line"), 0, 1, suffix)


@OPERATORS.register("HardSwish")
@pointwise
def hard_swish(call: Call, net: Network) -> Tensor:
    """X * HardSigmoid(x) with alpha 1/6; patterns.py may state others."""
    x = call.tensor(0)
    alpha, beta = call.attribute("alpha", 1 / 6), call.attribute("beta", 0.5)
    return _gated(net, x, _hard_sigmoid(net, x, alpha, beta, "gate"))


@OPERATORS.register("Swish")
@pointwise
def swish(call: Call, net: Network) -> Tensor:
    """X * Sigmoid(alpha * x). The Swish layer is of 2018: older Caffes and forks get Sigmoid and Eltwise."""
    x, alpha = call.tensor(0), call.attribute("alpha", 1.0)
    if net.options.dialect == "bvlc" and net.options.round_mode:
        options: dict[str, Any] = {"swish_param": {"beta": alpha}} if alpha != 1 else {}
        return net.layer("Swish", [x], **options)
    gate = net.layer("Sigmoid", [powered(net, x, scale=alpha, suffix="inner")], suffix="gate")
    return _gated(net, x, gate)


@OPERATORS.register("Mish")
@pointwise
def mish(call: Call, net: Network) -> Tensor:
    """X * tanh(log(1 + exp(x)))."""
    x = call.tensor(0)
    gate = net.layer("TanH", [net.layer("BNLL", [x], suffix="softplus")], suffix="gate")
    return _gated(net, x, gate)


@OPERATORS.register("Softsign")
@pointwise
def softsign(call: Call, net: Network) -> Tensor:
    """X / (1 + |x|)."""
    x = call.tensor(0)
    return _gated(net, x, powered(net, net.layer("AbsVal", [x], suffix="abs"), -1, shift=1, suffix="inverse"))


@OPERATORS.register("Gelu")
@pointwise
def gelu(call: Call, net: Network) -> Tensor:
    """0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), which ONNX states by name; that by erf only if asked for."""
    if call.attribute("approximate", "none") != "tanh":
        need(
            net.options.gelu == "tanh",
            "Caffe has no erf; the tanh form differs by up to 5e-4 and is written only if asked for (gelu='tanh')",
        )
    x = call.tensor(0)
    slope = sqrt(2 / pi)
    inner = weighted_sum(net, [x, powered(net, x, 3, suffix="cube")], [slope, slope * 0.044715], "inner")
    gate = powered(net, net.layer("TanH", [inner], suffix="tanh"), scale=0.5, shift=0.5, suffix="gate")
    return _gated(net, x, gate)


@OPERATORS.register("Sign")
@pointwise
def sign(call: Call, net: Network) -> Tensor:
    """1, 0 or -1: whether x is above 0, less whether -x is."""
    x = call.tensor(0)
    above = net.layer("Threshold", [x], suffix="above")
    below = net.layer("Threshold", [negated(net, x)], suffix="below")
    return marked(weighted_sum(net, [above, below], [1, -1]), x.whole)


@OPERATORS.register("Shrink")
@pointwise
def shrink(call: Call, net: Network) -> Tensor:
    """X - bias above lambd, x + bias below -lambd, 0 between."""
    x, limit, bias = call.tensor(0), call.attribute("lambd", 0.5), call.attribute("bias", 0.0)
    need(limit >= 0, f"lambd {limit}, expected 0 or more")
    if bias == 0:
        gate = net.layer(
            "Threshold", [net.layer("AbsVal", [x], suffix="size")], suffix="gate", threshold_param={"threshold": limit}
        )
        return _gated(net, x, gate)
    sides = []
    for factor, what in ((1, "above"), (-1, "below")):
        if bias == limit:
            line = powered(net, x, scale=factor, shift=-bias, suffix=f"{what}_line")
            sides.append(net.layer("ReLU", [line], suffix=what))
            continue
        side = powered(net, x, scale=factor, suffix=what)
        gate = net.layer("Threshold", [side], suffix=f"{what}_gate", threshold_param={"threshold": limit})
        sides.append(_gated(net, powered(net, side, shift=-bias, suffix=f"{what}_line"), gate, f"{what}_part"))
    return weighted_sum(net, sides, [1, -1])


@OPERATORS.register("Where")
def where(call: Call, net: Network) -> Tensor | Constant:
    """One of two values by a constant that is the same everywhere. A computed choice is refused.

    To multiply by 0 and 1 is not the same: what is not chosen may be infinite or no number.
    """
    choice = call.inputs[0]
    if choice is None or isinstance(choice, Tensor):
        raise UnsupportedError("a choice between two values that the network computes; Caffe has no layer for it")
    need(np.unique(choice).size == 1, "a choice that differs from place to place; Caffe has no layer for it")
    chosen = call.inputs[1 if choice.reshape(-1)[0] else 2]
    shapes = [value.shape for value in call.inputs if value is not None]
    need(chosen is not None and len(shapes) == 3, "an input that is left out")
    assert chosen is not None
    shape = broadcast_shape(*shapes)
    return expanded(net, chosen, shape) if isinstance(chosen, Tensor) else np.broadcast_to(chosen, shape)


@OPERATORS.register("Greater", "Less")
@pointwise
def compared(call: Call, net: Network) -> Tensor:
    """1 where x is above, or below, a number, 0 elsewhere: Threshold."""
    x, limit = call.tensor(0), call.inputs[1]
    number = None if limit is None or isinstance(limit, Tensor) else number_of(limit)
    if number is None or len(limit.shape if limit is not None else ()) > max(1, len(x.shape)):
        raise UnsupportedError(f"{_CHOICE}; Threshold compares with one number")
    if call.operator == "Less":
        x, number = negated(net, x), -number
    return marked(net.layer("Threshold", [x], threshold_param={"threshold": number}), whole=True)


@OPERATORS.register("Not")
@pointwise
def not_(call: Call, net: Network) -> Tensor:
    """1 - x of what is 0 or 1."""
    return marked(powered(net, call.tensor(0), scale=-1, shift=1), whole=True)


_CHOICE = "Caffe has no truth values, and nothing that chooses by them"
_ROUNDING = "Caffe has no layer that rounds"
_MISSING = "Caffe has no layer for it, and no layers make it exactly"

refuse("Caffe has no erf, and no layers make it exactly", "Erf")
refuse(_ROUNDING, "Floor", "Ceil", "Round")
refuse(_CHOICE, "And", "Or", "Xor", "Equal", "GreaterOrEqual", "IsInf", "IsNaN", "LessOrEqual")
refuse(_MISSING, "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Cos", "Cosh", "Sin", "Sinh", "Tan", "Mod")
