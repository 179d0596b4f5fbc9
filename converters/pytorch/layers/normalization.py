"""BatchNorm (with its Scale), LRN, MVN, Normalize and Softmax."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from converters.pytorch.layers.builders import BUILDERS, Apply, blob
from prototxt_gen.errors import need
from prototxt_gen.layers.layer_types import axis_of
from prototxt_gen.passes.phase import stated_phase

if TYPE_CHECKING:
    from converters.pytorch.layers.builders import Row

_BATCH_NORMS = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}


class BatchNorm(nn.BatchNorm2d):
    """Batch norm for what torch's own classes do not cover: any number of axes, or a stated use_global_stats or phase.

    `stored` True: the stored statistics, in train() too; False: those of the batch, in eval() too; None: by mode.
    """

    def __init__(self, channels: int, stored: bool | None, **settings: Any) -> None:
        super().__init__(channels, **settings)
        self.stored = stored

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C, ...), or (N,), which is one channel."""
        training = self.training if self.stored is None else not self.stored
        flat = x.reshape(-1, 1, 1) if x.dim() == 1 else x.reshape(x.shape[0], x.shape[1], -1)
        lone = training and flat.shape[0] * flat.shape[2] == 1
        if lone:  # torch refuses to compute statistics of a single number; those of two equal ones are the same
            flat = flat.expand(2, -1, -1)
        y = F.batch_norm(
            flat,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            training,
            # Stored statistics are updated only in train().
            self.momentum if self.training and training else 0.0,  # type: ignore[arg-type]
            self.eps,
        )
        return y[: 1 if lone else None].reshape(x.shape)


def batch_norm(row: Row, scale: Row | None = None) -> nn.Module:
    """One trainable module for a BatchNorm and the Scale after it; without a Scale it has no affine part.

    eps is Caffe's, momentum 1 - moving_average_fraction. Caffe: batch_norm_layer.cpp. Unlike Caffe a fresh module has
    variance 1, so that its output is its input.
    """
    options = row.layer.batch_norm_param
    shape = row.bottom_shapes[0]
    channels = shape[1] if len(shape) > 1 else 1
    # The shortest decimal that gives the float: 0.9, not 0.8999999761581421.
    momentum = 1 - float(str(np.float32(options.moving_average_fraction)))
    need(options.eps >= 0, f"batch_norm_param.eps: found {options.eps:g}, expected 0 or more")
    settings: dict[str, Any] = {"eps": options.eps, "momentum": momentum, "affine": scale is not None}
    phase = stated_phase(row.layer)
    stored = phase == "TEST" if phase else None
    if options.HasField("use_global_stats"):
        stored = options.use_global_stats
    module: nn.Module
    if stored is None and len(shape) in _BATCH_NORMS and prod(shape) > channels:
        module = _BATCH_NORMS[len(shape)](channels, **settings)
    else:
        module = BatchNorm(channels, stored, **settings)
    if scale is not None:
        module.weight = blob(scale.blob_shapes[0])
        module.register_parameter("bias", blob(scale.blob_shapes[1]) if len(scale.blob_shapes) > 1 else None)
    return module


@BUILDERS.register("BatchNorm")
def batch_norm_alone(row: Row) -> nn.Module:
    """A BatchNorm without its Scale."""
    return batch_norm(row)


@BUILDERS.register("LRN")
def lrn(row: Row) -> nn.Module:
    """X / (k + alpha * mean of squares) ^ beta across channels, or within one, where k is 1. Caffe: lrn_layer.cpp."""
    options = row.layer.lrn_param
    settings: dict[str, Any] = {"size": options.local_size, "alpha": options.alpha, "beta": options.beta}
    if options.norm_region == options.ACROSS_CHANNELS:
        return nn.LocalResponseNorm(**settings, k=options.k)
    return Apply(_lrn_within, **settings)


def _lrn_within(x: Tensor, size: int, alpha: float, beta: float) -> Tensor:
    squares = F.avg_pool2d(x.square(), size, 1, (size - 1) // 2)
    return x * (1 + alpha * squares).pow(-beta)


@BUILDERS.register("MVN")
def mvn(row: Row) -> nn.Module:
    """(x - mean) / (deviation + eps) of each image, or of each of its channels, four axes. Caffe: mvn_layer.cpp."""
    options = row.layer.mvn_param
    return Apply(_mvn, start=1 if options.across_channels else 2, variance=options.normalize_variance, eps=options.eps)


def _mvn(x: Tensor, start: int, variance: bool, eps: float) -> Tensor:
    flat = x.reshape(*x.shape[:start], -1)
    flat = flat - flat.mean(-1, keepdim=True)
    if variance:
        divisor = flat.detach().square().mean(-1, keepdim=True).sqrt() + eps
        # Caffe's gradient uses the divisor in place of the deviation, so that a constant image has a gradient, too.
        slope = (flat * (flat.detach() / divisor)).mean(-1, keepdim=True)
        flat = flat / (divisor + (slope - slope.detach()))
    return flat.reshape(*x.shape, *(1,) * (4 - x.dim()))


class Normalize(nn.Module):
    """x divided by its L2 norm, across channels or over the whole image, times a learned scale."""

    def __init__(self, weight: nn.Parameter, whole: bool, eps: float) -> None:
        super().__init__()
        self.weight = weight
        self.whole = whole
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C, ...)."""
        axes = tuple(range(1, x.dim())) if self.whole else (1,)
        y = x / (x.square().sum(axes, keepdim=True) + self.eps).sqrt()
        return y * self.weight.reshape(-1, *(1,) * (x.dim() - 2))


@BUILDERS.register("Normalize")
def normalize(row: Row) -> nn.Module:
    """Source: normalize_layer.cpp of the SSD fork."""
    options = row.layer.norm_param
    return Normalize(blob(row.blob_shapes[0]), options.across_spatial, options.eps)


@BUILDERS.register("Softmax")
def softmax(row: Row) -> nn.Module:
    """Caffe: softmax_layer.cpp."""
    return nn.Softmax(axis_of(row.layer, "softmax_param", row.bottom_shapes[0]))


def set_statistics(module: nn.Module, blobs: list[Tensor]) -> None:
    """Writes Caffe's three blobs (mean and variance times the factor, the factor) into a batch norm."""
    mean, variance, factor = (value.to(torch.float32) for value in blobs)
    weight = float(factor.flatten()[0])
    with torch.no_grad():
        for buffer, value in ((module.running_mean, mean), (module.running_var, variance)):
            assert isinstance(buffer, Tensor)
            buffer.copy_(value / weight if weight else torch.zeros_like(value))
