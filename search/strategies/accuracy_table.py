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
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.errors import FormatError
from prototxt_gen.files import read_bytes, write_bytes

FORMAT = "dongfeng accuracy table 1"

# No accuracy on a few hundred images says that a network errs less often than this.
LEAST_ERROR = 1e-4
# Far beyond what any fit finds; still, a power of LEAST_ERROR is a number.
_LEAST_POWER = -10.0


class Row(NamedTuple):
    """A layer that leaves a choice: its name, its candidates as codes of units, their accuracies in 0..1."""

    layer: str
    candidates: tuple[str, ...]
    accuracies: tuple[float, ...]


@dataclass(frozen=True)
class AccuracyTable:
    """Accuracies of every candidate in every layer.

    An entry is the accuracy of networks with this candidate, all else equal within its row; entries of other rows say
    nothing about each other. `best` is the accuracy that the table expects of the network with the best candidate of
    each row. What adds up over the rows are differences of errors, 1 - accuracy, raised to `power`: 1 for accuracies as
    in the paper, 0 for logarithms of errors. `space` is the code of the space, whose `rows` these are, in order.
    `provenance` says where the table is from, as JSON values.

    FormatError for a table without rows, accuracies outside 0..1, or a power outside -10..1.
    """

    space: str
    rows: tuple[Row, ...]
    best: float
    power: float = 1.0
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        faults = []
        if not self.rows:
            faults.append("rows: found none, expected at least one")
        if not _LEAST_POWER <= self.power <= 1:
            faults.append(f"power: found {self.power}, expected {_LEAST_POWER:g} to 1")
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
        """For each row what each of its candidates (candidates,) loses against the row's best one, at least 0.

        Losses are in accuracy: small ones are by how much less accurate the network with the best candidates becomes.
        """
        found = []
        for row in self.rows:
            values = added(np.maximum(1 - np.array(row.accuracies), LEAST_ERROR) / self._error, self.power)
            found.append(self._error * (values - values.min()))
        return tuple(found)

    def loss(self, choices: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        """The summed losses (n,) of networks given as the numbers of their candidates (n, rows)."""
        return np.sum([losses[choices[:, row]] for row, losses in enumerate(self.losses)], axis=0)

    def expected(self, loss: NDArray[np.float64]) -> NDArray[np.float64]:
        """The accuracies in 0..1 that the table expects of networks with these summed losses."""
        errors = self._error * unadded(np.asarray(loss) / self._error, self.power)
        return np.asarray(np.clip(self.best + (self._error - errors), 0.0, 1.0))

    @property
    def _error(self) -> float:
        return max(1 - self.best, LEAST_ERROR)

    def text(self) -> str:
        """The table as JSON."""
        rows = [
            {"layer": row.layer, "accuracies": dict(zip(row.candidates, row.accuracies, strict=True))}
            for row in self.rows
        ]
        document = {
            "format": FORMAT,
            "space": self.space,
            "power": self.power,
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
            made = (str(document["space"]), rows, _number(document["best"]), _number(document["power"]))
            return cls(*made, dict(document.get("provenance", {})))
        except FormatError as fault:
            raise FormatError(f"{source}: {fault}") from None
        except (KeyError, TypeError, ValueError, AttributeError) as fault:
            raise FormatError(f"{source}: not an accuracy table: {type(fault).__name__}: {fault}") from fault


def added(errors: NDArray[np.float64], power: float) -> NDArray[np.float64]:
    """The numbers that add up, of errors above 0 of any shape: (errors^power - 1) / power, for 0 their logarithms.

    This is the transformation of Box and Cox (1964); near errors of 1 it is errors - 1, whatever the power.
    """
    logarithms = np.log(errors)
    return np.asarray(np.expm1(power * logarithms) / power if power else logarithms)


def unadded(numbers: NDArray[np.float64], power: float) -> NDArray[np.float64]:
    """The errors of such numbers, in 0..inf: no power of an error is below 0, so with sums beyond it is at its end."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.exp(np.log1p(np.maximum(power * numbers, -1.0)) / power if power else numbers))


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
