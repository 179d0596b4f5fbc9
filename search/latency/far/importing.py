"""What came back from a device as a latency table: nothing missing, nothing foreign, steady rounds alone."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from converters.programs import Program, Times
from prototxt_gen.errors import CaffeError, FormatError, UnsupportedError
from prototxt_gen.files import read_bytes
from prototxt_gen.generator.parts import parts
from search.latency.agreement import Agreement, agreement
from search.latency.correcting import Correction, fit_correction
from search.latency.far.export import NETWORKS, RESULTS, Export, read_export
from search.latency.far.results import IDENTITY, Result, Results, read_results
from search.latency.measuring import Entry
from search.latency.table import LatencyTable

#: A round counts when the times of its reference lie within this share of their median over all rounds.
DRIFT = 0.1

Round = tuple[str, int]


@dataclass(frozen=True)
class Imported:
    """A table; whole networks as (code, predicted ms, measured ms) and how well these agree; what is left out.

    `left_out` are the rounds that were not steady, with how far their references lie off; `missing` the networks that
    have no time, with the reason.
    """

    table: LatencyTable
    checks: list[tuple[str, float, float]]
    agreement: Agreement | None
    left_out: list[str]
    missing: list[str]


def import_times(
    folder: str | os.PathLike[str],
    results: Sequence[str | os.PathLike[str]] = (),
    *,
    device: str | None = None,
    drift: float = DRIFT,
    partial: bool = False,
    corrected: bool = False,
    pattern: str | None = None,
    unit: str | None = None,
) -> Imported:
    """The table of the export in `folder`, from the folders of results that its script wrote (its own by default).

    An entry is the median of its network's times over the rounds. `device` is the device's name where the script could
    not know it, as when it ran beside the device and not on it. A round whose references are more than `drift` off is
    left out. `partial`: networks without a time are left out, too, instead of refused. `corrected`: the table gets the
    correction that the export's whole networks tell. `pattern` and `unit` correct those of the user's own tool.

    FormatError lists all that is missing, cut off, foreign or not a time. UnsupportedError for a correction by less
    than two networks.
    """
    export = read_export(folder)
    networks = {network.name for network in export.networks}
    places = [Path(place) for place in results] or [Path(folder) / RESULTS]
    read = _together([read_results(place, export.id, networks) for place in places])
    timed, unreadable = _timed(export.program(pattern, unit), read)
    kept, left_out, unsteady = _steady(export, timed, drift)
    reasons = {path.stem: text for path, text in unreadable.items()}
    missing = _missing(export, timed, kept, read, reasons)
    faults = [*_changed(export, Path(folder)), *read.foreign, *_mixed_sessions(read), *_mixed_runs(timed), *unsteady]
    if not partial and not unsteady:
        # Where no round counts, every time would be missing. What cannot be read has been named already.
        faults += [*unreadable.values(), *(text for name, text in missing if name not in reasons)]
    if faults:
        raise FormatError("; ".join(faults))
    rounds: dict[str, list[float]] = {name: [] for name in networks}
    for result, times in timed:
        if result.round in kept and not result.is_reference:
            rounds[result.network].append(median(times.ms))
    known = [network for network in export.networks if network.kind == "part" and rounds[network.name]]
    if not known:
        raise FormatError(f"{folder}: found no time of any part: {'; '.join(text for _, text in missing)}")
    entries = {network.key: _entry(rounds[network.name], network.label) for network in known}
    # A call does no work that a part does not do: where it seems to, the difference is too small to be seen.
    nothing = [network.name for network in export.networks if network.kind == "call"]
    calls = [median(rounds[name]) for name in nothing if rounds[name]]
    table = LatencyTable(
        _target(export, next(iter(read.sessions.values())), timed[0][1], device),
        entries,
        call_ms=min([*calls, *(entry.ms for entry in entries.values())]) if calls else 0.0,
        origin=_origin(export, read, len(kept), left_out, missing),
    )
    checks = _checks(export, table, rounds)
    table.origin["check"] = [
        {"network": code, "predicted_ms": round(predicted, 6), "measured_ms": round(measured, 6)}
        for code, predicted, measured in checks
    ]
    if corrected:
        table.correction = _correction(export, table, {code: measured for code, _, measured in checks})
    found = agreement([told for _, told, _ in checks], [ms for _, _, ms in checks]) if checks else None
    return Imported(table, checks, found, left_out, [text for _, text in missing])


def _timed(program: Program, read: Results) -> tuple[list[tuple[Result, Times]], dict[Path, str]]:
    """What the program's outputs say, and what is to be said of those that say no time."""
    timed, unreadable = [], dict(read.cut_off)
    for result in read.results:
        try:
            timed.append((result, program.read(result.output, str(result.path))))
        except FormatError as fault:
            unreadable[result.path] = str(fault)
    return timed, unreadable


