"""Times of blocks between measured inner widths: an approximation, marked as one, with its error beside it.

What a block takes changes little by little with its inner width. So a few widths of each block tell a space that has
hundreds: those that `TieredSpace.knots` leaves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

import numpy as np

from prototxt_gen.errors import UnsupportedError
from prototxt_gen.generator.parts import Part
from search.latency.measuring import Entry
from search.latency.predicting import placed_parts
from search.spaces.tiered import TieredBlock, TieredSpace


class Interpolated(NamedTuple):
    """The entries of parts that were not measured, by key, and what a table's origin keeps of how they were made.

    `record` says how many `parts` were told by how many `knots`, blocks that were measured; how many of these were
    `left_out` in turn and told by their neighbours; the median of these relative errors, `error`, the `largest`, and
    whose that is, `largest_of`. The last three are None where no block has neighbours on both sides.
    """

    entries: dict[str, Entry]
    record: dict[str, Any]


class _Knot(NamedTuple):
    inner: int
    part: Part
    entry: Entry


class _Curve(NamedTuple):
    """Blocks that differ in their inner width alone: those that were measured and those that were not, ascending.

    `joined`: the table has times of them that count behind one kind of layer alone (see Part.joined_key).
    """

    knots: list[_Knot]
    gaps: list[tuple[int, Part]]
    joined: bool

    def around(self, inner: int) -> tuple[_Knot, _Knot] | None:
        """The nearest measured widths on both sides; None outside of all."""
        below = [knot for knot in self.knots if knot.inner < inner]
        above = [knot for knot in self.knots if knot.inner > inner]
        return (below[-1], above[0]) if below and above else None

    def errors(self, call_ms: float) -> dict[tuple[str, ...], tuple[float, str]]:
        """The error and the label of each knot that can be left out, by the keys of the three that tell it."""
        found = {}
        for before, knot, behind in zip(self.knots, self.knots[1:], self.knots[2:], strict=False):
            own = knot.entry.ms - call_ms
            if own > 0:
                off = abs(_between(before, behind, knot.inner, lambda entry: entry.ms) - knot.entry.ms) / own
                three = before.part, knot.part, behind.part
                found[tuple(part.joined_key if self.joined else part.key for part in three)] = off, knot.part.label
        return found


def interpolate(
    space: TieredSpace, entries: Mapping[str, Entry], call_ms: float, failed: Collection[str] = ()
) -> Interpolated:
    """Entries of those blocks of a space that were not measured, from those of other inner widths that were.

    1. Blocks of one stage, kind, kernel, stride and input make one curve over their inner widths. Where the table tells
       apart what made their inputs, so do those behind one kind of layer.
    2. Between two measured widths a time lies on the straight line of both. What a call costs is the same share of it.
    3. The error is that of measured widths which are left out in turn and told by the next ones on both sides, as a
       share of the block's own time, without the call. The gaps then are wider than those that were filled.
    4. The quartiles are as far from the time as half of these errors at most, or as the neighbours' are, if further.

    Entries without samples are no measurements. UnsupportedError lists the parts that lie outside of the measured
    widths, and those that `failed`, by their labels.
    """
    parts = placed_parts(space)
    curves = _curves(parts, entries)
    gaps = {part.key for curve in curves for _, part in curve.gaps}
    outside = [
        part.label
        for piece, part in parts.items()
        if not (isinstance(piece, TieredBlock) and piece.inner) and _measured(entries, part) is None
    ]
    for curve in curves:
        widths = f"measured: {curve.knots[0].inner} to {curve.knots[-1].inner}" if curve.knots else "none was measured"
        outside += [
            f"{part.label} ({'failed' if part.label in failed else widths})"
            for inner, part in curve.gaps
            if part.label in failed or curve.around(inner) is None
        ]
    if outside:
        raise UnsupportedError(f"{space}: not between measured inner widths: {', '.join(sorted(set(outside)))}")
    errors = sorted({key: error for curve in curves for key, error in curve.errors(call_ms).items()}.values())
    error = float(np.median([off for off, _ in errors])) if errors else None
    made: dict[str, Entry] = {}
    for curve in curves:
        for inner, part in curve.gaps:
            around = curve.around(inner)
            assert around is not None
            entry = _entry(part, *around, inner, error, call_ms)
            made.setdefault(part.key, entry)
            if curve.joined:
                made[part.joined_key] = entry
    largest, label = errors[-1] if errors else (None, None)
    record = {
        "parts": len(gaps),
        "knots": len({knot.part.key for curve in curves for knot in curve.knots}),
        "left_out": len(errors),
        "error": None if error is None else round(error, 6),
        "largest": None if largest is None else round(largest, 6),
        "largest_of": label,
    }
    return Interpolated(made, record)


def _curves(parts: Mapping[Any, Part], entries: Mapping[str, Entry]) -> list[_Curve]:
    """The curves of a space's blocks, by the pieces that stand for its parts."""
    found: dict[tuple[Any, ...], list[tuple[int, Part]]] = {}
    for piece, part in parts.items():
        if isinstance(piece, TieredBlock) and piece.inner:
            alike = (piece.stage, piece.opens, piece.kind, piece.kernel, piece.after)
            found.setdefault(alike, []).append((piece.inner, part))
    curves = []
    for blocks in found.values():
        blocks.sort(key=lambda block: block[0])
        times = [(inner, part, _measured(entries, part)) for inner, part in blocks]
        knots = [_Knot(inner, part, entry) for inner, part, entry in times if entry is not None]
        gaps = [(inner, part) for inner, part, entry in times if entry is None]
        curves.append(_Curve(knots, gaps, any(knot.part.joined_key in entries for knot in knots)))
    return curves


