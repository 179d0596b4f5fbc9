"""What an export is: its networks, the digests of their files, the tool that times them; index.json on the disk.

`index.json`, `dongfeng export 1`: `id` is a digest of everything but the date and the pattern. `tool` names an entry of
PROGRAMS, or is "own" with the user's command, pattern, unit, and a command that prints its version. `options` are those
of Engine.target. Each of `networks` has a name, which its files in networks/ begin with, its kind ("call": next to
nothing, "part", "network"), and a part's key and label or a whole network's code.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from converters.engines.engine import Options
from converters.programs import PROGRAMS, OwnCommand, Program
from prototxt_gen.errors import CaffeError, FileError, FormatError
from prototxt_gen.files import read_bytes

FORMAT = "dongfeng export 1"
INDEX = "index.json"
NETWORKS = "networks"
RESULTS = "results"

Kind = Literal["call", "part", "network"]
KINDS: tuple[Kind, ...] = ("call", "part", "network")


@dataclass(frozen=True)
class File:
    """A network's file: its name in networks/, bytes, SHA-256, and the number that POSIX `cksum` prints."""

    name: str
    bytes: int
    sha256: str
    crc: int


@dataclass(frozen=True)
class Network:
    """One network of an export. `key` and `label` are a part's; `code` and `shape` a whole network's."""

    name: str
    kind: Kind
    iterations: int
    files: dict[str, File] = field(default_factory=dict)
    key: str = ""
    label: str = ""
    code: str = ""
    shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class Export:
    """An export: `subject` says of what, for people; `tool` and `options` how it is timed."""

    subject: str
    tool: dict[str, str]
    options: dict[str, Any]
    rounds: int
    reference: str
    networks: tuple[Network, ...]

    @property
    def id(self) -> str:
        """Tells this export from any other. A pattern may be corrected afterwards, so it does not count."""
        content = asdict(self)
        content["tool"] = {name: value for name, value in self.tool.items() if name not in ("pattern", "unit")}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    def program(self, pattern: str | None = None, unit: str | None = None) -> Program:
        """The tool; the user's own with another pattern or unit where these are given."""
        return program_of(
            self.tool | {name: value for name, value in (("pattern", pattern), ("unit", unit)) if value is not None}
        )

    def run_options(self) -> Options:
        """How the tool is called."""
        return Options(**self.options)

    def to_bytes(self, date: str) -> bytes:
        """The index as a file holds it."""
        return (json.dumps({"format": FORMAT, "id": self.id, "date": date} | asdict(self), indent=1) + "\n").encode()


def program_of(tool: Mapping[str, str]) -> Program:
    """The program that an export's `tool` describes. CaffeError when there is none of that name."""
    name = tool.get("name", "")
    if name == OwnCommand.name:
        return OwnCommand(tool.get("command", ""), tool.get("pattern", ""), tool.get("unit", "ms"))
    if name not in PROGRAMS:
        raise CaffeError(f"tool: found {name!r}, expected one of {', '.join([*PROGRAMS, OwnCommand.name])}")
    return PROGRAMS[name]


def read_export(folder: str | os.PathLike[str]) -> Export:
    """The export in a folder, its index alone. FileError; FormatError names the field that is not as expected."""
    path = Path(folder) / INDEX
    if not path.exists():
        wrong = f"has no {INDEX}" if Path(folder).is_dir() else "is no folder"
        raise FileError(f"{os.fspath(folder)}: {wrong}, expected the folder that `dongfeng profile export --out` wrote")
    try:
        document = json.loads(read_bytes(path))
    except (ValueError, RecursionError) as fault:
        raise FormatError(f"{path}: not an export: {fault}") from fault
    found = document.get("format") if isinstance(document, dict) else None
    if found != FORMAT:
        raise FormatError(f"{path}: format: found {str(found)[:80]!r}, expected {FORMAT!r}")
    try:
        networks = tuple(
            Network(
                **{
                    **network,
                    "files": {kind: File(**file) for kind, file in network["files"].items()},
                    "shape": tuple(network["shape"]),
                }
            )
            for network in document["networks"]
        )
        fields = ("subject", "tool", "options", "rounds", "reference")
        export = Export(**{name: document[name] for name in fields}, networks=networks)
        stated = document["id"]
        valid = (
            export.id == stated
            and {network.kind for network in networks} <= set(KINDS)
            and export.reference in {network.name for network in networks}
        )
    except (KeyError, TypeError, AttributeError, ValueError) as fault:
        raise FormatError(f"{path}: not a whole export: {type(fault).__name__}: {fault}") from fault
    if not valid:
        raise FormatError(f"{path}: id: found {str(stated)[:40]!r}, the content's is {export.id!r}: it was changed")
    return export
