"""Networks held against a target: every fault at once, by layer and field, with what was found and what is allowed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from converters.targets.facts import EVERY, NAMES_AND_MEMORY, NETWORK, facts_of, name_length, network_facts
from converters.targets.fields import PRIVATE_MESSAGES, private_fields, stated_of
from converters.targets.rows import rows_of, unknown_of
from converters.targets.spellings import known_type
from converters.targets.target import Outcome, Row, Rule, Source, Target
from prototxt_gen.errors import FormatError
from prototxt_gen.layers import LAYERS, Shape, is_input
from prototxt_gen.layers.likeness import likeness
from prototxt_gen.passes.phase import phase_of, select_phase
from prototxt_gen.proto import LayerParameter, NetParameter

# Of how many layers a target keeps what was found.
_MOST_ANSWERS = 20_000


@dataclass(frozen=True)
class Fault:
    """What of a layer a target does not take, or takes and computes otherwise.

    `layer` and `type` are "" and "network" for what is wrong with the network as a whole. `outcome` is "refused",
    "silent" or "cpu". `found` is what the layer has, `allowed` what the target takes; `note` is what the target's file
    says of the type besides. `rewrite` says in words which rewrite takes the fault away, empty where none does or none
    was tried (see `advise`); `exact` whether that computes the same. `off_by`: of silent ones, the largest difference
    at the network's outputs as a share of their largest value where that was computed, else in the words of the
    target's file.
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
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        """Plain values, as in `Report.as_json`."""
        return {
            "layer": self.layer,
            "type": self.type,
            "field": self.field,
            "found": self.found,
            "allowed": self.allowed,
            "outcome": self.outcome,
            "off_by": self.off_by,
            "note": self.note,
            "rule": self.rule.id if self.rule else None,
            "rewrite": {"what": self.rewrite, "exact": self.exact} if self.rewrite else None,
            "source": {
                "text": self.source.text,
                "kind": self.source.kind,
                "version": self.source.version,
                "date": self.source.date,
                "excerpt": self.source.excerpt,
            },
        }


def of_names_and_memory(fault: Fault) -> bool:
    """Whether other names, or tops of their own, take a fault away, and no other layers would."""
    asked = frozenset() if fault.rule is None else fault.rule.needs.names
    return bool(asked) and asked <= NAMES_AND_MEMORY


class Unchecked(NamedTuple):
    """A layer that could not be checked whole, and why."""

    layer: str
    type: str
    reason: str


@dataclass(frozen=True)
class Report:
    """What `check_target` found. `faults` are those that stop a network or make its numbers wrong.

    `on_cpu`: layers that the target runs beside its accelerator; faults only where the check was asked for the
    accelerator alone. `unchecked`: layers of which something is not known here: their type, a field, shapes around
    them. `off_by`: by how much all silent faults together change the outputs, as in `Fault`, where that was computed.
    `shapeless`: inputs whose shapes are not known, so that rewrites were not looked for wherever these count. `notes`:
    what else there is to say.
    """

    network: str
    target: Target
    layers: int
    faults: tuple[Fault, ...]
    on_cpu: tuple[Fault, ...] = ()
    unchecked: tuple[Unchecked, ...] = ()
    off_by: float | None = None
    shapeless: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether no fault was found: the target takes the network as it is, with Caffe's numbers."""
        return not self.faults

    def __str__(self) -> str:
        from converters.targets.wording import in_words

        return in_words(self)

    def as_json(self) -> dict[str, Any]:
        """Plain values: what `dongfeng check --json` prints a list of, one for each target.

        `network`: its name. `target`: its `name`, `title`, `version`, `date`. `layers`: how many there are. `passed`.
        `faults` and `on_cpu`: lists of faults, each with `layer`, `type` ("" and "network" for the network as a whole),
        `field`, `found`, `allowed`, `outcome` ("refused", "silent", "cpu"), `off_by` (a share of the outputs' largest
        value, words, or null), `note`, `rule` (its id, null where the type or a field is at fault), `rewrite` (null, or
        `what` and whether it is `exact`), `source` (`text`, `kind`, `version`, `date`, `excerpt`). `unchecked`: layers
        with `layer`, `type`, `reason`. `off_by`: of all silent faults together, or null. `notes`: sentences.
        """
        target = self.target
        return {
            "network": self.network,
            "target": {"name": target.name, "title": target.title, "version": target.version, "date": target.date},
            "layers": self.layers,
            "passed": self.passed,
            "faults": [fault.as_json() for fault in self.faults],
            "on_cpu": [fault.as_json() for fault in self.on_cpu],
            "unchecked": [one._asdict() for one in self.unchecked],
            "off_by": self.off_by,
            "notes": list(self.notes),
        }


