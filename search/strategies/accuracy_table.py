"""A table of accuracies: what each candidate of each layer does to the accuracy of the networks that have it.

PONAS (arXiv 2003.05112) reads networks off such a table. It is a file of its own, so that whoever has it needs no
supernet, and no training, to have a network for another device.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.errors import FormatError
from prototxt_gen.files import read_bytes, write_bytes

FORMAT = "dongfeng accuracy table 1"

#: In which numbers losses of layers add up: differences of accuracy, as in the paper, or of the logarithm of the error.
Scale: TypeAlias = Literal["accuracy", "log error"]

# No accuracy on a few hundred images says that a network errs less often than this.
LEAST_ERROR = 1e-4


class Row(NamedTuple):
    """A layer that leaves a choice: its name, its candidates as codes of units, their accuracies in 0..1."""

    layer: str
    candidates: tuple[str, ...]
    accuracies: tuple[float, ...]


@dataclass(frozen=True)
class AccuracyTable:
    """Accuracies of every candidate in every layer.

    An entry is the accuracy of networks with this candidate, all else equal within its row; entries of other rows say
    nothing about each other. `scale` says in which numbers the differences within rows add up over the rows. `best` is
    the accuracy that the table expects of the network with the best candidate of each row. `space` is the code of the
    space, whose `rows` these are, in order. `provenance` says where the table is from, as JSON values.

    FormatError for a table without rows, accuracies outside 0..1, or another scale.
    """

    space: str
    rows: tuple[Row, ...]
    best: float
    scale: Scale = "accuracy"
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        faults = []
        if not self.rows:
            faults.append("rows: found none, expected at least one")
        if self.scale not in get_args(Scale):
            faults.append(f"scale: found {self.scale!r}, expected one of {', '.join(get_args(Scale))}")
        if not 0 <= self.best <= 1:
            faults.append(f"best: found {self.best}, expected 0 to 1")
        for row in self.rows:
            if len(row.candidates) != len(row.accuracies) or not row.candidates:
                found = f"{len(row.accuracies)} accuracies of {len(row.candidates)} candidates"
                faults.append(f"row {row.layer}: found {found}, expected one of each")
            wrong = [accuracy for accuracy in row.accuracies if not 0 <= accuracy <= 1]
            if wrong:
                faults.append(f"row {row.layer}: found accuracy {wrong[0]}, expected 0 to 1")
        if faults:
            raise FormatError(f"accuracy table: {'; '.join(faults)}")

    @cached_property
    def losses(self) -> tuple[NDArray[np.float64], ...]:
        """For each row what each of its candidates (candidates,) loses against the row's best one, at least 0."""
        found = []
        for row in self.rows:
            values = _scaled(np.array(row.accuracies), self.scale)
            found.append(values.max() - values)
        return tuple(found)

    def loss(self, choices: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        """The summed losses (n,) of networks given as the numbers of their candidates (n, rows)."""
        return np.sum([losses[choices[:, row]] for row, losses in enumerate(self.losses)], axis=0)

    def expected(self, loss: NDArray[np.float64]) -> NDArray[np.float64]:
        """The accuracies in 0..1 that the table expects of networks with these summed losses."""
        if self.scale == "accuracy":
            return np.clip(self.best - loss, 0.0, 1.0)
        return np.asarray(np.clip(1 - (1 - self.best) * np.exp(loss), 0.0, 1.0))

    def text(self) -> str:
        """The table as JSON."""
        rows = [
            {"layer": row.layer, "accuracies": dict(zip(row.candidates, row.accuracies, strict=True))}
            for row in self.rows
        ]
        document = {
            "format": FORMAT,
            "space": self.space,
            "scale": self.scale,
            "best": self.best,
            "rows": rows,
            "provenance": self.provenance,
        }
        return json.dumps(document, indent=1, ensure_ascii=False) + "\n"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the table as a JSON file, whole or not at all. FileError when it cannot be written."""
        write_bytes(path, self.text().encode())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> AccuracyTable:
        """The table of a file. FileError when it cannot be read, FormatError names what is wrong in it."""
        return cls.parse(read_bytes(path), os.fspath(path))

    @classmethod
    def parse(cls, text: str | bytes, source: str) -> AccuracyTable:
        """The table of a text; `source` names it in errors."""
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as fault:
            raise FormatError(f"{source}: not an accuracy table: {fault}") from fault
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            found = document.get("format") if isinstance(document, dict) else type(document).__name__
            raise FormatError(f"{source}: format: found {found!r}, expected {FORMAT!r}")
        try:
            rows = tuple(_row(row) for row in document["rows"])
            made = (str(document["space"]), rows, _number(document["best"]), document["scale"])
            return cls(*made, dict(document.get("provenance", {})))
        except FormatError as fault:
            raise FormatError(f"{source}: {fault}") from None
        except (KeyError, TypeError, ValueError, AttributeError) as fault:
            raise FormatError(f"{source}: not an accuracy table: {type(fault).__name__}: {fault}") from fault


def log_errors(accuracies: NDArray[np.float64]) -> NDArray[np.float64]:
    """The logarithms of the errors of accuracies in 0..1, any shape; of none at all, that of LEAST_ERROR."""
    return np.log(np.maximum(1 - accuracies, LEAST_ERROR))


def _scaled(accuracies: NDArray[np.float64], scale: Scale) -> NDArray[np.float64]:
    return accuracies if scale == "accuracy" else -log_errors(accuracies)


def _row(document: Any) -> Row:
    entries = {str(code): _number(accuracy) for code, accuracy in document["accuracies"].items()}
    return Row(str(document["layer"]), tuple(entries), tuple(entries.values()))


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise FormatError(f"accuracy table: found {value!r}, expected a number")
    return float(value)


def named_rows(
    names: Sequence[str], candidates: Sequence[Sequence[str]], accuracies: Sequence[Sequence[float]]
) -> tuple[Row, ...]:
    """Rows of the same number of names, candidates and accuracies."""
    return tuple(
        Row(name, tuple(codes), tuple(float(one) for one in found))
        for name, codes, found in zip(names, candidates, accuracies, strict=True)
    )
