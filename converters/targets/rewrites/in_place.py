"""Layers in place get tops of their own, where a target does not take them in place.

The blob's name stays with the last value, which other layers and the outputs know; what was in it before is called
after the layer that made it. An input keeps its name, and the layer's top gets the layer's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from converters.targets.checking import Report
from converters.targets.forms import FINAL_REWRITES, Change, Draft, free_name
from converters.targets.memory import reads_the_same, renamed_before
from converters.targets.rows import rows_of
from prototxt_gen.proto import NetParameter

_FACTS = {"in_place", "on_input"}
# Of the layer before, whose top is written in place.
_OVER = "written_over"


def own_tops(draft: Draft, report: Report, input_shapes: Mapping[str, Sequence[int]] | None) -> Draft | None:
    """The network with tops of their own for the layers in place that are at fault."""
    at_fault: dict[str, set[str]] = {}
    for fault in report.faults:
        if fault.rule is not None:
            at_fault.setdefault(fault.layer, set()).update(_FACTS & fault.rule.needs.names)
    over = {fault.layer for fault in report.faults if fault.rule is not None and _OVER in fault.rule.needs.names}
    written = {top for layer in draft.net.layer if layer.name in over for top in layer.top}
    for layer in draft.net.layer:
        if written & set(layer.top) & set(layer.bottom):
            at_fault.setdefault(layer.name, set()).add("in_place")
    net = NetParameter()
    net.CopyFrom(draft.net)
    taken = {name for layer in net.layer for name in (layer.name, *layer.top)}
    renamed: dict[str, str] = {}
    changes = []
    for index, layer in enumerate(net.layer):
        is_moved = bool(set(layer.bottom) & renamed.keys())
        layer.bottom[:] = [renamed.get(name, name) for name in layer.bottom]
        layer.top[:] = [renamed.get(name, name) for name in layer.top]
        facts = at_fault.get(layer.name)
        if not facts or (is_moved and facts == {"on_input"}):
            continue
        for name in [bottom for bottom, top in zip(layer.bottom, layer.top, strict=False) if bottom == top]:
            before = net.layer[:index]
            maker = next(one.name for one in reversed(before) if name in one.top)
            new = free_name(maker if maker not in taken else f"{layer.name}/in", taken)
            if renamed_before(before, name, new):
                layer.bottom[:] = [new if bottom == name else bottom for bottom in layer.bottom]
            else:
                new = free_name(layer.name if layer.name not in _tops(net) else f"{layer.name}/out", _tops(net))
                layer.top[:] = [new if top == name else top for top in layer.top]
                renamed[name] = new
            taken.add(new)
        changes.append(Change(layer.name, "in place", "has a top of its own"))
    rows, new_rows = rows_of(draft.net, input_shapes), rows_of(net, input_shapes)
    units = [range(index, index + 1) for index in range(len(net.layer))]
    if not changes or not reads_the_same(rows, new_rows, units, (), renamed):
        return None
    return Draft(net, draft.weights, [*draft.changes, *changes], {**draft.renamed, **renamed}, draft.fixed)


def _tops(net: NetParameter) -> set[str]:
    return {top for layer in net.layer for top in layer.top}


FINAL_REWRITES["own tops for layers in place"] = own_tops
