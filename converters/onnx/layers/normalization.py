"""BatchNorm, LRN, MVN, Normalize and Softmax."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from converters.onnx.layers.emitters import EMITTERS, Layer, on_four_axes
from prototxt_gen.layers.layer_types import axis_of
from prototxt_gen.passes.phase import stated_phase


@EMITTERS.register("BatchNorm")
def batch_norm(layer: Layer) -> None:
    """Stored statistics, or those of the batch; with the Scale behind it. Caffe: batch_norm_layer.cpp."""
    options = layer.parameter.batch_norm_param
    stored = options.use_global_stats if options.HasField("use_global_stats") else None
    if stored is None:
        stored = stated_phase(layer.parameter) != "TRAIN"
    mean, variance, factor, *affine = layer.blobs
    if stored:
        weight = factor.reshape(-1)[0]
        blobs = {
            "scale": affine[0] if affine else np.ones_like(mean),
            "bias": affine[1] if len(affine) > 1 else np.zeros_like(mean),
            "mean": mean / weight if weight else np.zeros_like(mean),
            "variance": variance / weight if weight else np.zeros_like(mean),
        }
        constants = [layer.constant(blob, name) for name, blob in blobs.items()]
        layer.node("BatchNormalization", [layer.bottoms[0], *constants], layer.tops[0], epsilon=options.eps)
        return
    rank = len(layer.row.bottom_shapes[0])
    axes = [axis for axis in range(rank) if axis != 1]
    centred = _centred(layer, layer.bottoms[0], axes)
    spread = layer.node("ReduceMean", [layer.node("Mul", [centred, centred])], axes=axes, keepdims=1)
    deviation = layer.node("Sqrt", [layer.node("Add", [spread, layer.constant(options.eps, "eps")])])
    each = [layer.constant(blob.reshape(-1, *(1,) * (rank - 2)), "affine") for blob in affine]
    steps = [("Div", [deviation]), *(zip(("Mul", "Add"), ([blob] for blob in each), strict=False))]
    layer.chain(centred, layer.tops[0], steps)


def _centred(layer: Layer, value: str, axes: Sequence[int]) -> str:
    mean = layer.node("ReduceMean", [value], axes=list(axes), keepdims=1)
    return layer.node("Sub", [value, mean])


@EMITTERS.register("LRN")
def lrn(layer: Layer) -> None:
    """X / (k + alpha * mean of squares) ^ beta across channels, or within one, where k is 1. Caffe: lrn_layer.cpp."""
    options = layer.parameter.lrn_param
    across = options.norm_region == options.ACROSS_CHANNELS
    size, bottom = options.local_size, layer.bottoms[0]
    if across and options.alpha > 0 and options.beta > 0 and options.k > 0:  # onnxruntime takes no others
        # OpenVINO computes a k other than 1 wrong; (k + y)^b = k^b * (1 + y / k)^b.
        plain = options.k == 1
        top = layer.tops[0] if plain else None
        alpha = options.alpha / options.k
        value = layer.node("LRN", [bottom], top, size=size, alpha=alpha, beta=options.beta, bias=1.0)
        if not plain:
            layer.node("Mul", [value, layer.constant(options.k**-options.beta, "factor")], layer.tops[0])
        return
    squares = layer.node("Mul", [bottom, bottom])
    around, kernel, axes = (size - 1) // 2, [size, size], None
    if across:  # channels as the height of one plane
        axes = layer.constant([1], "axes")
        squares = layer.node("Unsqueeze", [squares, axes])
        kernel = [size, 1, 1]
    pads = [around if one > 1 else 0 for one in kernel] * 2
    means = layer.node("AveragePool", [squares], kernel_shape=kernel, pads=pads, count_include_pad=1)
    if axes is not None:
        means = layer.node("Squeeze", [means, axes])
    raised = layer.node("Mul", [means, layer.constant(options.alpha, "alpha")])
    raised = layer.node("Add", [raised, layer.constant(options.k if across else 1.0, "k")])
    divisor = layer.node("Pow", [raised, layer.constant(options.beta, "beta")])
    layer.node("Div", [bottom, divisor], layer.tops[0])


@EMITTERS.register("MVN")
def mvn(layer: Layer) -> None:
    """(x - mean) / (deviation + eps) of each image, or of each of its channels, four axes. Caffe: mvn_layer.cpp."""
    options = layer.parameter.mvn_param
    axes = [1, 2, 3] if options.across_channels else [2, 3]
    value = on_four_axes(layer, layer.bottoms[0])
    if not options.normalize_variance:
        mean = layer.node("ReduceMean", [value], axes=axes, keepdims=1)
        layer.node("Sub", [value, mean], layer.tops[0])
        return
    centred = _centred(layer, value, axes)
    variance = layer.node("ReduceMean", [layer.node("Mul", [centred, centred])], axes=axes, keepdims=1)
    divisor = layer.node("Add", [layer.node("Sqrt", [variance]), layer.constant(options.eps, "eps")])
    layer.node("Div", [centred, divisor], layer.tops[0])


@EMITTERS.register("Normalize")
def normalize(layer: Layer) -> None:
    """Source: normalize_layer.cpp of the SSD fork."""
    options, bottom = layer.parameter.norm_param, layer.bottoms[0]
    rank = len(layer.row.bottom_shapes[0])
    axes = layer.constant(list(range(1, rank)) if options.across_spatial else [1], "axes")
    squares = layer.node("ReduceSum", [layer.node("Mul", [bottom, bottom]), axes], keepdims=1)
    norm = layer.node("Sqrt", [layer.node("Add", [squares, layer.constant(options.eps, "eps")])])
    weight = layer.blobs[0].reshape(-1, *(1,) * (rank - 2))
    layer.node("Mul", [layer.node("Div", [bottom, norm]), layer.constant(weight, "weight")], layer.tops[0])


@EMITTERS.register("Softmax")
def softmax(layer: Layer) -> None:
    """Caffe: softmax_layer.cpp."""
    layer.node(
        "Softmax",
        layer.bottoms,
        layer.tops[0],
        axis=axis_of(layer.parameter, "softmax_param", layer.row.bottom_shapes[0]),
    )