def check_target(
    net: NetParameter,
    target: Target,
    *,
    accelerated: bool = False,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    unread: Mapping[str, Sequence[str]] | None = None,
) -> Report:
    """Holds the network's TEST phase, or the one that its state names, against a target; V0 and V1 are upgraded first.

    `accelerated`: layers on its CPU are faults, too. `input_shapes` as in `summarize`. `unread`: fields that the
    network's text has and caffe.proto has not, by layer (`prototxt_gen.text.unknown_fields`). Layers of types that this
    package does not know are looked up by type alone, and listed as unchecked; so are layers with a rule that needs
    what is not known.

    NetworkError for a network that Caffe would refuse as well; FormatError for a target whose condition compares what
    cannot be compared.
    """
    selected = select_phase(net, phase_of(net), level=net.state.level)
    why = unknown_of(selected, input_shapes)
    rows = rows_of(selected, input_shapes, why)
    inputs = tuple(top for layer in selected.layer if is_input(layer.type) for top in layer.top)
    around, outputs = neighbours(selected)
    untaken, in_place = untaken_tops(selected), written_in_place(selected)
    faults: list[Fault] = []
    unchecked: list[Unchecked] = []
    for index, layer in enumerate(selected.layer):
        row = rows[index]
        bottoms, tops = (None, None) if row is None else (row.bottom_shapes, row.top_shapes)
        made_by, taken_by = around[index]
        strange = (unread or {}).get(layer.name, ())
        found, reasons = faults_of(
            layer, target, bottoms, tops, inputs, made_by=made_by, taken_by=taken_by, untaken=len(untaken[index]),
            in_place_before=in_place[index][0], written_over=in_place[index][1], unread=strange,
        )  # fmt: skip
        faults += found
        if row is None and known_type(layer.type) in LAYERS:
            if layer.bottom and not why[index].startswith("behind"):
                reasons.insert(0, why[index])
            elif reasons:
                reasons[-1] += f" ({why[index]})"
        if reasons:
            unchecked.append(Unchecked(layer.name, layer.type, "; ".join(reasons)))
    strange = [path for path in (unread or {}).get("", ()) if not has_private(target, path, "Input")]
    faults += [
        Fault("", NETWORK, path, "set", "left out", "refused", target.fields.source or target.others)
        for path in strange
    ]
    first = next((row.top_shapes[0] for row in rows if row is not None and is_input(row.type) and row.top_shapes), None)
    found, reasons = _of_network(selected, target, inputs, outputs, first)
    faults += found
    if reasons:
        unchecked.append(Unchecked("", NETWORK, "; ".join(reasons)))
    cpu = [fault for fault in faults if fault.outcome == "cpu"]
    faults = faults if accelerated else [fault for fault in faults if fault.outcome != "cpu"]
    shapeless = {layer.name: why[index] for index, layer in enumerate(selected.layer)
                 if index in why and is_input(layer.type)}  # fmt: skip
    notes = tuple(f"input {name!r}: {reason}" for name, reason in shapeless.items())
    return Report(
        selected.name, target, len(selected.layer), tuple(faults), tuple(cpu), tuple(unchecked),
        shapeless=tuple(shapeless), notes=notes,
    )  # fmt: skip


