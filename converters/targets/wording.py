"""Reports on targets in words: equal faults of many layers together, what helps, where it is known from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from converters.targets.checking import Fault, Report, Unchecked
from converters.targets.target import Source
from prototxt_gen.tables import aligned

_MOST_NAMES = 3
_OUTCOMES = {"refused": "refused", "silent": "other numbers", "cpu": "on the CPU"}


def in_words(report: Report) -> str:
    """The whole report: one paragraph for each kind of fault, then layers on the CPU, what is unchecked, sources."""
    lines = [headline(report)]
    sources: dict[str, Source] = {}
    for faults in _kinds(report.faults):
        lines += ["", *_paragraph(faults, report)]
        sources[faults[0].source.key] = faults[0].source
    if report.off_by is not None and sum(fault.outcome == "silent" for fault in report.faults) > 1:
        lines += ["", f"All faults with other numbers together: outputs {off_by_in_words(report.off_by)}."]
    on_cpu = [fault for fault in report.on_cpu if fault not in report.faults]
    if on_cpu:
        lines += ["", "On the CPU beside the accelerator:"]
        for faults in _kinds(on_cpu):
            told = "" if faults[0].field == "type" else f", {faults[0].field}: {_found(faults[0])}"
            lines.append(f"  {_subject(faults)}{told} [{faults[0].source.key}]")
            sources[faults[0].source.key] = faults[0].source
    if report.unchecked:
        lines += ["", "Not checked whole:"]
        lines += [f"  {line}" for line in _unchecked(report.unchecked)]
    if report.notes:
        lines += ["", *report.notes]
    if sources:
        lines += ["", "Sources:"]
        lines += [f"  [{source.key}] {source_in_words(source)}" for source in sources.values()]
    return "\n".join(lines)


def headline(report: Report) -> str:
    """The network, the target, and what was found, in one line."""
    target = f"{report.target.name} ({report.target.title} {report.target.version}, {report.target.date})"
    return f"{report.network or 'the network'} on {target}: {verdict(report)}"


def verdict(report: Report) -> str:
    """What was found, in a few words."""
    parts = []
    layers = len({fault.layer for fault in report.faults})
    if report.faults:
        number = len(report.faults)
        parts.append(f"{number} {_plural('fault', number)} in {layers} of {report.layers} layers")
    else:
        parts.append(f"no fault in {report.layers} layers")
    if cpu := len({fault.layer for fault in report.on_cpu if fault not in report.faults}):
        parts.append(f"{cpu} on the CPU")
    if report.unchecked:
        parts.append(f"{len(report.unchecked)} not checked whole")
    return ", ".join(parts)


def summary(reports: Sequence[Report]) -> str:
    """One line a target."""
    rows: list[tuple[Any, ...]] = [
        ("target", "version", "faults", "refused", "other numbers", "rewritten", "on the CPU")
    ]
    for report in reports:
        faults = report.faults
        rewritten = [fault for fault in faults if fault.rewrite]
        exact = all(fault.exact for fault in rewritten)
        told = "-" if not faults else "none" if not rewritten else "all" if len(rewritten) == len(faults) else "some"
        rows.append(
            (
                report.target.name,
                report.target.version,
                len(faults) or "none",
                sum(fault.outcome == "refused" for fault in faults),
                sum(fault.outcome == "silent" for fault in faults),
                told if exact else f"{told}, not exactly",
                len({fault.layer for fault in report.on_cpu}),
            )
        )
    return "\n".join(aligned(rows, right=(2, 3, 4, 6)))


def source_in_words(source: Source) -> str:
    """A source's text, what kind it is, its version and date."""
    kind = f"{source.kind}{', an excerpt of it' if source.excerpt else ''}"
    return f"{source.text} ({kind}; version {source.version}, {source.date})"


def off_by_in_words(off_by: float | str) -> str:
    """By how much numbers are off."""
    return off_by if isinstance(off_by, str) else f"off by {100 * off_by:.3g} % of their largest value"


def _paragraph(faults: Sequence[Fault], report: Report) -> list[str]:
    first = faults[0]
    lines = [f"{_OUTCOMES[first.outcome]}: {_subject(faults)}"]
    if first.field == "type":
        told = "it runs this type on its CPU" if first.outcome == "cpu" else "it does not take this type"
        lines.append(f"  {told} [{first.source.key}]")
    else:
        lines.append(f"  {first.field}: {_found(first)}, allowed: {first.allowed} [{first.source.key}]")
    if first.note:
        lines.append(f"  note: {first.note}")
    if first.off_by is not None:
        told = off_by_in_words(first.off_by)
        lines.append(f"  outputs {told}" if isinstance(first.off_by, float) else f"  numbers: {told}")
    if first.rewrite:
        lines.append(f"  rewrite: {first.rewrite} ({'exact' if first.exact else 'approximate'})")
    else:
        lines.append("  rewrite: none")
    return lines


def _found(fault: Fault) -> str:
    return f"found {fault.found}" if fault.found else "as it is"


def _subject(faults: Sequence[Fault]) -> str:
    """The layers that have one fault: "Clip, 41 layers: a, b, c, ..."."""
    names = [fault.layer for fault in faults]
    if faults[0].layer == "":
        return "the network as a whole"
    if len(names) == 1:
        return f"{faults[0].type} {names[0]!r}"
    return f"{faults[0].type}, {len(names)} layers: {_listed(names)}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_MOST_NAMES]) + (", ..." if len(names) > _MOST_NAMES else "")


def _kinds(faults: Iterable[Fault]) -> list[list[Fault]]:
    """Equal faults of many layers together, in the order of the first of each."""
    found: dict[Any, list[Fault]] = {}
    for fault in faults:
        key = (
            fault.type, fault.field, fault.found, fault.allowed, fault.outcome, fault.source.key, fault.rewrite,
            fault.exact, fault.off_by,
        )  # fmt: skip
        found.setdefault(key, []).append(fault)
    return list(found.values())


def _unchecked(layers: Sequence[Unchecked]) -> list[str]:
    """Layers with one reason together."""
    ordered = sorted(layers, key=lambda one: (one.reason, one.type))
    lines = []
    for (reason, kind), group in groupby(ordered, key=lambda one: (one.reason, one.type)):
        names = [one.layer for one in group]
        subject = "the network" if kind == "network" else f"{kind} {_listed(names)}"
        lines.append(f"{subject}{f' ({len(names)} layers)' if len(names) > _MOST_NAMES else ''}: {reason}")
    return lines


def _plural(word: str, number: int) -> str:
    return word if number == 1 else f"{word}s"
