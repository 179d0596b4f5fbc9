"""Layers that change nothing in the TEST phase left out where they are at fault: Dropout, an Interp to the map's size.

1. A layer in place simply goes.
2. What takes the top of another takes its bottom, unless the top is an output, or a layer in place writes over one of
   the two while others still take the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

from converters.targets.checking import Report
from converters.targets.forms import NETWORK_REWRITES, Change, Draft
from converters.targets.replacing import unread
from converters.targets.rows import rows_of
from prototxt_gen.flow import passes_on
from prototxt_gen.layers.pooling import windows
from prototxt_gen.proto import LayerParameter, NetParameter
from prototxt_gen.trace import LayerSummary

# Types whose tops are their bottoms wherever shapes do not change.
_BY_SHAPE = ("Crop", "Flatten", "Reshape", "Tile", "Upsample")


def drop_idle(draft: Draft, report: Report, input_shapes: Mapping[str, Sequence[int]] | None) -> Draft | None:
    """The network without its layers at fault that pass their bottom on."""
    at_fault = {fault.layer for fault in report.faults}
    layers = list(draft.net.layer)
    rows = rows_of(draft.net, input_shapes)
    outputs = set(unread(layers))
    real: dict[str, str] = {}
    kept, changes = [], []
    for index, (old, row) in enumerate(zip(layers, rows, strict=True)):
        layer = LayerParameter()
        layer.CopyFrom(old)
        if old.name in at_fault and row is not None and is_idle(row) and _may_go(index, layers, outputs):
            if old.bottom[0] != old.top[0]:
                real[old.top[0]] = real.get(old.bottom[0], old.bottom[0])
            changes.append(Change(old.name, "passing", f"{old.type} left out: it changes nothing"))
            continue
        layer.bottom[:] = [real.get(name, name) for name in old.bottom]
        layer.top[:] = [real.get(name, name) if name in old.bottom else name for name in old.top]
        kept.append(layer)
    if not changes:
        return None
    net = NetParameter()
    net.CopyFrom(draft.net)
    net.ClearField("layer")
    net.layer.extend(kept)
    return Draft(net, draft.weights, [*draft.changes, *changes], draft.renamed, draft.fixed)


def is_idle(row: LayerSummary) -> bool:
    """Whether the layer's one top is its first bottom, number by number, in TEST."""
    layer = row.layer
    if len(row.tops) != 1 or not row.bottoms or row.bottom_shapes[0] != row.top_shapes[0]:
        return False
    if row.type in _BY_SHAPE or row.type == "Dropout" or passes_on(row):
        return True
    if row.type == "Power":
        options = layer.power_param
        return (options.power, options.scale, options.shift) == (1, 1, 0)
    if row.type == "Interp":
        return not (layer.interp_param.pad_beg or layer.interp_param.pad_end)
    if row.type == "ShuffleChannel":
        return layer.shuffle_channel_param.group in (1, row.bottom_shapes[0][1])
    if row.type == "Pooling":
        window = windows(layer, row.bottom_shapes[0])
        return prod(window.kernel) == prod(window.stride) == 1 and not any(window.pad)
    return False


def _may_go(index: int, layers: Sequence[LayerParameter], outputs: set[str]) -> bool:
    """Whether what takes the layer's top may take its bottom."""
    bottom, top = layers[index].bottom[0], layers[index].top[0]
    if bottom == top:
        return True
    if top in outputs:
        return False
    behind = layers[index + 1 :]
    if any(bottom in layer.top for layer in behind):
        return False
    written = any(top in layer.top for layer in behind)
    others = sum(bottom in layer.bottom for layer in layers) > 1
    return not (written and others)


NETWORK_REWRITES["layers that change nothing gone"] = drop_idle
