"""BatchNorm, Scale and Bias that no layer before them can absorb: one in the words of another, or of a convolution.

All of them multiply each channel by a factor and add a number to it. So does a depthwise 1x1 Convolution, and on blobs
of two axes an InnerProduct whose matrix has the factors on its diagonal. BatchNorm counts only where it runs on stored
statistics. The numbers are worked out in float64 and rounded once; without weights, the layers alone are written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from converters.targets.forms import Form, Place, layers_rewritten
from converters.targets.rewrites.building import alone, copied, shares_blobs
from prototxt_gen.passes.phase import stated_phase

Doubles = NDArray[np.float64]


@layers_rewritten("batch norm as Scale", "BatchNorm")
def norm_as_scale(place: Place) -> Iterator[Form]:
    """A BatchNorm on stored statistics is a Scale with bias."""
    options = place.row.layer.batch_norm_param
    is_test = stated_phase(place.row.layer) != "TRAIN"
    if not (options.use_global_stats if options.HasField("use_global_stats") else is_test):
        return
    blobs = None
    if place.blobs is not None:
        mean, variance, count = (np.asarray(blob, np.float64).reshape(-1) for blob in place.blobs)
        # Caffe takes sums over no batches for zeros (batch_norm_layer.cpp).
        times = 1 / count[0] if count[0] else 0.0
        factor = 1 / np.sqrt(variance * times + options.eps)
        blobs = [factor, -mean * times * factor]
    yield alone(place, "Scale", "batch norm as Scale by its statistics", blobs, scale_param={"bias_term": True})


@layers_rewritten("Bias as Scale", "Bias")
def bias_as_scale(place: Place) -> Iterator[Form]:
    """A Bias is a Scale by ones."""
    row, options = place.row, place.row.layer.bias_param
    if len(row.bottoms) > 1:
        return
    blobs = None if place.blobs is None else [np.ones_like(place.blobs[0]), place.blobs[0]]
    scale = {"axis": options.axis, "num_axes": options.num_axes, "bias_term": True}
    yield alone(place, "Scale", "Bias as Scale by ones", blobs, scale_param=scale)


@layers_rewritten("Scale along the channels", "Scale")
def channels_at_one(place: Place) -> Iterator[Form]:
    """One factor a channel where the Scale states it otherwise: a negative axis, one number for all."""
    row, options = place.row, place.row.layer.scale_param
    if len(row.bottoms) > 1 or len(row.bottom_shapes[0]) < 2 or (options.axis, options.num_axes) == (1, 1):
        return
    if (found := _factors(place)) is None or shares_blobs(place):
        return
    factor, shift = found
    blobs = None if place.blobs is None else _blobs(factor, shift)
    bias = {"bias_term": True} if shift is not None else {}
    yield alone(place, "Scale", "Scale by one factor a channel", blobs, scale_param=bias)


@layers_rewritten("Scale as a convolution", "Scale")
def as_convolution(place: Place) -> Iterator[Form]:
    """One factor a channel is a depthwise 1x1 Convolution; on blobs of two axes an InnerProduct."""
    row = place.row
    shape = row.bottom_shapes[0]
    if len(row.bottoms) > 1 or len(shape) < 2 or (found := _factors(place)) is None or shares_blobs(place):
        return
    factor, shift = found
    has_bias = shift is not None
    if len(shape) == 2:
        blobs = None if place.blobs is None else _blobs(np.diag(factor), shift)
        dense = {"num_output": shape[1], "bias_term": has_bias}
        yield alone(place, "InnerProduct", "Scale as an InnerProduct by a diagonal", blobs, inner_product_param=dense)
        return
    kernel = (1,) * (len(shape) - 2)
    blobs = None if place.blobs is None else _blobs(factor.reshape(-1, 1, *kernel), shift)
    options = {"num_output": shape[1], "group": shape[1], "kernel_size": [1], "bias_term": has_bias}
    yield alone(place, "Convolution", "Scale as a depthwise 1x1 Convolution", blobs, convolution_param=options)


@layers_rewritten("a bias of zeros", "Convolution", "Deconvolution", "DepthwiseConvolution", "InnerProduct")
def zero_bias(place: Place) -> Iterator[Form]:
    """A layer without bias as one whose bias is 0."""
    made = copied(place.row.layer)
    options = made.inner_product_param if made.type == "InnerProduct" else made.convolution_param
    if options.bias_term or shares_blobs(place):
        return
    options.bias_term = True
    outputs = np.zeros(options.num_output, np.float32)
    blobs = {} if place.blobs is None else {made.name: [*place.blobs, outputs]}
    yield Form((made,), "with a bias of zeros", blobs)


def _factors(place: Place) -> tuple[Doubles, Doubles | None] | None:
    """The factor and the summand of each channel; None where they are not one a channel.

    Without weights, numbers of their shapes.
    """
    row = place.row
    shape, stated = row.bottom_shapes[0], row.blob_shapes[0] if row.blob_shapes else ()
    options = row.layer.scale_param
    axis = options.axis % len(shape)
    sizes = {axis + place_: size for place_, size in enumerate(stated) if size > 1}
    if sizes not in ({}, {1: shape[1]}):
        return None
    ones = np.ones(shape[1])
    if place.blobs is None:
        return ones, ones if options.bias_term else None
    made = [ones * np.asarray(blob, np.float64).reshape(-1) for blob in place.blobs]
    return made[0], made[1] if options.bias_term else None


def _blobs(factor: Doubles, shift: Doubles | None) -> Sequence[Doubles]:
    return [factor] if shift is None else [factor, shift]
