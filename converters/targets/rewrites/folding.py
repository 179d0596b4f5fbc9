"""Batch norm folded into the layers before it, for targets that have none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from converters.targets.checking import Report
from converters.targets.forms import NETWORK_REWRITES, Change, Draft
from converters.weights.merge import fold_weights
from prototxt_gen.passes.merging import merge_batchnorm


def fold_batchnorm(draft: Draft, report: Report, input_shapes: Mapping[str, Sequence[int]] | None) -> Draft | None:
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


NETWORK_REWRITES["batch norm folded"] = fold_batchnorm
