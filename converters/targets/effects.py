"""What silent faults do to a network's numbers: it is run as Caffe reads it, and as the target does.

`Rule.acts_as` says what a target takes a field for. The network is written so, and both are run by PyTorch on the same
seeded inputs of the network's shapes, with its weights. Where none are given both have the same weights drawn by the
network's fillers. Importing this file brings no torch; running does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isfinite, prod

import numpy as np

from converters.targets.checking import Fault, Report
from converters.targets.comparing import compare_outputs, drawn_inputs
from converters.targets.expressions import Expression
from converters.targets.facts import facts_of
from converters.targets.fields import assigned
from converters.targets.spellings import net_in_known_words
from converters.weights.blobs import as_blob
from prototxt_gen.errors import CaffeError
from prototxt_gen.passes.phase import phase_of, select_phase
from prototxt_gen.proto import LayerParameter, NetParameter
from prototxt_gen.trace import LayerSummary, trace

# Runs take seconds on large networks: where more layers are at fault, those of one rule are run together.
_MOST_ALONE = 4


def with_effects(
    report: Report,
    net: NetParameter,
    weights: Mapping[str, Sequence[np.ndarray]] | None = None,
    *,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    seed: int = 0,
) -> Report:
    """The report with what each silent fault whose rule has `acts_as` does to the outputs, and all of them together.

    A number is the largest difference at any output as a share of that output's largest value. Up to 4 faulty layers
    are tried one by one; of more, those that break one rule are tried together, and each states what all of these do.
    Where a network cannot be run, `off_by` says why in words, or a note does. Without such faults nothing is run.
    """
    silent = [fault for fault in report.faults if fault.rule is not None and fault.rule.acts_as]
    if not silent:
        return report
    selected = net_in_known_words(select_phase(net, phase_of(net), level=net.state.level))
    try:
        rows = {row.name: row for row in trace(selected, input_shapes)}
        blobs = _weights(selected, weights, input_shapes)
    except CaffeError as error:
        return replace(report, notes=(*report.notes, f"What silent faults do to the numbers was not computed: {error}"))
    inputs = drawn_inputs([*rows.values()], np.random.default_rng(seed))

    def off_by(faults: Sequence[Fault]) -> float | str:
        try:
            read, theirs = _as_read(selected, faults, rows, blobs, input_shapes)
            differences = compare_outputs((selected, blobs), (read, theirs), inputs=[inputs], input_shapes=input_shapes)
        except CaffeError as error:
            return f"it cannot be run as the target reads it: {error}"
        largest = max(one.largest for one in differences)
        return largest if isfinite(largest) else "they are not finite"

    alone = len(silent) <= _MOST_ALONE
    groups: dict[object, list[Fault]] = {}
    for index, fault in enumerate(silent):
        groups.setdefault(index if alone else id(fault.rule), []).append(fault)
    found = {id(fault): told for faults in groups.values() for told in [off_by(faults)] for fault in faults}
    together = off_by(silent) if len(groups) > 1 else next(iter(found.values()))
    notes = [] if weights is not None else ["Numbers are of weights drawn by the network's fillers: none were given."]
    if not alone:
        notes.append(f"Of {len(silent)} silent faults, those of one rule were tried together.")
    return replace(
        report,
        faults=tuple(replace(fault, off_by=found.get(id(fault), fault.off_by)) for fault in report.faults),
        off_by=together if isinstance(together, float) else None,
        notes=(*report.notes, *notes),
    )


def _weights(
    net: NetParameter,
    weights: Mapping[str, Sequence[np.ndarray]] | None,
    input_shapes: Mapping[str, Sequence[int]] | None,
) -> dict[str, list[np.ndarray]]:
    """The weights given, as arrays, or those that a new module has."""
    if weights is not None:
        return {name: [as_blob(blob, f"layer {name!r}: blob") for blob in blobs] for name, blobs in weights.items()}
    import torch

    from converters.pytorch.module import to_torch, weights_of

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = weights_of(to_torch(net, None, input_shapes=input_shapes))
    return {name: [*blobs] for name, blobs in made.items()}


def _as_read(
    net: NetParameter,
    faults: Sequence[Fault],
    rows: Mapping[str, LayerSummary],
    weights: Mapping[str, Sequence[np.ndarray]],
    input_shapes: Mapping[str, Sequence[int]] | None,
) -> tuple[NetParameter, dict[str, Sequence[np.ndarray]]]:
    """The network as the target reads it, and its weights: numbers of a blob in order, in the shape it has there."""
    read = NetParameter()
    read.CopyFrom(net)
    changed = set()
    for layer in read.layer:
        for fault in faults:
            if fault.layer == layer.name and fault.rule is not None:
                row = rows[layer.name]
                for path, value in fault.rule.acts_as.items():
                    layer.CopyFrom(_with(layer, path, value, row))
                changed.add(layer.name)
    theirs = dict(weights)
    for row in trace(read, input_shapes):
        if row.name in changed and row.name in weights:
            pairs = zip(weights[row.name], row.blob_shapes, strict=False)
            theirs[row.name] = [
                blob.reshape(shape) if blob.size == prod(shape) else blob for blob, shape in pairs
            ]  # fmt: skip
    return read, theirs


def _with(layer: LayerParameter, path: str, value: object, row: LayerSummary) -> LayerParameter:
    """The layer with a field as the target takes it."""
    if isinstance(value, Expression):
        value = value.value(facts_of(layer, row.bottom_shapes, row.top_shapes))
    return assigned(path, value, layer)