def faults_of(
    layer: LayerParameter,
    target: Target,
    bottoms: Sequence[Shape] | None = None,
    tops: Sequence[Shape] | None = None,
    inputs: Sequence[str] = (),
    *,
    made_by: str | None = None,
    taken_by: Sequence[str] | None = None,
    untaken: int | None = None,
    in_place_before: bool | None = None,
    written_over: int | None = None,
    unread: Sequence[str] = (),
) -> tuple[list[Fault], list[str]]:
    """The faults of one layer, those of outcome "cpu" among them, and why it could not be checked whole, if so.

    What stands around it is as in `facts_of`, and None where it is not known.
    """
    context = (inputs, made_by, taken_by, untaken, in_place_before, written_over)
    like = None if unread else likeness(layer)
    if like is None:
        return _faults_of(layer, target, bottoms, tops, context, unread)
    on_input = bool(layer.bottom) and layer.bottom[0] in inputs
    asked = target.asked
    key = (
        like,
        None if bottoms is None else tuple(bottoms),
        None if tops is None else tuple(tops),
        "name_length" in asked and name_length(layer),
        "on_input" in asked and on_input,
        made_by if "made_by" in asked else "",
        tuple(taken_by) if "taken_by" in asked and taken_by is not None else taken_by is None,
        untaken if "untaken" in asked else 0,
        in_place_before if "in_place_before" in asked else False,
        written_over if "written_over" in asked else 0,
    )
    known = target.answers.get(key)
    if known is None:
        known = _faults_of(layer, target, bottoms, tops, context, unread)
        if len(target.answers) >= _MOST_ANSWERS:
            target.answers.clear()
        target.answers[key] = known
    return [fault if fault.layer == layer.name else replace(fault, layer=layer.name) for fault in known[0]], [*known[1]]


def _faults_of(
    layer: LayerParameter,
    target: Target,
    bottoms: Sequence[Shape] | None,
    tops: Sequence[Shape] | None,
    context: tuple[Any, ...],
    unread: Sequence[str],
) -> tuple[list[Fault], list[str]]:
    """As `faults_of`, worked out; `context`: what `facts_of` takes of the layers around."""
    row = target.rows.get(layer.type)
    if row is None or row.runs == "refused":
        source, note = (target.others, "") if row is None else (row.source, row.note)
        fault = Fault(layer.name, layer.type, "type", layer.type, "a type of its table", "refused", source, note=note)
        return [fault], []
    found = []
    if row.runs == "cpu":
        allowed = "a type that runs on the accelerator"
        found.append(Fault(layer.name, layer.type, "type", layer.type, allowed, "cpu", row.source, note=row.note))
    found += _of_fields(layer, target, unread)
    reasons = [f"its field {path} is not known here" for path in unread if has_private(target, path, layer.type)]
    if known_type(layer.type) not in LAYERS:
        reasons.insert(0, "its type is not known here, so that its name alone was checked")
    rules = [rule for rule in target.rules if layer.type in rule.types or EVERY in rule.types]
    facts = facts_of(layer, bottoms, tops, *context) if rules else {}
    broken, unknown = _broken(rules, facts, target)
    found += [_fault(layer, rule, facts) for rule in broken]
    return found, reasons + [f"{rule.field}: {', '.join(names)} not known" for rule, names in unknown]


def _of_network(
    net: NetParameter, target: Target, inputs: Sequence[str], outputs: Sequence[str], first: Shape | None
) -> tuple[list[Fault], list[str]]:
    """What is wrong with a network as a whole, and what could not be checked of it."""
    facts = network_facts(net.layer, inputs, outputs, first)
    broken, unknown = _broken([rule for rule in target.rules if NETWORK in rule.types], facts, target)
    whole = LayerParameter(type=NETWORK)
    return [_fault(whole, rule, facts) for rule in broken], [
        f"{rule.field}: {', '.join(names)} not known" for rule, names in unknown
    ]


def _broken(
    rules: Sequence[Rule], facts: Mapping[str, Any], target: Target
) -> tuple[list[Rule], list[tuple[Rule, list[str]]]]:
    """The rules that do not hold, and those of which that is not known, with the facts that are missing."""
    broken, unknown = [], []
    for rule in rules:
        try:
            concerned = True if rule.when is None else rule.when.holds(facts)
            holds = rule.needs.holds(facts) if concerned is not False else True
        except FormatError as fault:
            raise FormatError(
                f"target {target.name}: rule of {', '.join(rule.types)} on {rule.field}: {fault}"
            ) from None
        if holds is None or (concerned is None and not holds):
            asked = rule.needs.names | (rule.when.names if rule.when else frozenset())
            unknown.append((rule, sorted(asked - facts.keys()) or sorted(asked)))
        elif concerned and not holds:
            broken.append(rule)
    return broken, unknown


