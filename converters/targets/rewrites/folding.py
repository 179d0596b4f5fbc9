"""Batch norm folded into the layers before it, or into the Scale behind it, for targets that do not take it alone.

1. As `prototxt_gen.passes.merging` does it: where a convolution, or an inner product, can absorb it.
2. Else a BatchNorm on stored statistics and the Scale that alone takes its top are one Scale with a bias.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from converters.targets.checking import Report
from converters.targets.forms import NETWORK_REWRITES, Change, Draft
from converters.weights.merge import fold_weights
from prototxt_gen.layers.layer_types import shared_names
from prototxt_gen.layers.normalization import is_affine_part
from prototxt_gen.passes.merging import merge_batchnorm
from prototxt_gen.passes.phase import phase_of, stated_phase
from prototxt_gen.proto import LayerParameter, NetParameter

Shapes: TypeAlias = Mapping[str, Sequence[int]] | None


def fold_batchnorm(draft: Draft, report: Report, input_shapes: Shapes) -> Draft | None:
    """All batch norms that can be folded: where they are at fault, or convolutions that lack the bias it gives them."""
    merged, merges = merge_batchnorm(draft.net)
    at_fault = {fault.layer for fault in report.faults}
    if not any(at_fault & set(merge) for merge in merges):
        return None
    weights = None if draft.weights is None else fold_weights(draft.net, merges, draft.weights)
    changes = [
        Change(
            merge.layer,
            "folded into the layer before",
            "has absorbed the batch norm behind it",
            also=(merge.batch_norm, *([merge.scale] if merge.scale else [])),
        )
        for merge in merges
    ]
    return Draft(merged, weights, [*draft.changes, *changes], draft.renamed, draft.fixed)


def join_scales(draft: Draft, report: Report, input_shapes: Shapes) -> Draft | None:
    """Pairs of a BatchNorm and its Scale, of which one is at fault, as one Scale."""
    at_fault = {fault.layer for fault in report.faults}
    layers = list(draft.net.layer)
    weights = None if draft.weights is None else dict(draft.weights)
    pairs = {norm: scale for norm, scale in _pairs(draft.net) if at_fault & {layers[norm].name, layers[scale].name}}
    if not pairs:
        return None
    net = NetParameter()
    net.CopyFrom(draft.net)
    net.ClearField("layer")
    changes = []
    norms = {scale: norm for norm, scale in pairs.items()}
    for index, old in enumerate(layers):
        if index in pairs:
            continue
        made = net.layer.add()
        made.CopyFrom(old)
        if index not in norms:
            continue
        norm = layers[norms[index]]
        made.bottom[:] = norm.bottom
        made.scale_param.bias_term = True
        changes.append(Change(old.name, "folding", "has absorbed the batch norm before it"))
        if weights is not None and norm.name in weights and old.name in weights:
            weights[old.name] = _joined(norm, weights.pop(norm.name), weights[old.name])
    return Draft(net, weights, [*draft.changes, *changes], draft.renamed, draft.fixed)


def _pairs(net: NetParameter) -> list[tuple[int, int]]:
    """The places of each BatchNorm on stored statistics and of the Scale that alone takes its top."""
    layers = list(net.layer)
    shared = shared_names(layers)
    makers: dict[str, int] = {}
    takers: dict[int, list[int]] = {}
    for index, layer in enumerate(layers):
        for bottom in layer.bottom:
            if bottom in makers:
                takers.setdefault(makers[bottom], []).append(index)
        makers.update(dict.fromkeys(layer.top, index))
    found = []
    for index, layer in enumerate(layers):
        options = layer.batch_norm_param
        is_test = (stated_phase(layer) or phase_of(net)) == "TEST"
        if not (options.use_global_stats if options.HasField("use_global_stats") else is_test):
            continue
        if len(behind := takers.get(index, [])) == 1 and is_affine_part(layers[behind[0]], layer):
            both = (layer, layers[behind[0]])
            if not any(one.loss_weight or any(spec.name in shared for spec in one.param) for one in both):
                found.append((index, behind[0]))
    return found


def _joined(norm: LayerParameter, statistics: Sequence[np.ndarray], affine: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The factors and the summands of both together, worked out in float64 and rounded once."""
    mean, variance, count = (np.asarray(blob, np.float64).reshape(-1) for blob in statistics)
    times = 1 / count[0] if count[0] else 0.0  # Caffe takes sums over no batches for zeros
    factor, *shift = (np.asarray(blob, np.float64).reshape(-1) for blob in affine)
    factor = factor / np.sqrt(variance * times + norm.batch_norm_param.eps)
    summand = (shift[0] if shift else 0) - mean * times * factor
    return [factor.astype(np.float32), summand.astype(np.float32)]


NETWORK_REWRITES["batch norm folded"] = fold_batchnorm
NETWORK_REWRITES["batch norm and its Scale as one"] = join_scales