def _checks(
    export: Export, table: LatencyTable, rounds: Mapping[str, Sequence[float]]
) -> list[tuple[str, float, float]]:
    """Whole networks that were timed, all of whose parts were: code, the sum of parts, what was measured."""
    return [
        (network.code, table.predict(network.code, network.shape), median(rounds[network.name]))
        for network in export.networks
        if network.kind == "network"
        and rounds[network.name]
        and all(part.key in table.entries for part in parts(network.code, network.shape))
    ]


def _correction(export: Export, table: LatencyTable, measured: Mapping[str, float]) -> Correction:
    """The correction that the whole networks tell."""
    whole = [network for network in export.networks if network.code in measured]
    if len(whole) < 2:
        raise UnsupportedError(
            f"correction: found {len(whole)} whole networks, expected at least 2: export with --check"
        )
    return fit_correction(
        [table.sum_of(network.code, network.shape) for network in whole],
        [measured[network.code] for network in whole],
        table.plain_base_ms,
        [network.code for network in whole],
        table.origin["date"],
    )


def _changed(export: Export, folder: Path) -> list[str]:
    """Files of the export that are not there any more as they were written, or not there."""
    faults = []
    for network in export.networks:
        for file in network.files.values():
            path = folder / NETWORKS / file.name
            try:
                if hashlib.sha256(read_bytes(path)).hexdigest() != file.sha256:
                    faults.append(f"{path}: was changed after the export")
            except CaffeError as fault:
                faults.append(str(fault))
    return faults


def _together(found: Sequence[Results]) -> Results:
    """Several folders of results as one."""
    read = Results({}, [], {}, [], {})
    for one in found:
        read.sessions.update(one.sessions)
        read.results.extend(one.results)
        read.failed.update(one.failed)
        read.foreign.extend(one.foreign)
        read.cut_off.update(one.cut_off)
    return read


def _mixed_sessions(read: Results) -> list[str]:
    """What is not the same each time the script was started."""
    faults = []
    sessions = list(read.sessions.items())
    for word, title in IDENTITY.items():
        for name, fields in sessions[1:]:
            first = sessions[0][1][word]
            if fields[word] != first:
                faults.append(
                    f"{_path(name)}: {title}: found {fields[word] or 'nothing'}, "
                    f"{_path(sessions[0][0])} has {first or 'nothing'}"
                )
    unknown = sorted({result.session for result in read.results} - read.sessions.keys())
    return faults + [f"{_path(name)}: missing, and results name it" for name in unknown]


def _path(session: str) -> str:
    folder, _, number = session.rpartition("/")
    return f"{folder}/session-{number}.txt"


def _mixed_runs(timed: Sequence[tuple[Result, Times]]) -> list[str]:
    """Runs that say they were made by another version, on another device, or otherwise than the first."""
    faults = []
    for result, times in timed:
        first = timed[0][1]
        for word in (*first.versions, "device", "threads", "precision"):
            found = times.versions.get(word, times.details.get(word))
            expected = first.versions.get(word, first.details.get(word))
            if found != expected:
                faults.append(f"{result.path}: {word}: found {found}, {timed[0][0].path} has {expected}")
    return faults