def _fault(layer: LayerParameter, rule: Rule, facts: Mapping[str, Any]) -> Fault:
    names = sorted(rule.needs.names & facts.keys() - {"types"})
    said = ", ".join(f"{name} {_shown(facts[name])}" for name in names)
    return Fault(
        layer.name, layer.type, rule.field, said, rule.allowed, rule.otherwise, rule.source, rule,
        off_by=rule.off_by or None,
    )  # fmt: skip


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return ", ".join(map(_shown, value)) or "none" if isinstance(value, list) else str(value)


def _of_fields(layer: LayerParameter, target: Target, unread: Sequence[str]) -> Iterator[Fault]:
    """Fields that are set and that the target's proto does not have: its reader stops at them."""
    others = target.fields.source or target.others
    lacking = {path: target.fields.lacks[path] for path in stated_of(layer, target.fields.lacks)}
    private = [path for path in (*private_fields(layer), *unread) if not has_private(target, path, layer.type)]
    for path, source in {**dict.fromkeys(private, others), **lacking}.items():
        yield Fault(layer.name, layer.type, path, "set", "left out", "refused", source)


def has_private(target: Target, path: str, kind: str = "Input") -> bool:
    """Whether a target has a private field, of a layer of a type that it runs; the rule stands in reading.py."""
    words = path.split(".")
    heads = {".".join(words[:length]) for length in range(1, len(words) + 1)}
    if heads & target.fields.lacks.keys():
        return False
    if heads & {*target.fields.numbers, *target.fields.knows}:
        return True
    if words[0] in PRIVATE_MESSAGES:
        return any(words[0] in LAYERS[one].options for one in _run(target.rows))
    return known_type(kind) not in LAYERS


def _run(rows: Mapping[str, Row]) -> Iterator[str]:
    """The types, by their names here, that a target runs and that are known here."""
    return (known_type(kind) for kind, row in rows.items() if row.runs != "refused" and known_type(kind) in LAYERS)


def neighbours(net: NetParameter) -> tuple[list[tuple[str, list[str]]], list[str]]:
    """By layer, the type that made its first bottom and those that take its tops; and the network's outputs."""
    makers: dict[str, int] = {}
    made_by: list[str] = []
    takers: list[list[str]] = [[] for _ in net.layer]
    taken: set[tuple[int, str]] = set()
    for index, layer in enumerate(net.layer):
        maker = makers.get(layer.bottom[0]) if layer.bottom else None
        made_by.append("" if maker is None else net.layer[maker].type)
        for bottom in layer.bottom:
            if bottom in makers:
                takers[makers[bottom]].append(layer.type)
                taken.add((makers[bottom], bottom))
        makers.update(dict.fromkeys(layer.top, index))
    outputs = [name for name, index in makers.items() if (index, name) not in taken]
    return list(zip(made_by, takers, strict=True)), outputs


def written_in_place(net: NetParameter) -> list[tuple[bool, int]]:
    """By layer, whether its first bottom was written in place before, and how many of its tops later ones write so."""
    makers: dict[str, int] = {}
    changed: set[str] = set()
    before, over = [], [0] * len(net.layer)
    for index, layer in enumerate(net.layer):
        before.append(bool(layer.bottom) and layer.bottom[0] in changed)
        for top in layer.top:
            if top in layer.bottom:
                changed.add(top)
                if top in makers:
                    over[makers[top]] += 1
            else:
                changed.discard(top)
            makers[top] = index
    return list(zip(before, over, strict=True))


def untaken_tops(net: NetParameter) -> list[list[str]]:
    """By layer, those of its tops that no layer takes before another writes them."""
    makers: dict[str, int] = {}
    taken: set[tuple[int, str]] = set()
    for index, layer in enumerate(net.layer):
        taken |= {(makers[bottom], bottom) for bottom in layer.bottom if bottom in makers}
        makers.update(dict.fromkeys(layer.top, index))
    return [[top for top in layer.top if (index, top) not in taken] for index, layer in enumerate(net.layer)]
