"""Batch normalisation folded into the layers before it: structure by prototxt_gen.passes, weights here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from converters.weights.blobs import Array, as_blob
from converters.weights.load_save import Weights
from prototxt_gen.errors import WeightsError
from prototxt_gen.passes.merging import Merge
from prototxt_gen.passes.merging import merge_batchnorm as merge_structure
from prototxt_gen.passes.upgrade import upgrade
from prototxt_gen.proto import NetParameter

Doubles = NDArray[np.float64]


def merge_batchnorm(net: NetParameter, weights: Mapping[str, Sequence[ArrayLike]]) -> tuple[NetParameter, Weights]:
    """The network without the batch normalisations that can be folded, and weights with which it computes the same.

    `prototxt_gen.passes.merging` says which these are and how the network changes. The arithmetic is done in float64
    and rounded once. Both arguments stay as they are. WeightsError lists every layer that is missing or whose blobs do
    not fit together.
    """
    merged, merges = merge_structure(net)
    return merged, fold_weights(net, merges, weights)


def fold_weights(net: NetParameter, merges: Sequence[Merge], weights: Mapping[str, Sequence[ArrayLike]]) -> Weights:
    """The weights of a network after `merges`, which are those of `prototxt_gen.passes.merging` for it."""
    layers = {layer.name: layer for layer in upgrade(net).layer}
    arrays = {name: [as_blob(blob, f"layer {name!r}: blob") for blob in blobs] for name, blobs in weights.items()}
    faults = []
    for merge in merges:
        try:
            arrays[merge.layer] = _folded(merge, layers, arrays)
        except (KeyError, ValueError, IndexError) as fault:
            names = [name for name in merge if name is not None]
            found = {name: [blob.shape for blob in arrays[name]] if name in arrays else "missing" for name in names}
            faults.append(f"layer {merge.layer!r}: found {found}, expected blobs that fit together ({fault})")
    if faults:
        raise WeightsError(f"network {net.name!r}: {'; '.join(faults)}")
    gone = {name for merge in merges for name in merge[1:]}
    return {name: blobs for name, blobs in arrays.items() if name not in gone}


def _folded(merge: Merge, layers: Mapping[str, Any], arrays: Weights) -> list[NDArray[np.float32]]:
    """The weight and the bias of the layer that has absorbed the others."""
    layer, norm = layers[merge.layer], layers[merge.batch_norm]
    weight, *bias = arrays[merge.layer]
    mean, variance, count = (blob.astype(np.float64).reshape(-1) for blob in arrays[merge.batch_norm])
    if count[0] != 0:  # Caffe takes sums over no batches for zeros
        mean, variance = mean / count[0], variance / count[0]
    else:
        mean, variance = mean * 0, variance * 0
    factor = 1 / np.sqrt(variance + norm.batch_norm_param.eps)
    shift: Doubles = (bias[0].astype(np.float64).reshape(-1) - mean if bias else -mean) * factor
    if merge.scale is not None:
        scale, *added = (blob.astype(np.float64).reshape(-1) for blob in arrays[merge.scale])
        factor, shift = factor * scale, shift * scale + (added[0] if added else 0)
    if shift.shape != factor.shape or np.broadcast_shapes(shift.shape, mean.shape) != mean.shape:
        raise ValueError("found numbers of channels that differ")
    return [_times_outputs(layer, weight, factor), shift.astype(np.float32)]


def _times_outputs(layer: Any, weight: Array, factor: Doubles) -> Array:
    """Every weight times the factor of the output that it contributes to."""
    if layer.type == "InnerProduct":
        # Old files hold an inner product's weight as (1, 1, outputs, inputs).
        plane = weight.reshape(weight.shape[-2:])
        return _product(plane, factor if layer.inner_product_param.transpose else factor[:, None])
    if layer.type == "Deconvolution":  # (inputs, outputs / group, kernel): each group has outputs of its own
        groups = layer.convolution_param.group
        parts = weight.reshape(groups, weight.shape[0] // groups, weight.shape[1], -1)
        return _product(parts, factor.reshape(groups, 1, weight.shape[1], 1)).reshape(weight.shape)
    return _product(weight, factor.reshape(-1, *(1,) * (weight.ndim - 1)))


def _product(weight: Array, factor: Doubles) -> Array:
    """In float64, rounded once, piece by piece without a whole array of doubles."""
    made = np.empty(np.broadcast_shapes(weight.shape, factor.shape), np.float32)
    return np.multiply(weight, factor, out=made, dtype=np.float64, casting="same_kind")
