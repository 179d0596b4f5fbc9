"""The texts that an export's script wrote on the device: what each says of itself, and what is wrong with it.

A folder of results has session-N.txt, one for each start of the script, and round-N/NAME.txt, one for each run: lines
of a word and its value, the line "output", all that the tool printed, and "end" with its exit status. NAME.failed is
the same of a run that failed; NAME.txt.part was being written when the script was stopped, and counts for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prototxt_gen.errors import CaffeError, FileError
from prototxt_gen.files import read_bytes, reason

_SESSION = "dongfeng session 1"
_RESULT = "dongfeng result 1"
_ROUND = re.compile(r"round-([1-9]\d*)")

_HOW = "run the export's measure.sh on the device, then copy the folder results/ that it writes back here"

#: What must be the same each time the script was started, and what messages call it.
IDENTITY = {
    "checksum": "another build of the tool",
    "version": "another version of the tool",
    "system": "another system",
    "device": "another device",
    "processor": "another processor",
    "cores": "another number of cores",
    "governor": "another governor of the clock",
    "power": "another power mode",
}


@dataclass(frozen=True)
class Result:
    """One run: of which network, in which round (of which folder), as the reference or for itself."""

    path: Path
    round: tuple[str, int]
    network: str
    is_reference: bool
    session: str
    temperature: str
    output: str


@dataclass(frozen=True)
class Results:
    """All that was read. `failed` are the texts of runs that the tool ended badly, by network.

    `foreign` says of texts that they do not belong here, `cut_off` that they are not whole.
    """

    sessions: dict[str, dict[str, str]]
    results: list[Result]
    failed: dict[str, Path]
    foreign: list[str]
    cut_off: dict[Path, str]


def read_results(folder: Path, export_id: str, networks: set[str]) -> Results:
    """The texts in a folder. Faults are collected; FileError when there is no such folder, or none that has texts."""
    read = Results({}, [], {}, [], {})
    if not folder.exists():
        raise FileError(f"{folder}: is not there: {_HOW}")
    try:
        paths = sorted(folder.iterdir())
    except OSError as fault:
        raise FileError(f"{folder}: cannot be read: {reason(fault)}") from fault
    for path in paths:
        if number := re.fullmatch(r"session-(\d+)\.txt", path.name):
            fields = _read(read, path, _SESSION, export_id)
            if fields and fields["session"] != number[1]:
                read.foreign.append(f"{path}: found session {fields['session']}, which is not what its name says")
            elif fields:
                read.sessions[f"{folder}/{number[1]}"] = fields
        elif _ROUND.fullmatch(path.name) and path.is_dir():
            for text in _texts(path):
                _add(read, folder, text, export_id, networks)
    if not any((read.sessions, read.results, read.failed, read.foreign, read.cut_off)):
        raise FileError(f"{folder}: has no results in it: {_HOW}")
    if not read.sessions and not read.foreign:
        read.foreign.append(f"{folder}: found no session-1.txt, expected what the script wrote")
    return read


def _texts(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.iterdir()) if path.suffix in (".txt", ".failed"))


def _add(read: Results, folder: Path, path: Path, export_id: str, networks: set[str]) -> None:
    fields = _read(read, path, _RESULT, export_id, failed=path.suffix == ".failed")
    if fields is None:
        return
    name, is_reference = fields["network"], path.stem.startswith("reference-")
    number = _ROUND.fullmatch(path.parent.name)
    assert number is not None
    if name not in networks or not (is_reference or path.stem == name) or fields["round"] != number[1]:
        said = f"round {fields['round']}, network {name}"
        read.foreign.append(f"{path}: found {said}, which is not what its name says, or not in this export")
    elif path.suffix == ".failed":
        read.failed[name] = path
    else:
        session = f"{folder}/{fields['session']}"
        place = (str(folder), int(number[1]))
        read.results.append(Result(path, place, name, is_reference, session, fields["temperature"], fields["output"]))


_FIELDS = {
    _SESSION: ("export", "session", "date", *IDENTITY),
    _RESULT: ("export", "session", "round", "network", "iterations", "temperature"),
}


def _read(read: Results, path: Path, kind: str, export_id: str, failed: bool = False) -> dict[str, str] | None:
    """A text's fields, with its "output"; None, and a fault noted, when it is not whole or of another export."""
    try:
        text = read_bytes(path).decode(errors="replace").replace("\r\n", "\n")
    except CaffeError as fault:
        read.cut_off[path] = str(fault)
        return None
    head, _, output = text.partition("\noutput\n")
    lines = head.split("\n") if kind == _RESULT else text.split("\n")
    fields = {word: value.strip() for word, _, value in (line.partition(" ") for line in lines)}
    missing = [word for word in _FIELDS[kind] if word not in fields]
    ending = re.search(r"\nend (\d+)\n?\Z", text)
    if not text.startswith(kind + "\n") or missing:
        found = missing[0] if missing else kind
        read.cut_off[path] = f"{path}: found no {found!r}, expected a text of the script: cut off"
    elif ending is None or (ending[1] != "0" and not failed):
        read.cut_off[path] = f"{path}: found no 'end 0' in its last line, expected it: cut off"
    elif fields["export"] != export_id:
        read.foreign.append(f"{path}: found export {fields['export'][:40]}, expected {export_id}: of another export")
    else:
        return fields | {"output": output[: ending.start() - len(text)] if output else ""}
    return None
