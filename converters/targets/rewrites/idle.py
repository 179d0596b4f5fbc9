"""Layers that change no number in the TEST phase, left out: what takes their top takes their bottom.

Dropout; a Power of nothing; resizing to the same size; pooling by 1x1; moving that moves nothing: Reshape to the same
shape, Concat of one bottom, Permute to the same order. A layer whose top is an output gives that name to what its
bottom was called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

from converters.targets.checking import Report
from converters.targets.forms import NETWORK_REWRITES, Change, Draft
from converters.targets.memory import renamed_before
from converters.targets.replacing import unread, without_dead
from converters.targets.rows import rows_of
from prototxt_gen.flow import passes_on
from prototxt_gen.layers.pooling import windows
from prototxt_gen.passes.phase import phase_of
from prototxt_gen.proto import LayerParameter, NetParameter
from prototxt_gen.trace import LayerSummary

_SAME_SHAPE = ("Crop", "Flatten", "Reshape", "Tile", "Upsample")


def drop_idle(draft: Draft, report: Report, input_shapes: Mapping[str, Sequence[int]] | None) -> Draft | None:
    """The network without the layers at fault that change nothing."""
    at_fault = {fault.layer for fault in report.faults}
    rows = rows_of(draft.net, input_shapes)
    test = phase_of(draft.net) == "TEST"
    outputs = unread(draft.net.layer)
    made: list[LayerParameter] = []
    real: dict[str, str] = {}
    changes = []
    for index, old in enumerate(draft.net.layer):
        row = rows[index]
        layer = LayerParameter()
        layer.CopyFrom(old)
        layer.bottom[:] = [real.get(name, name) for name in old.bottom]
        layer.top[:] = [real.get(name, name) if name in old.bottom else name for name in old.top]
        made.append(layer)
        for name in set(old.top) - set(old.bottom):
            real.pop(name, None)
        if row is None or old.name not in at_fault or not _is_idle(row, test) or old.loss_weight:
            continue
        bottom, top = layer.bottom[0], layer.top[0]
        if bottom != top and not _left_out(made, draft.net.layer[index + 1 :], bottom, top, outputs, real):
            continue
        made.pop()
        changes.append(Change(old.name, "idle layers", f"{old.type} left out: it changes nothing"))
    if not changes:
        return None
    net = NetParameter()
    net.CopyFrom(draft.net)
    net.ClearField("layer")
    net.layer.extend(made)
    return without_dead(Draft(net, draft.weights, [*draft.changes, *changes], draft.renamed, draft.fixed), outputs)


def _left_out(
    before: list[LayerParameter],
    behind: Sequence[LayerParameter],
    bottom: str,
    top: str,
    outputs: Sequence[str],
    real: dict[str, str],
) -> bool:
    """Joins a layer's top and its bottom to one blob, where that is right; `before` has the layer itself at its end."""
    others = sum(bottom in layer.bottom for layer in before[:-1] if bottom not in layer.top)
    names = {bottom, *(name for name, known in real.items() if known == bottom)}
    others += sum(bool(names & set(layer.bottom)) for layer in behind)
    is_written = any(top in layer.bottom and top in layer.top for layer in behind)
    if is_written and others:
        return False
    if top not in outputs:
        real[top] = bottom
        return True
    return not others and renamed_before(before[:-1], bottom, top)


def _is_idle(row: LayerSummary, test: bool) -> bool:
    layer, same = row.layer, row.bottom_shapes[:1] == row.top_shapes
    if len(row.tops) != 1 or not row.bottoms:
        return False
    if row.type == "Dropout":
        return test
    if row.type == "Power":
        options = layer.power_param
        return (options.power, options.scale, options.shift) == (1, 1, 0)
    if row.type == "Interp":
        return same and layer.interp_param.pad_beg == layer.interp_param.pad_end == 0
    if row.type == "ShuffleChannel":
        return layer.shuffle_channel_param.group in (1, row.bottom_shapes[0][1])
    if row.type == "Pooling":
        window = windows(layer, row.bottom_shapes[0])
        return same and prod(window.kernel) == prod(window.stride) == 1 and not any(window.pad)
    return (same and row.type in _SAME_SHAPE) or (row.type != "Split" and passes_on(row))


NETWORK_REWRITES["idle layers left out"] = drop_idle
