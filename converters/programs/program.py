"""What every program that times networks has: its command line, how its output is read; and the table of programs."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from converters.engines.engine import Options
from converters.programs.rows import Layers
from prototxt_gen.errors import FormatError, NetworkError
from prototxt_gen.files import read_bytes
from prototxt_gen.registry import Registry

#: On the CPU, with the program's own number of threads, in float32.
DEFAULTS = Options()


class LayerTime(NamedTuple):
    """A row of a program's output: the mean milliseconds of a layer, or of several that run as one.

    `layers` is the text as printed. It may join layers by " + ", name a layer that the program added, or be cut off.
    """

    layers: str
    ms: float


@dataclass(frozen=True)
class Times:
    """What a program's output says.

    `ms` are the milliseconds of runs of the whole network, in order, or their mean alone. `layers` are in the order of
    the output; a program that prints none leaves it empty. `versions` maps names to versions as printed. `details` is
    plain JSON and holds what else a time depends on, by the words of Engine.target ("device", "precision", "threads"),
    and "whole": what `ms` is ("runs", "mean", "median", or "sum of the layers").
    """

    ms: list[float]
    layers: list[LayerTime] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)


class Program(ABC):
    """A program that takes a network in files, runs it many times and prints how long that took.

    `name` is its name in PROGRAMS and that of its file on the PATH. `files` are the kinds of files it needs:
    "prototxt", "caffemodel", "onnx". `title` is what messages call it.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    files: tuple[str, ...]
    #: Whether it prints a row for every layer of a network, each by itself.
    every_layer: ClassVar[bool] = False

    @abstractmethod
    def command(self, files: Mapping[str, str], iterations: int, options: Options = DEFAULTS) -> list[str]:
        """The argument list that times the network in these files (paths by kind), the program's name first.

        UnsupportedError for a device or a precision that the program does not have.
        """

    def environment(self, options: Options = DEFAULTS) -> dict[str, str]:
        """Environment variables to set for the command, beside the user's own."""
        return {}

    @abstractmethod
    def read(self, text: str, source: str) -> Times:
        """What an output of the program says: all that it printed, or a file that it wrote.

        FormatError begins with `source`, a file's name for messages. It says what is missing in an output that is cut
        off, and names the rows whose times are not positive numbers.
        """

    def wrote(self, text: str) -> bool:
        """Whether a text looks like an output of this program that `read` reads, whole or cut off."""
        return False

    def layers_of(self, row: str, layers: Layers) -> list[set[str]]:
        """What a row (`LayerTime.layers`) is the time of: for each name in it the layers of the network it may mean.

        Several where the name is cut off, none where the network has no such layer. What the program adds of its own
        to the layers in a row is left out; a row of nothing else is an empty list.
        """
        return [layers.exact(name) for name in row.split(" + ")]

    def need(self, files: Mapping[str, str]) -> None:
        """NetworkError when files of a kind that the program needs are not there."""
        missing = [kind for kind in self.files if kind not in files]
        if missing:
            raise NetworkError(
                f"{self.title}: files: found {', '.join(files) or 'none'}, expected {', '.join(self.files)} "
                f"(missing: {', '.join(missing)})"
            )


#: Every program, by its name.
PROGRAMS: Registry[Program] = Registry("program")


def read_times(path: str | os.PathLike[str]) -> tuple[Program, Times]:
    """What an output of a program, kept in a file, says, and which program's it is.

    FileError; FormatError where no program has such an output, and as in `Program.read`.
    """
    source = os.fspath(path)
    data = read_bytes(path)
    try:  # what Windows writes when output is sent to a file
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    text = text.replace("\r\n", "\n")
    for name in PROGRAMS:
        if PROGRAMS[name].wrote(text):
            return PROGRAMS[name], PROGRAMS[name].read(text, source)
    raise FormatError(
        f"{source}: expected an output of {', '.join(PROGRAMS[name].title for name in PROGRAMS)}, "
        f"found {text.strip()[:60]!r}"
    )
