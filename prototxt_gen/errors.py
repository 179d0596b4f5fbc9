"""The faults this project reports: one base class, one class per kind of fault.

A message names the file, the layer and the field, what was found and what was expected.
"""

from __future__ import annotations


class CaffeError(Exception):
    """Base class of every error raised on purpose by the four packages."""


class ArchitectureError(CaffeError, ValueError):
    """An architecture, a space or its text code that breaks a rule."""


class FileError(CaffeError, OSError):
    """A file that cannot be read or written at all."""


class FormatError(CaffeError, ValueError):
    """A file whose text or bytes are not what they should be."""


class NetworkError(CaffeError, ValueError):
    """A network that is well formed but wrong: a bottom without a top, shapes that do not fit."""


class UnsupportedError(CaffeError, NotImplementedError):
    """Layers, or combinations of their parameters, that are not supported. Lists all of them."""


class WeightsError(CaffeError, ValueError):
    """Weights that do not fit their network: missing, unused, or of another shape. Lists all of them."""


class TrainingError(CaffeError, ArithmeticError):
    """A training that came to no accuracy: its loss is no number, or what it gave is none, or its processes ended."""


class NotInstalledError(CaffeError, ImportError):
    """A package that an optional part needs is not installed. Names the extra that brings it."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        """`extra` is one of setup.cfg's; `purpose` begins the sentence: ".safetensors files", "engine onnxruntime"."""
        super().__init__(f"{purpose}: needs {package}, which is not installed: pip install 'dongfeng[{extra}]'")


class MissingProgramError(NotInstalledError):
    """A program that an optional part runs is not on the PATH."""

    def __init__(self, program: str, purpose: str) -> None:
        """`purpose` begins the sentence: "engine caffe"."""
        CaffeError.__init__(self, f"{purpose}: needs the program {program}, which is not on the PATH")


class MissingEnvironmentError(NotInstalledError):
    """A Python environment of its own, which an optional part runs a tool in, is not named, or is not there."""

    def __init__(self, tool: str, variable: str, found: str | None, purpose: str) -> None:
        """`variable` of the environment names its Python; `found` is what it says, None where it is not set."""
        why = f"{variable} is not set" if not found else f"{variable}: found {found!r}, which is no program"
        CaffeError.__init__(
            self,
            f"{purpose}: needs {tool} in a Python environment of its own ({why}): set {variable} to the path of its "
            "python; docs/engines.md says how to make one",
        )


def need(condition: bool, reason: str) -> None:
    """UnsupportedError with `reason` unless the condition holds."""
    if not condition:
        raise UnsupportedError(reason)
