"""What `speeds` measured, as tables of text, as Markdown and as JSON, and JSON read again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from caffe_zoo.cards import card
from caffe_zoo.speeds import Case, Memory, Timed
from prototxt_gen.errors import FormatError
from prototxt_gen.json_files import read_json
from prototxt_gen.tables import aligned
from search.latency import Entry
from search.latency.targets import target_differences, target_words

FORMAT = "dongfeng zoo 1"

#: What others are compared with, by the kind of network, unless another is named.
RELATIVE_TO = {"classification": "resnet18", "segmentation": "df1seg"}


class Table(NamedTuple):
    """A table with a title; the first column is words, the others are numbers."""

    title: str
    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]

    def text(self) -> str:
        """The table as aligned text."""
        lines = aligned([self.head, *self.rows], right=range(1, len(self.head)))
        return "\n".join([self.title, *(f"  {line}" for line in lines)])

    def markdown(self) -> str:
        """The table in Markdown."""
        rule = ("---", *["---:"] * (len(self.head) - 1))
        return "\n".join(
            [f"**{self.title}**", "", *(f"| {' | '.join(row)} |" for row in (self.head, rule, *self.rows))]
        )


def tables(
    target: Mapping[str, Any], timed: Sequence[Timed], memory: Sequence[Memory], relative_to: str = ""
) -> list[Table]:
    """The release's tables: times by size, each beside the published ones, then memory by input.

    Behind a number stands its ratio to that of `relative_to`, a network, or of RELATIVE_TO, where both are known.
    """
    found = [
        _times(target, list(rows), relative_to)
        for _, rows in groupby(timed, key=lambda one: (one.case.is_scene, one.case.size))
    ]
    by_input = groupby(memory, key=lambda one: one.inputs)
    return found + [_memory(list(rows), relative_to) for _, rows in by_input]


def faults(timed: Sequence[Timed]) -> list[str]:
    """A line for each case without a time."""
    return [f"{one.case.title}: {one.fault}" for one in timed if one.entry is None]


def document(target: Mapping[str, Any], date: str, timed: Sequence[Timed], memory: Sequence[Memory]) -> dict[str, Any]:
    """All of it as plain JSON values. Times are in ms, memory in MiB; `fault` says why there is no time."""
    return {
        "format": FORMAT,
        "target": dict(target),
        "date": date,
        "times": [_case(one) for one in timed],
        "memory": [
            {
                "network": one.card.name,
                "input": [one.inputs[0], 3, *one.inputs[1:]],
                "caffe_mib": one.caffe,
                "peak_mib": one.peak,
                "published_mb": one.published,
            }
            for one in memory
        ],
    }


def _case(one: Timed) -> dict[str, Any]:
    found: dict[str, Any] = {
        "network": one.case.card.name,
        "architecture": str(one.case.card.architecture),
        "input": [1, 3, *one.case.size],
        "multiply_adds": one.multiply_adds,
    }
    if one.entry is None:
        found["fault"] = one.fault
    else:
        found |= {"ms": one.entry.ms, "quartiles": list(one.entry.quartiles), "samples": one.entry.samples}
    unit = "fps" if one.case.is_scene else "ms"
    return found | {"published": [{"on": on, unit: value} for on, value in one.case.published.items()]}


def read_times(path: Path, target: Mapping[str, Any]) -> list[Timed]:
    """The times in a file of `document`, cases without one left out.

    FileError; FormatError where it is none, or was measured on another target than this.
    """
    found = read_json(path, "times of the zoo")
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        said = found.get("format") if isinstance(found, dict) else type(found).__name__
        raise FormatError(f"{path}: format: found {str(said)[:80]!r}, expected {FORMAT!r}: give another name")
    try:
        differ = target_differences(found["target"], target)
        timed = [
            Timed(
                Case(card(one["network"]), tuple(one["input"][2:])),
                int(one["multiply_adds"]),
                Entry(float(one["ms"]), (float(low), float(high)), int(one["samples"])),
            )
            for one in found["times"]
            if "ms" in one
            for low, high in [one["quartiles"]]
        ]
        wrong = [one.entry for one in timed if one.entry is None or not 0 < one.entry.ms < math.inf]
        if wrong:
            raise ValueError(f"a time of {wrong[0]}")
    except (KeyError, TypeError, AttributeError, ValueError) as fault:
        raise FormatError(f"{path}: not whole times of the zoo: {type(fault).__name__}: {fault}") from fault
    if differ:
        raise FormatError(
            f"{path}: target: measured with another one: "
            + ", ".join(f"{name}: found {ours}, this run has {theirs}" for name, ours, theirs in differ)
        )
    return timed


def _times(target: Mapping[str, Any], rows: list[Timed], relative_to: str) -> Table:
    case = rows[0].case
    base = next((one for one in rows if one.case.card.name == (relative_to or RELATIVE_TO[case.card.kind])), None)
    devices = list(dict.fromkeys(device for one in rows for device in one.case.published))
    unit = "frames per second" if case.is_scene else "milliseconds"
    title = f"{unit} at {case.size[0]}x{case.size[1]}, batch 1{_relative(base.case.card.name if base else '')}"
    published = base.case.published if base else {}
    # Published counts are of classification networks alone, at their own size.
    counts = ["published"] if any("multiply_adds_m" in one.case.card.results for one in rows) else []
    cells = [
        (
            one.case.card.name,
            _count(one.multiply_adds),
            *(_count(1e6 * one.case.card.results.get("multiply_adds_m", 0.0)) for _ in counts),
            _number(one.figure, base.figure if base else None),
            *(_number(one.case.published.get(device), published.get(device), True) for device in devices),
        )
        for one in rows
    ]
    return Table(title, ("network", "multiply-adds", *counts, str(target.get("engine", "here")), *devices), cells)


def _memory(rows: list[Memory], relative_to: str) -> Table:
    name = relative_to or RELATIVE_TO["classification"]
    base = next((one for one in rows if one.card.name == name), None)
    batch, height, width = rows[0].inputs
    title = f"memory in MiB at {height}x{width}, batch {batch}{_relative(base.card.name if base else '')}"
    head = ("network", "activations, peak", "Caffe, at least", "published, GPU with Caffe, MB")
    cells = [
        (
            one.card.name,
            _number(one.peak, base.peak if base else None),
            _number(one.caffe, base.caffe if base else None),
            _number(one.published, base.published if base else None, True),
        )
        for one in rows
    ]
    return Table(title, head, cells)


def _relative(name: str) -> str:
    return f" (in parentheses: relative to {name})" if name else ""


def _number(value: float | None, base: float | None, is_published: bool = False) -> str:
    """Three digits or more, a published one as it was, and the ratio to a base in parentheses."""
    if value is None:
        return "-"
    text = f"{value:g}" if is_published else f"{value:.0f}" if value >= 1000 else f"{value:#.4g}"
    return f"{text} ({value / base:.2f})" if base else text


def _count(number: float) -> str:
    if not number:
        return "-"
    return f"{number / 1e9:.2f} G" if number >= 1e9 else f"{number / 1e6:.1f} M"


def page(target: Mapping[str, Any], date: str, found: Sequence[Table], missing: Sequence[str]) -> str:
    """Tables as a page of Markdown, with what they were measured on."""
    versions = target.get("versions")
    told = ", ".join(f"{name} {version}" for name, version in versions.items()) if isinstance(versions, Mapping) else ""
    parts = [
        f"Measured on {target_words(target)}{f' ({told})' if told else ''}, {date}.",
        *(one.markdown() for one in found),
    ]
    if missing:
        parts.append("\n".join(["Without a time:", "", *(f"- {line}" for line in missing)]))
    return "\n\n".join(parts) + "\n"