def _measured(entries: Mapping[str, Entry], part: Part) -> Entry | None:
    """A part's entry, if it tells a measurement."""
    for key in (part.joined_key, part.key):
        if key in entries and entries[key].samples:
            return entries[key]
    return None


def _between(below: _Knot, above: _Knot, inner: int, value: Callable[[Entry], float]) -> float:
    """What lies on the straight line of two knots."""
    share = (inner - below.inner) / (above.inner - below.inner)
    return (1 - share) * value(below.entry) + share * value(above.entry)


def _entry(part: Part, below: _Knot, above: _Knot, inner: int, error: float | None, call_ms: float) -> Entry:
    ms = _between(below, above, inner, lambda entry: entry.ms)
    low = _between(below, above, inner, lambda entry: entry.quartiles[0])
    high = _between(below, above, inner, lambda entry: entry.quartiles[1])
    if error is None:
        # No more is known than that it lies between both.
        low = min(below.entry.quartiles[0], above.entry.quartiles[0])
        high = max(below.entry.quartiles[1], above.entry.quartiles[1])
    else:
        off = error * max(ms - call_ms, 0.0)
        low, high = max(min(low, ms - off), 0.0), max(high, ms + off)
    return Entry(round(ms, 6), (round(low, 6), round(high, 6)), 0, f"{part.label} (interpolated)")


def interpolation_remarks(origin: Mapping[str, Any]) -> list[str]:
    """What a table's origin tells of the parts that were interpolated, in words; nothing where there are none."""
    found = []
    for space, record in origin.get("interpolated", {}).items():
        told = f"{record['parts']} parts of {space} are interpolated between {record['knots']} measured inner widths"
        if record["error"] is None:
            found.append(f"{told}; none of these has one on both sides, so how far off they are is not known")
            continue
        found.append(
            f"{told}: of {record['left_out']} of these, each left out and told by its neighbours, half are at most "
            f"{record['error']:.1%} off, the furthest {record['largest']:.1%} ({record['largest_of']})"
        )
    return found


def is_record(found: Any) -> bool:
    """Whether something read from a file is what a table keeps of an interpolation."""
    if not isinstance(found, dict) or set(found) != {"parts", "knots", "left_out", "error", "largest", "largest_of"}:
        return False
    counts = (found["parts"], found["knots"], found["left_out"])
    shares, label = (found["error"], found["largest"]), found["largest_of"]
    if not all(isinstance(count, int) and not isinstance(count, bool) and count >= 0 for count in counts):
        return False
    if not found["left_out"]:
        return shares == (None, None) and label is None
    # Labels are printed, and a terminal obeys what it cannot show.
    return isinstance(label, str) and label.isprintable() and all(map(_is_share, shares))


def _is_share(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf
