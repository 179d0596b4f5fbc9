"""Which parts of a space a target takes: as they are, rewritten, or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from converters.targets.checking import Fault, Report, check_target
from converters.targets.facts import NETWORK
from converters.targets.rewriting import rewritten
from converters.targets.spellings import net_in_known_words
from converters.targets.target import Target
from prototxt_gen.generator.parts import Part
from prototxt_gen.layers import is_input
from prototxt_gen.proto import NetParameter
from prototxt_gen.summary import summarize
from search.latency.predicting import placed_parts
from search.spaces import Space

# Facts that a part, whose names are written anew, does not share with the network that it is cut from.
_OF_NAMES = frozenset({"name_length", "on_input"})
# So many of the values that were found are named.
_SHOWN = 3


@dataclass(frozen=True)
class Refused:
    """A part that a target does not take, whatever is rewritten: its key and label, the faults that are left."""

    key: str
    label: str
    faults: tuple[Fault, ...]


@dataclass(frozen=True)
class Judged:
    """The distinct parts of a space, by key: the labels of all, those refused, and by what how many are rewritten.

    `keys` has the key of each piece of the space (see `Space.pieces`). `dearer` is the most times that a part's
    multiply-adds grow by being rewritten, 1 where none does.
    """

    labels: Mapping[str, str]
    keys: Mapping[Any, str]
    refused: Mapping[str, Refused]
    rewritten: Mapping[str, int] = field(default_factory=dict)
    dearer: float = 1.0

    def is_refused(self, pieces: Iterable[Any]) -> bool:
        """Whether one of these pieces stands for a part that is not taken; one that no network has does not."""
        return any(self.keys.get(piece) in self.refused for piece in pieces)


def judge(space: Space, target: Target) -> Judged:
    """Every part of a space held against a target, batch norm merged, after the exact rewrites that it needs.

    What is of whole networks alone, such as the length of names or what stands around a part, is left to these.
    """
    placed = placed_parts(space)
    parts: dict[str, Part] = {part.key: part for part in placed.values()}
    refused: dict[str, Refused] = {}
    changes: Counter[str] = Counter()
    dearer = 1.0
    for key, part in parts.items():
        if not _of_parts(check_target(part.net, target), part.net):
            continue
        made = rewritten(part.net, None, target)
        if faults := _of_parts(made.report, made.net):
            refused[key] = Refused(key, part.label, faults)
        else:
            changes.update({change.rewrite or change.what for change in made.changes})
            before, after = (max(1, summarize(net).multiply_adds) for net in (part.net, net_in_known_words(made.net)))
            dearer = max(dearer, after / before)
    labels = {key: part.label for key, part in parts.items()}
    keys = {piece: part.key for piece, part in placed.items()}
    return Judged(labels, keys, refused, dict(changes.most_common()), dearer)


def _of_parts(report: Report, net: NetParameter) -> tuple[Fault, ...]:
    """The faults of a report that a part has wherever it stands."""
    return tuple(fault for fault in report.faults if not _depends(fault, net))


def _depends(fault: Fault, net: NetParameter) -> bool:
    """Whether a fault may come of where a part was cut: of its names, or of what would stand around it."""
    if fault.type == NETWORK:
        return True
    rule = fault.rule
    if rule is None:
        return False
    asked = rule.needs.names | (rule.when.names if rule.when is not None else frozenset())
    if asked & _OF_NAMES:
        return True
    place = next((index for index, layer in enumerate(net.layer) if layer.name == fault.layer), 0)
    layer = net.layer[place]
    inputs = {top for other in net.layer if is_input(other.type) for top in other.top}
    taken = {bottom for other in net.layer[place + 1 :] for bottom in other.bottom}
    at_begin, at_end = inputs & set(layer.bottom), set(layer.top) - taken
    return bool(("made_by" in asked and at_begin) or ("taken_by" in asked and at_end))


def fault_words(fault: Fault) -> str:
    """A fault in words: `layer 'conv1': Convolution kernel_size: found kernel_h 9, allowed 1 to 7 (source)`."""
    where = "the whole network" if fault.type == NETWORK else f"layer {fault.layer!r}: {fault.type}"
    return f"{where} {fault.field}: found {fault.found}, allowed {fault.allowed} ({fault.source.text})"


def reasons_of(refused: Iterable[Refused]) -> list[str]:
    """Why parts are not taken, the reasons of most parts first: how many have each, what was found, one of them."""
    parts: dict[tuple[str, str, str, str], dict[str, None]] = {}
    found: dict[tuple[str, str, str, str], dict[str, None]] = {}
    for one in refused:
        for fault in one.faults:
            reason = (fault.type, fault.field, fault.allowed, fault.source.text)
            parts.setdefault(reason, {})[one.label] = None
            found.setdefault(reason, {})[fault.found] = None
    lines = []
    for reason, labels in sorted(parts.items(), key=lambda item: -len(item[1])):
        kind, field_, allowed, source = reason
        met = list(found[reason])
        shown = "; ".join(met[:_SHOWN]) + (f"; {len(met) - _SHOWN} more" if len(met) > _SHOWN else "")
        lines.append(
            f"{len(labels)} block{'s' * (len(labels) > 1)}: {kind} {field_}: found {shown}; allowed {allowed} "
            f"({source}), such as {next(iter(labels))}"
        )
    return lines
