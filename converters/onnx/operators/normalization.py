"""Batch, instance, layer and group normalization, LRN, L2 norms, Softmax and LogSoftmax."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from converters.onnx.network import Network
from converters.onnx.operators.blocks import (
    affine,
    along,
    clipped,
    difference,
    float_array,
    powered,
    product,
    reshaped,
    turned,
    upright,
)
from converters.onnx.operators.readers import OPERATORS, Call
from converters.onnx.operators.reductions import centred, greatest, summed
from converters.onnx.values import Constant, Tensor
from prototxt_gen.errors import UnsupportedError, need


@OPERATORS.register("BatchNormalization")
def batch_normalization(call: Call, net: Network) -> Tensor:
    """(x - mean) / sqrt(variance + epsilon) * scale + shift with stored statistics: BatchNorm and Scale."""
    need(not call.attribute("training_mode", 0), "training_mode: the statistics of the batch; expected stored ones")
    need(call.attribute("spatial", 1) == 1, "spatial 0: statistics for each number; expected for each channel")
    x = call.tensor(0)
    need(len(x.shape) >= 2, f"shape {x.shape}, expected 2 axes or more")
    scale, shift, mean, variance = (float_array(_given(call, place)).reshape(-1) for place in (1, 2, 3, 4))
    options = {"use_global_stats": True, "eps": call.attribute("epsilon", 1e-5)}
    blobs = [mean, variance, np.ones(1, np.float32)]
    y = net.layer("BatchNorm", [x], blobs=blobs, batch_norm_param=options)
    return net.layer("Scale", [y], blobs=[scale, shift], suffix="_scale", scale_param={"bias_term": True})


def _given(call: Call, place: int) -> Constant:
    found = call.constant(place)
    if found is None:
        raise UnsupportedError(f"input {place}: found none")
    return found


@OPERATORS.register("caffe.LRN")
def lrn_of_means(call: Call, net: Network) -> Tensor:
    """LRN as patterns.py finds it: inputs 1 and 2 are the shapes (N, 1, C, ...) of the squares, and x's own.

    With `within` it is that over rows and columns (Caffe: lrn_layer.cpp, WITHIN_CHANNEL).
    """
    x, spread, back = call.tensor(0), call.numbers(1), call.numbers(2)
    if call.attribute("within", 0):
        need(len(x.shape) == 4, f"shape {x.shape}, expected 4 axes")
        size, alpha, beta = (call.attribute(name) for name in ("size", "alpha", "beta"))
        options = {"local_size": size, "alpha": alpha, "beta": beta, "norm_region": "WITHIN_CHANNEL"}
        return net.layer("LRN", [x], lrn_param=options)
    need(len(x.shape) > 3 and spread is not None and len(spread) == 5, f"shape {x.shape}, seen as {spread}")
    assert spread is not None
    leading = [x.shape[place] if size == 0 else size for place, size in enumerate(spread[:2])]
    fits = leading[0] in (-1, x.shape[0]) and leading[1] == 1 and spread[2] == x.shape[1]
    need(fits, f"squares of shape {x.shape}, seen as {spread}: the means are not over channels")
    back = list(x.shape) if back is None else back
    same = len(back) == len(x.shape) and all(size in (0, -1, own) for size, own in zip(back, x.shape, strict=True))
    need(same, f"means of shape {back} for {x.shape}")
    return _normalized(call, net, x)


@OPERATORS.register("LRN")
def lrn(call: Call, net: Network) -> Tensor:
    """X / (bias + alpha / size * sum of squares) ^ beta, over `size` channels around each.

    Caffe takes odd sizes and four axes; others are a band of ones over the channels.
    """
    return _normalized(call, net, call.tensor(0))


def _normalized(call: Call, net: Network, x: Tensor) -> Tensor:
    size = call.attribute("size")
    need(size is not None and size > 0, f"size {size}")
    alpha, beta, bias = call.attribute("alpha", 1e-4), call.attribute("beta", 0.75), call.attribute("bias", 1.0)
    if size % 2 == 1 and len(x.shape) == 4:
        options = {"local_size": size, "alpha": alpha, "beta": beta, **({} if bias == 1 else {"k": bias})}
        return net.layer("LRN", [x], lrn_param=options)
    need(len(x.shape) >= 2, f"shape {x.shape}, expected 2 axes or more")
    channels = np.arange(x.shape[1])
    distance = channels[None, :] - channels[:, None]
    band = (distance >= -((size - 1) // 2)) & (distance <= size // 2)
    squares = powered(net, x, 2, suffix="squares")
    sums = along(net, squares, 1, band * np.float32(alpha / size), suffix="sums", fixed=True)
    return product(net, x, powered(net, sums, -beta, shift=bias, suffix="factor"))


@OPERATORS.register("InstanceNormalization")
def instance_normalization(call: Call, net: Network) -> Tensor:
    """(x - mean) / sqrt(variance + epsilon) of each channel of each image, then a factor and a summand a channel.

    Not MVN: that adds its eps to the deviation, not to the variance (Caffe: mvn_layer.cpp).
    """
    x = call.tensor(0)
    need(len(x.shape) >= 3, f"shape {x.shape}, expected 3 axes or more")
    y = centred(net, x, range(2, len(x.shape)), call.attribute("epsilon", 1e-5))
    return _by_channel(net, y, call.constant(1), call.constant(2))


def _by_channel(net: Network, y: Tensor, scale: Constant | None, shift: Constant | None) -> Tensor:
    """The channels, each by its factor plus its summand; nothing where all are 1 and 0."""
    tail = (1,) * (len(y.shape) - 2)
    factors = None if scale is None else float_array(scale).reshape(-1, *tail)
    summands = None if shift is None else float_array(shift).reshape(-1, *tail)
    if factors is not None and np.all(factors == 1):
        factors = None
    if summands is not None and not np.any(summands):
        summands = None
    return y if factors is None and summands is None else affine(net, y, factors, summands)


@OPERATORS.register("GroupNormalization")
def group_normalization(call: Call, net: Network) -> Tensor:
    """As InstanceNormalization, of groups of channels. Before opset 21 a group shares its factor and its summand."""
    x, groups = call.tensor(0), call.attribute("num_groups")
    need(len(x.shape) >= 2 and groups and x.shape[1] % groups == 0, f"num_groups {groups} of shape {x.shape}")
    scale, shift = (float_array(_given(call, place)).reshape(-1) for place in (1, 2))
    if scale.size == groups:
        scale, shift = (np.repeat(value, x.shape[1] // groups) for value in (scale, shift))
    y = reshaped(net, x, (x.shape[0], groups, prod(x.shape[1:]) // groups), "groups")
    y = reshaped(net, centred(net, y, [2], call.attribute("epsilon", 1e-5)), x.shape, "channels")
    return _by_channel(net, y, scale, shift)


@OPERATORS.register("LayerNormalization", "RMSNormalization")
def layer_normalization(call: Call, net: Network) -> Tensor:
    """(x - mean) / sqrt(variance + epsilon) over the axes from `axis`, times a factor, plus a summand.

    RMSNormalization leaves out the mean and the summand.
    """
    x, axis = call.tensor(0), call.attribute("axis", -1)
    need(-len(x.shape) <= axis < len(x.shape), f"axis {axis} of shape {x.shape}")
    axis %= len(x.shape)
    mean = call.operator == "LayerNormalization"
    blob, order = upright(x)
    axes = sorted(order[place] for place in range(axis, len(x.shape)))
    y = turned(net, centred(net, blob, axes, call.attribute("epsilon", 1e-5), mean=mean), order)
    scale, shift = call.constant(1), call.constant(2) if mean else None
    return y if scale is None and shift is None else affine(net, y, scale, shift)


@OPERATORS.register("MeanVarianceNormalization")
def mean_variance_normalization(call: Call, net: Network) -> Tensor:
    """(x - mean) / (deviation + 1e-9) over the maps, or over channels and maps: MVN, whose eps is of the same kind."""
    x, axes = call.tensor(0), sorted(axis % 4 for axis in call.attribute("axes", [0, 2, 3]))
    need(len(x.shape) == 4, f"shape {x.shape}, expected 4 axes")
    batch = x.shape[0] == 1 and axes[:1] == [0]
    axes = axes[1:] if batch else axes
    need(axes in ([2, 3], [1, 2, 3]), f"axes {axes}, expected those of the maps, or all but the batch")
    options: dict[str, Any] = {"across_channels": True} if axes[0] == 1 else {}
    return net.layer("MVN", [x], mvn_param={**options, "eps": 1e-9})


@OPERATORS.register("LpNormalization")
def lp_normalization(call: Call, net: Network) -> Tensor:
    """X divided by its norm of order 1 or 2 along an axis; zeros stay zeros."""
    x, axis, order = call.tensor(0), call.attribute("axis", -1), call.attribute("p", 2)
    need(-len(x.shape) <= axis < len(x.shape), f"axis {axis} of shape {x.shape}")
    blob, places = upright(x)
    return turned(net, _by_norm(net, blob, [places[axis % len(x.shape)]], order), places)


def _by_norm(net: Network, x: Tensor, axes: list[int], order: int) -> Tensor:
    if order == 1:
        norm = summed(net, net.layer("AbsVal", [x], suffix="abs"), axes)
        return product(net, x, powered(net, clipped(net, norm, _TINY, suffix="norm"), -1, suffix="factor"))
    squares = summed(net, x, axes, squares=True)
    return product(net, x, powered(net, clipped(net, squares, _TINY, suffix="norm"), -0.5, suffix="factor"))


# The least normal float32: a sum below it is a zero, whose inverse would be infinite.
_TINY = float(np.finfo(np.float32).tiny)


def _along_softmax_axes(call: Call, net: Network, write: Callable[[Network, Tensor, int], Tensor]) -> Tensor:
    """What `write` makes along the one axis, or along all of several, which become one for it."""
    x = call.tensor(0)
    axes = _softmax_axes(call, x)
    if len(axes) == 1:
        blob, order = upright(x)
        return turned(net, write(net, blob, order[axes[0]]), order)
    return reshaped(net, write(net, _merged(net, x, axes), axes[0]), x.shape, "")


@OPERATORS.register("Softmax")
def softmax(call: Call, net: Network) -> Tensor:
    """exp(x) over its sum along an axis; before opset 13 along all from `axis`, as one."""
    return _along_softmax_axes(call, net, _softmax)


def _softmax(net: Network, x: Tensor, axis: int) -> Tensor:
    options: dict[str, Any] = {} if axis == 1 else {"softmax_param": {"axis": axis}}
    return net.layer("Softmax", [x], **options)


@OPERATORS.register("LogSoftmax")
def log_softmax(call: Call, net: Network) -> Tensor:
    """X less log(sum(exp(x))), with the greatest taken out. Not the logarithm of Softmax, whose small values are 0."""
    return _along_softmax_axes(call, net, _log_softmax)


def _log_softmax(net: Network, x: Tensor, axis: int) -> Tensor:
    below = difference(net, x, greatest(net, x, [axis]), "below")
    powers = summed(net, net.layer("Exp", [below], suffix="exp"), [axis])
    return difference(net, below, net.layer("Log", [powers], suffix="log"))


def _softmax_axes(call: Call, x: Tensor) -> list[int]:
    axis = call.attribute("axis", -1 if call.opset >= 13 else 1)
    need(-len(x.shape) <= axis < len(x.shape), f"axis {axis} of shape {x.shape}")
    axis %= len(x.shape)
    behind = [place for place in range(axis + 1, len(x.shape)) if x.shape[place] > 1]
    return [axis] if call.opset >= 13 or not behind else list(range(axis, len(x.shape)))


def _merged(net: Network, x: Tensor, axes: Sequence[int]) -> Tensor:
    """The axes as one."""
    if len(axes) == 1:
        return x
    return reshaped(net, x, (*x.shape[: axes[0]], prod(x.shape[axes[0] :])), "flat")