def _steady(
    export: Export, timed: Sequence[tuple[Result, Times]], drift: float
) -> tuple[set[Round], list[str], list[str]]:
    """The rounds that count, sentences about the others, and a fault when none counts."""
    found = sorted(
        ((result.round, result.path.stem, median(times.ms)) for result, times in timed if result.is_reference),
        key=lambda one: one[:2],
    )
    rounds = {result.round for result, _ in timed}
    if not found:
        return rounds, [], []
    usual = median(ms for _, _, ms in found)
    references = defaultdict(list)
    for index, (place, _, _) in enumerate(found):
        # Of each and its neighbours the middle one: a device that slows down stays slow, other work comes and goes.
        first = max(0, min(index - 1, len(found) - 3))
        references[place].append(median(ms for _, _, ms in found[first : first + 3]))
    kept, left_out = set(), []
    for place in sorted(rounds):
        worst = max(references[place] or [usual], key=lambda ms: abs(ms - usual))
        if abs(worst - usual) <= drift * usual:
            kept.add(place)
        else:
            left_out.append(
                f"{place[0]}/round-{place[1]}: the reference {export.reference} took {worst:.4g} ms, {usual:.4g} ms in "
                f"the median of all rounds: {abs(worst / usual - 1):.0%} off, at most {drift:.0%} counts as steady"
            )
    if kept:
        return kept, left_out, []
    return kept, left_out, [*left_out, "no round is steady: let the device cool down, or allow more drift"]


def _missing(
    export: Export,
    timed: Sequence[tuple[Result, Times]],
    kept: set[Round],
    read: Results,
    reasons: dict[str, str],
) -> list[tuple[str, str]]:
    """Networks that lack a time in a round, with the reason, by name. Rounds that drifted need not be complete."""
    folders = sorted({place for place, _ in kept}) or [""]
    drifted = {result.round for result, _ in timed} - kept
    expected = [
        (folder, number)
        for folder in folders
        for number in range(1, export.rounds + 1)
        if (folder, number) not in drifted
    ]
    have = {(result.network, result.round) for result, _ in timed if not result.is_reference}
    missing = []
    for network in export.networks:
        rounds = [f"{number}" for folder, number in expected if (network.name, (folder, number)) not in have]
        if rounds:
            reason = "missing"
            if network.name in reasons:
                reason = reasons[network.name]
            elif network.name in read.failed:
                reason = f"failed, {read.failed[network.name]} says why"
            missing.append((network.name, f"{network.name} (round {', '.join(rounds)}): {reason}"))
    return missing


def _entry(milliseconds: Sequence[float], label: str) -> Entry:
    low, middle, high = (round(float(value), 6) for value in np.percentile(milliseconds, (25, 50, 75)))
    each = tuple(round(value, 6) for value in milliseconds)
    return Entry(middle, (low, high), len(each), label, each)


def _target(export: Export, session: Mapping[str, str], times: Times, device: str | None) -> dict[str, Any]:
    """What the times depend on, in the words of Engine.target."""
    said = [session["device"], session["processor"]]
    versions = times.versions or ({export.tool["name"]: session["version"]} if session["version"] else {})
    return {
        "engine": export.tool["name"],
        "device": device or ", ".join(part for part in said if part) or session["system"],
        "unit": times.details.get("device", export.options["device"]),
        "threads": times.details.get("threads", export.options["threads"]),
        "precision": times.details.get("precision", export.options["precision"]),
        "batch": export.options["batch"],
        "versions": versions | {"system": session["system"]},
        **({"command": export.tool["command"]} if "command" in export.tool else {}),
        **{word: session[word] for word in ("governor", "power") if session[word]},
    }


def _origin(
    export: Export, read: Results, rounds: int, left_out: list[str], missing: list[tuple[str, str]]
) -> dict[str, Any]:
    degrees = [int(result.temperature) / 1000 for result in read.results if result.temperature.isdecimal()]
    labels = {network.name: network.label or network.code for network in export.networks}
    return {
        "method": "imported",
        "date": min(session["date"] for session in read.sessions.values()),
        "of": export.subject,
        "export": export.id,
        "rounds": rounds,
        **({"left_out": left_out} if left_out else {}),
        **({"failed": {labels[name]: text for name, text in missing}} if missing else {}),
        **({"degrees": [min(degrees), max(degrees)]} if degrees else {}),
    }
