"""Names cut to the length that a target takes: unique, and with both of their ends.

The limit is found by asking the rule. Weights go by the new names; `renamed` has them all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from converters.targets.checking import Report
from converters.targets.facts import facts_of
from converters.targets.forms import FINAL_REWRITES, Change, Draft
from converters.targets.target import Rule
from converters.weights import Weights
from prototxt_gen.proto import LayerParameter, NetParameter

_FACT = "name_length"
# What stands for the middle of a name. Every reader of Caffe takes it in a name.
_GAP = "_"


def cut_names(draft: Draft, report: Report, input_shapes: Mapping[str, Sequence[int]] | None) -> Draft | None:
    """The network with short names for the layers and the blobs whose names are at fault."""
    rules: dict[str, list[Rule]] = {}
    for fault in report.faults:
        if fault.rule is not None and _FACT in fault.rule.needs.names:
            rules.setdefault(fault.layer, []).append(fault.rule)
    if not rules:
        return None
    layers = draft.net.layer
    names = dict.fromkeys(name for layer in layers for name in (layer.name, *layer.top))
    longest: dict[str, int] = {}
    for layer in layers:
        for rule in rules.get(layer.name, ()):
            limit = _limit(layer, rule)
            for name in (layer.name, *layer.top):
                if len(name) > limit:
                    longest[name] = min(limit, longest.get(name, limit))
    if not longest or min(longest.values()) < 1:
        return None
    taken = {name for name in names if name not in longest}
    renamed = {}
    for name, limit in longest.items():
        renamed[name] = shortened(name, limit, taken)
        taken.add(renamed[name])
    net = NetParameter()
    net.CopyFrom(draft.net)
    for layer in net.layer:
        layer.name = renamed.get(layer.name, layer.name)
        layer.bottom[:] = [renamed.get(name, name) for name in layer.bottom]
        layer.top[:] = [renamed.get(name, name) for name in layer.top]
    changes = [
        Change(layer.name, "naming", f"is called {renamed[layer.name]} now")
        for layer in layers
        if layer.name in renamed
    ]
    before = {old: renamed.get(new, new) for old, new in draft.renamed.items()}
    return Draft(
        net,
        None if draft.weights is None else _under(draft.weights, renamed),
        [*draft.changes, *changes],
        {**renamed, **before},
        _under(draft.fixed, renamed),
    )


def shortened(name: str, limit: int, taken: Collection[str]) -> str:
    """The name's two ends, together of at most `limit` characters, such that it is none of `taken`.

    The end gets more room than the beginning, since names of layers differ there. Where that is not enough, as much of
    the beginning goes over to the end, or back, as tells it from others; at last a number is put behind it.
    """
    room = limit - len(_GAP)
    third = room // 3
    for head in sorted(range(1, room), key=lambda size: (abs(size - third), size)):
        made = name[:head] + _GAP + name[len(name) - (room - head) :]
        if made not in taken:
            return made
    number = 1
    while (made := f"{name[: max(0, limit - len(str(number)))]}{number}"[-limit:]) in taken:
        number += 1
    return made


def _limit(layer: LayerParameter, rule: Rule) -> int:
    """The greatest length of names with which the rule holds of the layer; 0 where none does."""
    facts = facts_of(layer)
    return next((length for length in range(facts[_FACT] - 1, 0, -1) if rule.needs.holds({**facts, _FACT: length})), 0)


def _under(weights: Weights, renamed: Mapping[str, str]) -> Weights:
    return {renamed.get(name, name): blobs for name, blobs in weights.items()}


FINAL_REWRITES["names cut to length"] = cut_names
