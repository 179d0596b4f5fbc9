"""A latency table as JSON: what is written, what is read, and every field checked."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, NamedTuple

from prototxt_gen.errors import FormatError
from prototxt_gen.json_files import parse_json
from search.latency.correcting import Correction
from search.latency.curves import Curve, is_curve
from search.latency.energy import Energy, read_energy
from search.latency.fitting.estimates import Estimates, read_estimates
from search.latency.interpolating import is_record
from search.latency.levelling import Level
from search.latency.measuring import Entry

FORMAT = "dongfeng latency table 3"
# The format before is read, so that a study begun with it goes on; its target lacks words: nothing is added to it.
_FORMAT_2 = "dongfeng latency table 2"
# In the first one the keys did not tell all networks apart.
_FORMAT_1 = "dongfeng latency table 1"


class Contents(NamedTuple):
    """What a file of a latency table holds."""

    target: dict[str, Any]
    entries: dict[str, Entry]
    call_ms: float
    origin: dict[str, Any]
    correction: Correction | None
    curve: Curve | None = None
    estimates: Estimates | None = None
    level: Level | None = None
    energy: Energy | None = None


def table_text(contents: Contents) -> str:
    """A table as its file has it."""
    head = {
        "format": FORMAT,
        "target": contents.target,
        "origin": contents.origin,
        "call_ms": contents.call_ms,
        "correction": None if contents.correction is None else contents.correction._asdict(),
    }
    if contents.level is not None:
        head["level"] = contents.level._asdict()
    if contents.curve is not None:
        head["curve"] = contents.curve._asdict()
    if contents.estimates is not None:
        head["estimates"] = contents.estimates.written()
    if contents.energy is not None:
        head["energy"] = contents.energy.written()
    # A line for each entry: short enough to read, and to compare two files line by line.
    fields = [f" {json.dumps(field)}: {json.dumps(value)}" for field, value in head.items()]
    rows = [f"  {json.dumps(key)}: {json.dumps(_written(entry))}" for key, entry in sorted(contents.entries.items())]
    return "{\n" + ",\n".join(fields) + ',\n "entries": {\n' + ",\n".join(rows) + "\n }\n}\n"


def _written(entry: Entry) -> dict[str, Any]:
    written = entry._asdict()
    return {field: value for field, value in written.items() if value != ()}


def parse_table(text: str | bytes, source: str) -> Contents:
    """A table from what its file has. FormatError names the `source`, the field, what was found and expected."""

    def expect(holds: bool, field: str, found: Any, expected: str) -> None:
        if not holds:
            raise FormatError(f"{source}: {field}: found {str(found)[:80]}, expected {expected}")

    document = parse_json(text, source, "a latency table")
    expect(isinstance(document, dict), "document", document, "an object")
    if document.get("format") == _FORMAT_1:
        raise FormatError(
            f"{source}: format: found {_FORMAT_1!r}, expected {FORMAT!r}: the keys of the old one did not tell "
            "all networks apart; delete the file and measure again"
        )
    if document.get("format") == _FORMAT_2:
        document |= {"format": FORMAT, "call_ms": 0.0, "origin": {"format": _FORMAT_2}}
    expect(document.get("format") == FORMAT, "format", document.get("format"), repr(FORMAT))
    target, listed = document.get("target"), document.get("entries")
    expect(isinstance(target, dict), "target", target, "an object")
    expect(isinstance(listed, dict), "entries", listed, "an object")
    entries = {}
    for key, entry in listed.items():
        expect(isinstance(entry, dict), f"entries.{key}", entry, "an object")
        ms, quartiles, samples, label = (entry.get(field) for field in ("ms", "quartiles", "samples", "label"))
        rounds = entry.get("rounds", [])
        expect(_is_time(ms), f"entries.{key}.ms", ms, "milliseconds, from 0 to 1e9")
        paired = isinstance(quartiles, list) and len(quartiles) == 2 and all(map(_is_time, quartiles))
        sorted_pair = paired and quartiles[0] <= quartiles[1]
        expect(sorted_pair, f"entries.{key}.quartiles", quartiles, "two numbers of milliseconds, the lower one first")
        counted = isinstance(samples, int) and not isinstance(samples, bool) and samples >= 0
        expect(counted, f"entries.{key}.samples", samples, "a whole number, at least 0")
        # Labels are printed, and a terminal obeys what it cannot show.
        readable = isinstance(label, str) and label.isprintable()
        expect(readable, f"entries.{key}.label", ascii(label), "a text of one line")
        timed = isinstance(rounds, list) and all(map(_is_time, rounds))
        expect(timed, f"entries.{key}.rounds", rounds, "a list of milliseconds")
        weights = entry.get("weights", [])
        weighed = isinstance(weights, list) and all(_is_time(weight) and weight > 0 for weight in weights)
        expected = f"{len(rounds)} numbers above 0, one for each of its rounds, or none"
        expect(weighed and len(weights) in (0, len(rounds)), f"entries.{key}.weights", weights, expected)
        low, high = map(float, quartiles)
        numbers = tuple(map(float, rounds)), tuple(map(float, weights))
        entries[key] = Entry(float(ms), (low, high), samples, label, *numbers)
    call_ms, origin = document.get("call_ms"), document.get("origin")
    expect(_is_time(call_ms), "call_ms", call_ms, "milliseconds, from 0 to 1e9")
    expect(isinstance(origin, dict), "origin", origin, "an object")
    for field, (holds, wanted) in _ORIGIN.items():
        if field in origin:
            expect(holds(origin[field]), f"origin.{field}", origin[field], wanted)
    curve = document.get("curve")
    expect(curve is None or is_curve(curve), "curve", curve, "sums and times in ms, as many of both, each increasing")
    stated = document.get("estimates")
    estimates = None if stated is None else read_estimates(stated)
    expect(stated is None or estimates is not None, "estimates", stated, "the effects that a fit has written")
    return Contents(
        target,
        entries,
        float(call_ms),
        origin,
        _read_correction(document.get("correction"), expect),
        None if curve is None else Curve(tuple(curve["sums"]), tuple(curve["times"])),
        estimates,
        _read_level(document.get("level"), expect),
        read_energy(document.get("energy"), expect),
    )


def _read_level(found: Any, expect: Any) -> Level | None:
    if found is None:
        return None
    expect(isinstance(found, dict), "level", found, "an object")
    for field in Level._fields:
        value = found.get(field)
        expect(_is_number(value) and abs(value) < 1e9, f"level.{field}", value, "a number below 1e9")
    expect(found["slope"] > 0, "level.slope", found["slope"], "a number above 0")
    return Level(**{field: float(found[field]) for field in Level._fields})


def _read_correction(found: Any, expect: Any) -> Correction | None:
    if found is None:
        return None
    expect(isinstance(found, dict), "correction", found, "an object or null")
    for field in ("slope", "constant_ms", "part_ms", "megabyte_ms", "error_before", "error_after"):
        value = found.get(field)
        expect(_is_number(value), f"correction.{field}", value, "a number")
    networks = found.get("networks")
    named = isinstance(networks, list) and all(isinstance(name, str) for name in networks)
    expect(named, "correction.networks", networks, "a list of codes")
    expect(isinstance(found.get("date"), str), "correction.date", found.get("date"), "a text")
    return Correction(**{field: found[field] for field in Correction._fields} | {"networks": tuple(networks)})


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_time(value: Any) -> bool:
    # Sums of times are whole nanoseconds of 64 bits; an hour has 3.6e6 ms.
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e9


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_list(value: Any, holds: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and all(map(holds, value))


def _is_asked(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("subject"), str)
        and _is_time(value.get("spread"))
        and (value.get("budget", ()) is None or _is_time(value.get("budget")))
    )


def _is_options(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and all(_is_count(value.get(field)) for field in ("threads", "batch"))
        and all(isinstance(value.get(field), str) for field in ("device", "precision"))
    )


def _is_walks(value: Any) -> bool:
    if not (isinstance(value, dict) and _is_list(value.get("parts"), lambda key: isinstance(key, str))):
        return False
    count = len(value["parts"])

    def is_walk(walk: Any) -> bool:
        # The time, and the places of the parts.
        return (
            isinstance(walk, list)
            and len(walk) > 1
            and _is_time(walk[0])
            and _is_list(walk[1:], lambda place: _is_count(place) and place < count)
        )

    return _is_list(value.get("networks"), is_walk)


def _is_drift(value: Any) -> bool:
    thirds = ("slow_rounds", "fast_rounds")
    return value is None or (
        isinstance(value, dict)
        and _is_time(value.get("longer"))
        and all(_is_list(value.get(third), _is_count) and len(value[third]) == 2 for third in thirds)
    )


# What of a table's origin is read again; the rest is for readers.
_ORIGIN: dict[str, tuple[Callable[[Any], bool], str]] = {
    "calls": (lambda value: _is_list(value, _is_time), "a list of milliseconds"),
    "rounds": (_is_count, "a whole number, at least 0"),
    "seconds": (_is_time, "seconds, at least 0"),
    "spread": (lambda value: value is None or _is_time(value), "a share, or null"),
    "input_shapes": (lambda value: _is_list(value, lambda one: _is_list(one, _is_count)), "a list of shapes"),
    "finished": (lambda value: isinstance(value, bool), "true or false"),
    "failed": (
        lambda value: isinstance(value, dict) and all(isinstance(reason, str) for reason in value.values()),
        "an object of texts",
    ),
    "missing": (lambda value: _is_list(value, lambda one: isinstance(one, str)), "a list of labels"),
    "asked": (_is_asked, "an object with subject, spread and budget"),
    "options": (_is_options, "an object with threads, device, precision and batch"),
    "walks": (_is_walks, "an object of parts and networks, each its time and the places of its parts"),
    "interpolated": (
        lambda value: (
            isinstance(value, dict)
            and all(space.isprintable() for space in value)
            and all(map(is_record, value.values()))
        ),
        "an object of spaces, each with how its parts were interpolated",
    ),
    "drift": (_is_drift, "an object with longer, slow_rounds and fast_rounds, or null"),
}
