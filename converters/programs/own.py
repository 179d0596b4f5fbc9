"""Any other tool that times networks, as its user calls it: a command with places for files, a pattern for the time."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Mapping

from converters.engines.engine import Options
from converters.programs.program import DEFAULTS, Program, Times
from prototxt_gen.errors import CaffeError, FormatError

#: How many of a unit are a millisecond.
UNITS = {"s": 1e-3, "ms": 1.0, "us": 1e3, "ns": 1e6}
#: What a command may hold in braces beside the kinds of files.
PLACES = ("iterations", "name")
_FILES = ("prototxt", "caffemodel", "onnx")
_SETTING = re.compile(r"[A-Za-z_]\w*=")


class OwnCommand(Program):
    """A command such as "mytool --model {prototxt} --runs {iterations}", and a pattern such as "avg: ([0-9.]+) ms".

    `{prototxt}`, `{caffemodel}`, `{onnx}` are paths, `{name}` is the network's name without folder or suffix,
    `{iterations}` how many runs are wanted. Words such as NAME=value before the program set its environment. The words
    are split as a shell does; there is no shell, so pipes and the like belong in a script of the user's. `pattern`
    is a regular expression with one group, a number in `unit`; where it matches more than once, each match is a run.
    """

    name = "own"
    title = "own command"
    files: tuple[str, ...]

    def __init__(self, command: str, pattern: str, unit: str = "ms") -> None:
        """CaffeError for a command or a pattern that cannot be used, saying why."""
        self.text, self.pattern, self.unit = command, pattern, unit
        try:
            self.words = shlex.split(command)
        except ValueError as fault:
            raise CaffeError(f"command {command!r}: cannot be split into words: {fault}") from fault
        count = next((place for place, word in enumerate(self.words) if not _SETTING.match(word)), len(self.words))
        self._settings = dict(word.split("=", 1) for word in self.words[:count])
        self.words = self.words[count:]
        if not self.words:
            raise CaffeError("command: found nothing, expected a program and its arguments")
        places = [place for word in self.words for place in re.findall(r"\{(\w*)\}", word)]
        unknown = sorted({place for place in places if place not in (*_FILES, *PLACES)})
        if unknown:
            known = ", ".join(f"{{{place}}}" for place in (*_FILES, *PLACES))
            raise CaffeError(f"command: found {{{'}, {'.join(unknown)}}}, expected some of {known}")
        self.files = tuple(kind for kind in _FILES if kind in places)
        if not self.files and "name" not in places:
            raise CaffeError(
                f"command {command!r}: found no network, expected {{onnx}}, {{prototxt}} or {{name}} in it"
            )
        try:
            self._pattern = re.compile(pattern)
        except re.error as fault:
            raise CaffeError(f"pattern {pattern!r}: not a regular expression: {fault}") from fault
        if self._pattern.groups != 1:
            raise CaffeError(
                f"pattern {pattern!r}: found {self._pattern.groups} groups, expected one, around the number: "
                "'avg: ([0-9.]+) ms'"
            )
        if unit not in UNITS:
            raise CaffeError(f"unit: found {unit!r}, expected one of {', '.join(UNITS)}")

    def command(self, files: Mapping[str, str], iterations: int, options: Options = DEFAULTS) -> list[str]:
        """See Program.command; the kind "name" of `files` is the network's name. The command itself has the options."""
        self.need(files)
        values = {**files, "iterations": f"{iterations}"}
        return [re.sub(r"\{(\w+)\}", lambda place: values[place[1]], word) for word in self.words]

    def environment(self, options: Options = DEFAULTS) -> dict[str, str]:
        """See Program.environment."""
        return dict(self._settings)

    def read(self, text: str, source: str) -> Times:
        """See Program.read."""
        found = [match[1] for match in self._pattern.finditer(text)]
        if not found:
            lines = [line for line in text.splitlines() if line.strip()]
            last = lines[-1].strip()[:200] if lines else "nothing"
            raise FormatError(f"{source}: found nothing like {self.pattern!r}; the output ends with: {last}")
        ms = []
        for number in found:
            try:
                ms.append(float(number) / UNITS[self.unit])
            except (TypeError, ValueError):
                ms.append(math.nan)
            if not (math.isfinite(ms[-1]) and ms[-1] > 0):
                raise FormatError(f"{source}: found a time of {number!r} {self.unit}, expected a number above 0")
        return Times(ms, [], {}, {"whole": "runs" if len(ms) > 1 else "mean"})
