"""The POSIX sh script of an export: its values before the part that is the same in every one (measure.sh)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from converters.engines.engine import Options
from converters.programs import Program

if TYPE_CHECKING:
    from search.latency.far.export import Export

#: The name of the script in an export.
SCRIPT = "measure.sh"

# What a command has in the place of a path or a number, until the script puts in its own variables.
_PLACE = "\N{LEFT WHITE SQUARE BRACKET}%s\N{RIGHT WHITE SQUARE BRACKET}"
_FOUND = re.compile(_PLACE % r"(\w+)")
#: The iterations of the command that shows where the number stands: no tool has this one by itself.
_ITERATIONS = 987_654_321
# The reference runs longer than others: its own spread must not pass for a device that slows down.
_LONGER = 4


def script(export: Export, program: Program, options: Options) -> str:
    """The whole text. UnsupportedError where the program cannot run with these options."""
    words = _words(program, options)
    settings = [f"{name}={shlex.quote(value)}" for name, value in program.environment(options).items()]
    listed = [f"{network.name}:{network.iterations}" for network in export.networks]
    files = [
        f"{file.name}:{file.crc}:{file.bytes}"
        for network in export.networks
        for kind, file in network.files.items()
        if kind in program.files
    ]
    reference = next(network for network in export.networks if network.name == export.reference)
    own = shlex.split(words)[0]
    head = f"""#!/bin/sh
# Times the networks of `dongfeng profile export` with {program.title}: sh {SCRIPT} [RESULTS]
# {len(export.networks)} networks, {export.rounds} rounds. See sh {SCRIPT} --help.

export_id={export.id}
program={shlex.quote(own)}
rounds={export.rounds}
reference={reference.name}
reference_iterations={reference.iterations * _LONGER}
networks={_lines(listed)}
files={_lines(files)}

# The tool, for the network NAME so many times: run NAME ITERATIONS
run() {{
    # shellcheck disable=SC2034
    name=$1 iterations=$2 prototxt=$here/networks/$1.prototxt caffemodel=$here/networks/$1.caffemodel
    # shellcheck disable=SC2034
    onnx=$here/networks/$1.onnx
    {" ".join([*settings, words])}
}}

version() {{ {export.tool.get("version") or ":"}; }}
"""
    return head + Path(__file__).with_name(SCRIPT).read_text("utf-8")


def _lines(values: Sequence[str]) -> str:
    return "'\n" + "".join(f"{value}\n" for value in values) + "'"


def _words(program: Program, options: Options) -> str:
    """The program's command as words of a shell, with "$onnx" and the like for what changes with the network."""
    places = {kind: _PLACE % kind for kind in ("prototxt", "caffemodel", "onnx", "name")}
    command = program.command(places, _ITERATIONS, options)
    words = [word.replace(str(_ITERATIONS), _PLACE % "iterations") for word in command]
    return " ".join(_quoted(word) for word in words)


def _quoted(word: str) -> str:
    """One word of a shell, whatever is in it; the places become variables."""
    pieces = _FOUND.split(word)
    written = [
        f'"${piece}"' if index % 2 else (shlex.quote(piece) if piece else "") for index, piece in enumerate(pieces)
    ]
    return "".join(written) or "''"
