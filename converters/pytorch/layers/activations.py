"""Layers that work on each number separately: ReLU, Sigmoid, Power, Dropout and others."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from converters.pytorch.layers.builders import BUILDERS, Apply, blob
from prototxt_gen.errors import need
from prototxt_gen.passes.phase import stated_phase

if TYPE_CHECKING:
    from converters.pytorch.layers.builders import Row


@BUILDERS.register("ReLU")
def relu(row: Row) -> nn.Module:
    """max(x, 0) + negative_slope * min(x, 0). Caffe: relu_layer.cpp."""
    slope = row.layer.relu_param.negative_slope
    return nn.LeakyReLU(slope) if slope else nn.ReLU()


@BUILDERS.register("ReLU6")
def relu6(row: Row) -> nn.Module:
    """min(max(x, 0), 6), from the forks for mobile networks."""
    return nn.ReLU6()


class PReLU(nn.PReLU):
    """nn.PReLU whose weight keeps the shape of Caffe's blob: (C,), or () where channels share it."""

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C, ...)."""
        return F.prelu(x, self.weight.reshape(-1))


@BUILDERS.register("PReLU")
def prelu(row: Row) -> nn.Module:
    """A learned slope below zero per channel, or one for all. Caffe: prelu_layer.cpp."""
    module = PReLU(device="meta")
    module.weight = blob(row.blob_shapes[0])
    return module


@BUILDERS.register("ELU")
def elu(row: Row) -> nn.Module:
    """X above zero, alpha * (exp(x) - 1) below. Caffe: elu_layer.cpp."""
    return nn.ELU(row.layer.elu_param.alpha)


@BUILDERS.register("Sigmoid")
def sigmoid(row: Row) -> nn.Module:
    """Caffe: sigmoid_layer.cpp."""
    return nn.Sigmoid()


@BUILDERS.register("TanH")
def tanh(row: Row) -> nn.Module:
    """Caffe: tanh_layer.cpp."""
    return nn.Tanh()


@BUILDERS.register("AbsVal")
def absval(row: Row) -> nn.Module:
    """Caffe: absval_layer.cpp."""
    return Apply(torch.abs)


@BUILDERS.register("BNLL")
def bnll(row: Row) -> nn.Module:
    """log(1 + exp(x)). Caffe: bnll_layer.cpp."""
    return nn.Softplus()


@BUILDERS.register("Swish")
def swish(row: Row) -> nn.Module:
    """X * sigmoid(beta * x). Caffe: swish_layer.cpp."""
    return Apply(_swish, beta=row.layer.swish_param.beta)


def _swish(x: Tensor, beta: float) -> Tensor:
    return x * torch.sigmoid(beta * x)


@BUILDERS.register("Clip")
def clip(row: Row) -> nn.Module:
    """At most max, then at least min, which wins if it is above max. Caffe: clip_layer.cpp."""
    options = row.layer.clip_param
    return Apply(_clip, min=options.min, max=options.max)


def _clip(x: Tensor, min: float, max: float) -> Tensor:  # noqa: A002
    # The gradient of clamp takes a CPU nine times as long. This one is 0 where x is exactly a limit, as that of ReLU6
    # is; Caffe's is the top's there.
    return F.hardtanh(x, min, max) if min < max else x.clamp(max=max).clamp(min=min)


@BUILDERS.register("Threshold")
def threshold(row: Row) -> nn.Module:
    """1 where x is above the threshold, 0 elsewhere; no gradient. Caffe: threshold_layer.cpp."""
    return Apply(_threshold, threshold=row.layer.threshold_param.threshold)


def _threshold(x: Tensor, threshold: float) -> Tensor:
    return (x > threshold).to(x.dtype)


@BUILDERS.register("Power")
def power(row: Row) -> nn.Module:
    """(shift + scale * x) ^ power. Caffe: power_layer.cpp."""
    options = row.layer.power_param
    return Apply(_power, power=options.power, scale=options.scale, shift=options.shift)


def _power(x: Tensor, power: float, scale: float, shift: float) -> Tensor:
    if power * scale == 0:  # Caffe ignores x then, even if it is infinite
        return torch.full_like(x, 1.0 if power == 0 else shift).pow(power)
    if scale != 1:
        x = x * scale
    if shift != 0:
        x = x + shift
    return x if power == 1 else x.pow(power)


@BUILDERS.register("Exp")
def exp(row: Row) -> nn.Module:
    """Base ^ (shift + scale * x); base -1 stands for e. Caffe: exp_layer.cpp."""
    options = row.layer.exp_param
    log_base = 1.0 if options.base == -1 else math.log(options.base)
    return Apply(_exp, inner=log_base * options.scale, outer=math.exp(log_base * options.shift))


def _exp(x: Tensor, inner: float, outer: float) -> Tensor:
    y = torch.exp(x * inner)
    return y if outer == 1 else y * outer


@BUILDERS.register("Log")
def log(row: Row) -> nn.Module:
    """log_base(shift + scale * x); base -1 stands for e. Caffe: log_layer.cpp."""
    options = row.layer.log_param
    factor = 1.0 if options.base == -1 else 1 / math.log(options.base)
    return Apply(_log, scale=options.scale, shift=options.shift, factor=factor)


def _log(x: Tensor, scale: float, shift: float, factor: float) -> Tensor:
    return torch.log(x * scale + shift) * factor


@BUILDERS.register("Dropout")
def dropout(row: Row) -> nn.Module:
    """Drops in train() and scales what is left by 1 / (1 - ratio). Caffe: dropout_layer.cpp."""
    ratio, phase = row.layer.dropout_param.dropout_ratio, stated_phase(row.layer)
    need(0 <= ratio <= 1, f"dropout_param.dropout_ratio: found {ratio:g}, expected 0 to 1")
    return Apply(F.dropout, p=ratio, training=phase == "TRAIN") if phase else nn.Dropout(ratio)
