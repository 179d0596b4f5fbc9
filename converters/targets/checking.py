"""Networks held against a target: every fault at once, by layer and field, with what was found and what is allowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from converters.targets.facts import facts_of
from converters.targets.rows import rows_of
from converters.targets.target import Outcome, Rule, Source, Target
from prototxt_gen.layers import Shape, is_input
from prototxt_gen.passes.phase import phase_of, select_phase
from prototxt_gen.proto import LayerParameter, NetParameter
from prototxt_gen.tables import aligned


@dataclass(frozen=True)
class Fault:
    """What of a layer a target does not take, or takes and computes otherwise.

    `outcome` is "refused", "silent" or "cpu". `found` is what the layer has, `allowed` what the target takes.
    `rewrite` says in words which rewrite takes the fault away, empty where none does; `exact` whether that computes
    the same. `off_by`: for silent ones, the largest difference at the network's outputs as a share of their largest
    value, or in words.
    """

    layer: str
    type: str
    field: str
    found: str
    allowed: str
    outcome: Outcome
    source: Source
    rule: Rule | None = None
    rewrite: str = ""
    exact: bool = True
    off_by: float | str | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values, as `dongfeng check --json` prints them."""
        return {
            "layer": self.layer,
            "type": self.type,
            "field": self.field,
            "found": self.found,
            "allowed": self.allowed,
            "outcome": self.outcome,
            "rewrite": {"what": self.rewrite, "exact": self.exact} if self.rewrite else None,
            "off_by": self.off_by,
            "source": {"text": self.source.text, "kind": self.source.kind, "version": self.source.version,
                       "date": self.source.date},
        }  # fmt: skip


@dataclass(frozen=True)
class Report:
    """What `check_target` found. `faults` are those that stop a network or make its numbers wrong.

    `on_cpu`: layers that the target runs beside its accelerator; faults only where the check was asked for the
    accelerator alone. `unchecked`: layers of which a rule needs what is not known, mostly shapes behind a layer of an
    unknown type.
    """

    network: str
    target: Target
    layers: int
    faults: tuple[Fault, ...]
    on_cpu: tuple[Fault, ...] = ()
    unchecked: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the target takes the network as it is, with Caffe's numbers."""
        return not self.faults

    def __str__(self) -> str:
        target = f"{self.target.name} ({self.target.title} {self.target.version}, {self.target.date})"
        if self.passed:
            return f"{self.network}: all {self.layers} layers run on {target}"
        rows = [("layer", "type", "field", "found", "allowed", "", "rewrite")]
        rows += [
            (fault.layer, fault.type, fault.field, fault.found, fault.allowed, fault.outcome, fault.rewrite or "none")
            for fault in self.faults
        ]
        return "\n".join([f"{self.network}: {len(self.faults)} faults for {target}", "", *aligned(rows)])

    def as_json(self) -> dict[str, Any]:
        """Plain values, as `dongfeng check --json` prints them."""
        target = self.target
        return {
            "network": self.network,
            "target": {"name": target.name, "title": target.title, "version": target.version, "date": target.date},
            "layers": self.layers,
            "passed": self.passed,
            "faults": [fault.as_json() for fault in self.faults],
            "on_cpu": [fault.as_json() for fault in self.on_cpu],
            "unchecked": list(self.unchecked),
        }


def check_target(
    net: NetParameter,
    target: Target,
    *,
    accelerated: bool = False,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
) -> Report:
    """Holds the network's TEST phase against a target. `accelerated`: layers on its CPU are faults, too.

    Layers of types that this package does not know are looked up by type alone. `input_shapes` as in `summarize`.
    """
    selected = select_phase(net, phase_of(net), level=net.state.level)
    rows = rows_of(selected, input_shapes)
    inputs = [top for layer in selected.layer if is_input(layer.type) for top in layer.top]
    faults: list[Fault] = []
    unchecked = []
    for layer, row in zip(selected.layer, rows, strict=True):
        bottoms, tops = (None, None) if row is None else (row.bottom_shapes, row.top_shapes)
        found, known = faults_of(layer, target, bottoms, tops, inputs)
        faults += found
        if not known:
            unchecked.append(layer.name)
    cpu = [fault for fault in faults if fault.outcome == "cpu"]
    faults = faults if accelerated else [fault for fault in faults if fault.outcome != "cpu"]
    return Report(selected.name, target, len(selected.layer), tuple(faults), tuple(cpu), tuple(unchecked))


def faults_of(
    layer: LayerParameter,
    target: Target,
    bottoms: Sequence[Shape] | None = None,
    tops: Sequence[Shape] | None = None,
    inputs: Sequence[str] = (),
) -> tuple[list[Fault], bool]:
    """The faults of one layer, those of outcome "cpu" among them, and whether every rule could be checked."""
    row = target.rows.get(layer.type)
    if row is None or row.runs == "refused":
        source, note = (target.others, "") if row is None else (row.source, row.note)
        allowed = note or "a type that it has"
        return [Fault(layer.name, layer.type, "type", layer.type, allowed, "refused", source)], True
    found = []
    if row.runs == "cpu":
        found.append(Fault(layer.name, layer.type, "type", layer.type, "on the accelerator", "cpu", row.source))
    found += _lacking(layer, target)
    facts = facts_of(layer, bottoms, tops, inputs)
    known = True
    for rule in target.rules:
        if layer.type not in rule.types and "*" not in rule.types:
            continue
        concerned = True if rule.when is None else rule.when.holds(facts)
        holds = rule.needs.holds(facts) if concerned is not False else True
        if holds is None or (concerned is None and not holds):
            known = False
        elif concerned and not holds:
            names = sorted(rule.needs.names & facts.keys())
            said = ", ".join(f"{name} {facts[name]}" for name in names)
            found.append(
                Fault(
                    layer.name, layer.type, rule.field, said, rule.allowed, rule.otherwise, rule.source, rule,
                    off_by=rule.off_by or None,
                )
            )  # fmt: skip
    return found, known


def _lacking(layer: LayerParameter, target: Target) -> list[Fault]:
    """Fields that are set and that the target's proto does not have."""
    source = target.fields.source or target.others
    found = []
    for path in target.fields.lacks:
        holder: Any = layer
        for name in path.split("."):
            if holder is None or not _has(holder, name):
                break
            holder = getattr(holder, name)
        else:
            found.append(Fault(layer.name, layer.type, path, "set", "left out", "refused", source))
    return found


def _has(message: Any, name: str) -> bool:
    try:
        return bool(message.HasField(name))
    except ValueError:  # a repeated field
        return bool(len(getattr(message, name)))
