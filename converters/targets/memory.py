"""Blobs as memory while a network is rewritten: names for what layers in place wrote over, values that stay."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from prototxt_gen.flow import Flow, Read, Value, flow_of, passes_on
from prototxt_gen.layers import is_input
from prototxt_gen.proto import LayerParameter
from prototxt_gen.trace import LayerSummary


def renamed_before(layers: Sequence[LayerParameter], name: str, new: str) -> bool:
    """Renames a blob in the layers that made it: back from the last one to the one that did not run in place.

    So a layer behind them can have the old name for its top alone. False, and nothing is renamed, where an input makes
    the blob: callers know it by its name.
    """
    chain = []
    for layer in reversed(layers):
        if name in layer.top:
            if is_input(layer.type):
                return False
            chain.append(layer)
            if name not in layer.bottom:
                break
    for layer in chain:
        layer.bottom[:] = [new if bottom == name else bottom for bottom in layer.bottom]
        layer.top[:] = [new if top == name else top for top in layer.top]
    return True


def reads_the_same(
    rows: Sequence[LayerSummary | None],
    new: Sequence[LayerSummary | None],
    units: Sequence[range],
    replaced: Collection[int],
    renamed: Mapping[str, str],
) -> bool:
    """Whether all layers read, and all outputs hold, the values that they did; true where that is not known.

    `units`: for each old row the new ones in its place. `replaced`: which old rows are others now; the rest are the
    same layers. `renamed`: blobs that layers behind know by another name.
    """
    before = [row for row in rows if row is not None]
    after = [row for row in new if row is not None]
    if len(before) < len(rows) or len(after) < len(new):
        return True
    old_flow, new_flow = flow_of(before), flow_of(after)

    def now(value: Value) -> Value | None:
        unit = units[value.row]
        if value.row not in replaced:
            return Value(unit[0], value.top)
        name = before[value.row].tops[value.top]
        for index in reversed(unit):
            for place, top in enumerate(after[index].tops):
                if top in (name, renamed.get(name)):
                    return _made_at(after, new_flow, index, place)
        return None

    def same(old: Read, read: Read) -> bool:
        like = None if old.like is None else now(old.like)
        return (now(old.value), like, old.spoiled_by is None) == (read.value, read.like, read.spoiled_by is None)

    for index, unit in enumerate(units):
        reads = old_flow.reads[index]
        if index not in replaced:
            if not all(map(same, reads, new_flow.reads[unit[0]])):
                return False
        else:
            outside = [read for one in unit for read in new_flow.reads[one] if read.value.row not in unit]
            if not all(any(same(old, read) for old in reads) for read in outside):
                return False
    names = [(name, renamed.get(name, name)) for name in old_flow.unread]
    return all(name in new_flow.final and same(old_flow.final[old], new_flow.final[name]) for old, name in names)


def _made_at(rows: Sequence[LayerSummary], flow: Flow, index: int, place: int) -> Value:
    """The value in a top: that of the bottom where the layer only passes it on."""
    return flow.reads[index][0].value if passes_on(rows[index]) else Value(index, place)
