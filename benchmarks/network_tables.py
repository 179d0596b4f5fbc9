"""Tables of networks that somebody trained: what each chose, what it costs, how accurate its runs were.

A table is a CSV file, plain or gzipped, with a line of column names. Choices are columns of numbers, or one column with
a code: digits (`02110`), numbers with anything between them (`64:128:96`), or one-line codes of this project's
architectures. Every choice is taken as ordered: a larger number costs more and is assumed no less accurate.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.architectures import Decoder, parse_architecture
from prototxt_gen.errors import CaffeError
from search.spaces.vectors import Vectors
from search.strategies.candidates import ListedCandidates
from search.strategies.hypervolume import hypervolume

#: Words in the names of columns, by what they hold; of several costs the first is taken.
COSTS = ("latency", "ms", "milliseconds", "time", "seconds", "energy", "flops", "macs", "madds", "multiply", "cost")
SIZES = ("params", "parameters", "memory", "size", "images", "fps", "throughput")
ACCURACIES = ("acc", "accuracy", "accuracies", "top1", "top", "miou", "iou")
CODES = ("architecture", "arch", "code", "network", "net", "config", "encoding", "choices", "widths", "channels")
MOST_VALUES = 64


class TableError(CaffeError):
    """A table of networks that cannot be read: which file, which column, what was found."""


@dataclass(frozen=True)
class NetworkTable:
    """`runs` (n, r) are accuracies in 0..1, NaN where a candidate has fewer; `notes` say what was taken for what."""

    name: str
    digest: str
    candidates: ListedCandidates
    runs: NDArray[np.float64]
    notes: tuple[str, ...] = field(default=())

    @property
    def vectors(self) -> Vectors:
        return self.candidates.vectors

    @property
    def costs(self) -> NDArray[np.float64]:
        return self.candidates.costs(self.candidates.vectors)

    @cached_property
    def truth(self) -> NDArray[np.float64]:
        """The mean of each candidate's runs (n,): what its accuracy is taken to be."""
        return np.nanmean(self.runs, axis=1)

    @property
    def count(self) -> int:
        return len(self.vectors)

    @cached_property
    def reference(self) -> tuple[float, float]:
        """The reference point of the hypervolume: the largest cost and the 5th percentile of accuracy."""
        return float(self.costs.max()), float(np.percentile(self.truth, 5))

    @cached_property
    def whole(self) -> float:
        """The hypervolume of all networks of the table."""
        return hypervolume(self.costs, self.truth, self.reference)

    def truth_of(self, vectors: Vectors) -> NDArray[np.float64]:
        """The true accuracies (n,) of networks of the table (n, length)."""
        return self.truth[self.candidates.places(vectors)]

    def run_of(self, vector: Vectors, rng: random.Random) -> float:
        """One of a network's runs."""
        runs = self.runs[int(self.candidates.places(vector[None])[0])]
        shown = runs[np.isfinite(runs)].tolist()
        return float(shown[rng.randrange(len(shown))])


def read_table(
    path: Path, *, code: str | None = None, choices: Sequence[str] = (), cost: str | None = None,
    accuracies: Sequence[str] = (),
) -> NetworkTable:  # fmt: skip
    """Reads a table. Columns that are not named are found by their names; `cost` may be `1/name`, for rates.

    Rows without a cost or without any accuracy are left out, and counted in the notes; rows of the same choices are
    runs of one network. TableError names the column, what was found and what was expected.
    """
    header, rows, digest = _rows(path)
    taken = [name for name in (code, cost and cost.removeprefix("1/"), *choices, *accuracies) if name]
    missing = [name for name in taken if name not in header]
    if missing:
        raise TableError(f"{path}: no column {', '.join(missing)}; there are: {', '.join(header)}")
    numbers = {name: _numbers([row[place] for row in rows]) for place, name in enumerate(header)}
    accuracies = list(accuracies) or _accuracy_columns(path, header, numbers)
    cost = cost or _cost_column(path, header, numbers, accuracies)
    costs = _column(
        path, cost.removeprefix("1/"), numbers, [row[header.index(cost.removeprefix("1/"))] for row in rows]
    )
    if cost.startswith("1/"):
        with np.errstate(divide="ignore"):
            costs = 1 / costs
    runs = np.column_stack([
        _column(path, name, numbers, [row[header.index(name)] for row in rows]) for name in accuracies
    ])  # fmt: skip
    kept = np.isfinite(costs) & (costs >= 0) & np.isfinite(runs).any(axis=1)
    if kept.sum() < 2:
        raise TableError(f"{path}: found {kept.sum()} rows with {cost} and any of {', '.join(accuracies)}, expected 2")
    percent = np.nanmax(runs) > 1.5
    runs = runs / 100 if percent else runs
    if np.nanmin(runs) < 0 or np.nanmax(runs) > 1:
        raise TableError(
            f"{path}: {', '.join(accuracies)}: found {np.nanmin(runs):g} to {np.nanmax(runs):g}, expected 0 to 1 or "
            f"0 to 100 percent"
        )
    if not code and not choices:
        code, choices = _choice_columns(path, header, rows, numbers, [*accuracies, cost.removeprefix("1/")])
    if code:
        values, names, heights = _coded(path, code, [row[header.index(code)] for row in rows])
    else:
        columns = [_column(path, name, numbers, [row[header.index(name)] for row in rows]) for name in choices]
        values, names, heights = _ordered(np.column_stack(columns), list(choices))
        kept &= np.isfinite(np.column_stack(columns)).all(axis=1)
    notes = [
        f"choices: {', '.join(names)}" if not code else f"choices from {code}: {', '.join(names)}",
        f"cost: {cost}",
        f"accuracy: {', '.join(accuracies)}{' in percent' if percent else ''}",
    ]
    if len(rows) > kept.sum():
        notes.append(f"{len(rows) - kept.sum():,} rows of {len(rows):,} left out: no cost, accuracy or choice")
    return _pooled(path, digest, values[kept], costs[kept], runs[kept], heights, notes)


def _pooled(
    path: Path, digest: str, values: Vectors, costs: NDArray[np.float64], runs: NDArray[np.float64],
    heights: list[NDArray[np.float64]], notes: list[str],
) -> NetworkTable:  # fmt: skip
    """Rows of the same choices as runs of one network, at their mean cost."""
    vectors, inverse = np.unique(values, axis=0, return_inverse=True)
    inverse = inverse.reshape(-1)
    if len(vectors) < len(values):
        notes.append(f"{len(values) - len(vectors):,} rows repeat others' choices: taken as further runs")
    order = np.argsort(inverse, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(inverse[order])) + 1)
    most = max(len(group) for group in groups)
    pooled = np.full((len(vectors), most * runs.shape[1]), np.nan)
    for place, group in enumerate(groups):
        pooled[place, : len(group) * runs.shape[1]] = runs[group].ravel()
    means = np.bincount(inverse, costs) / np.bincount(inverse)
    name = re.sub(r"\.csv(\.gz)?$", "", path.name)
    return NetworkTable(name, digest, ListedCandidates(vectors, means.tolist(), heights), pooled, tuple(notes))


def _rows(path: Path) -> tuple[list[str], list[list[str]], str]:
    try:
        data = path.read_bytes()
        plain = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        text = plain.decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise TableError(f"{path}: {error}") from None
    lines = [row for row in csv.reader(io.StringIO(text)) if row]
    if len(lines) < 3:
        raise TableError(f"{path}: found {max(len(lines) - 1, 0)} rows below the column names, expected at least 2")
    header = [name.strip() for name in lines[0]]
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise TableError(f"{path}: columns named alike: {', '.join(twice)}")
    short = [place + 2 for place, row in enumerate(lines[1:]) if len(row) != len(header)]
    if short:
        raise TableError(
            f"{path}: {len(short)} rows have not {len(header)} fields: lines {', '.join(map(str, short[:10]))}"
        )
    return header, lines[1:], hashlib.sha256(plain).hexdigest()[:12]


def _numbers(texts: list[str]) -> NDArray[np.float64] | None:
    """The column as numbers, NaN where nothing stands; None where anything else is no number."""
    found = np.full(len(texts), np.nan)
    for place, text in enumerate(texts):
        if text.strip():
            try:
                found[place] = float(text)
            except ValueError:
                return None
    return found


def _column(
    path: Path, name: str, numbers: dict[str, NDArray[np.float64] | None], texts: list[str]
) -> NDArray[np.float64]:
    column = numbers[name]
    if column is None:
        wrong = [(line + 2, text) for line, text in enumerate(texts) if text.strip() and _numbers([text]) is None]
        shown = ", ".join(f"{text!r} in line {line}" for line, text in wrong[:5])
        raise TableError(f"{path}: {name}: found {shown}{' and more' if len(wrong) > 5 else ''}, expected numbers")
    return column


def _words(name: str) -> list[str]:
    """`Val_Acc1` is val, acc: letters, without the numbers behind them, except in top1 and top5."""
    parts = re.findall(r"top-?[15]|[A-Za-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name), flags=re.IGNORECASE)
    return [part.lower().replace("-", "") for part in parts]


def _accuracy_columns(path: Path, header: list[str], numbers: dict[str, NDArray[np.float64] | None]) -> list[str]:
    found = [
        name for name in header
        if numbers[name] is not None and set(_words(name)) & set(ACCURACIES) and "top5" not in _words(name)
    ]  # fmt: skip
    stems = {tuple(_words(name)) for name in found}
    if len(stems) != 1:
        raise TableError(
            f"{path}: found {', '.join(found) or 'no column'} as accuracy, expected the runs of one: name them "
            f"(--accuracy), of {', '.join(header)}"
        )
    return found


def _cost_column(
    path: Path, header: list[str], numbers: dict[str, NDArray[np.float64] | None], accuracies: Sequence[str]
) -> str:
    for word in (*COSTS, "params", "parameters"):
        for name in header:
            if name not in accuracies and numbers[name] is not None and word in _words(name):
                return name
    raise TableError(f"{path}: no column looks like a cost: name it (--cost), of {', '.join(header)}")


def _choice_columns(
    path: Path, header: list[str], rows: list[list[str]], numbers: dict[str, NDArray[np.float64] | None],
    others: Sequence[str],
) -> tuple[str | None, list[str]]:  # fmt: skip
    """The column with the code, or the columns with choices."""
    left = [name for name in header if name not in others]
    named = [name for name in left if set(_words(name)) & set(CODES)]
    texts = [name for name in left if numbers[name] is None]
    for names in (named if len(named) == 1 else [name for name in named if name in texts], texts):
        if len(names) == 1:
            return names[0], []
    choices = []
    for name in left:
        column = numbers[name]
        known = {*COSTS, *SIZES, *ACCURACIES, "index", "id", "loss", "rank"}
        if column is None or set(_words(name)) & known:
            continue
        values = column[np.isfinite(column)]
        if len(np.unique(values)) <= MOST_VALUES and (values == np.round(values)).all():
            choices.append(name)
    if not choices or len(texts) > 1:
        raise TableError(
            f"{path}: found {', '.join(texts) or 'no column'} as code and {', '.join(choices) or 'no columns'} as "
            f"choices: name the code (--code) or the choices (--choices), of {', '.join(header)}"
        )
    return None, choices


def _coded(path: Path, column: str, codes: list[str]) -> tuple[Vectors, list[str], list[NDArray[np.float64]]]:
    texts = [code.strip() for code in codes]
    if all(re.fullmatch(r"\d+", text) for text in texts) and len({len(text) for text in texts}) == 1:
        digits = np.array([[int(digit) for digit in text] for text in texts], dtype=np.float64)
        return _ordered(digits, [f"digit {place + 1}" for place in range(digits.shape[1])], counted=True)
    if all(re.match(r"[a-z]\d+(-\d+)*_", text) for text in texts):
        return _architectures(path, column, texts)
    found = [[float(number) for number in re.findall(r"\d+(?:\.\d+)?", text)] for text in texts]
    frames = {re.sub(r"\d+(?:\.\d+)?", "#", re.sub(r"\s", "", text)) for text in texts}
    if len(frames) == 1 and found[0]:
        return _ordered(np.array(found), [f"number {place + 1}" for place in range(len(found[0]))])
    shown = ", ".join(repr(text) for text in list(dict.fromkeys(texts))[:3])
    raise TableError(
        f"{path}: {column}: found {shown}, expected equally many digits, equally many numbers with the same between "
        f"them, or architectures' codes"
    )


def _architectures(path: Path, column: str, codes: list[str]) -> tuple[Vectors, list[str], list[NDArray[np.float64]]]:
    """Coordinates of networks in this project's codes; a block that a network does not have is 0 in all of its choices.

    Blocks are aligned at the end of their stage. Where the blocks of a stage are always alike in something, that is one
    coordinate, and so is their number.
    """
    faults, networks = [], []
    for line, code in enumerate(codes):
        try:
            networks.append(parse_architecture(code))
        except CaffeError as error:
            faults.append(f"line {line + 2}: {error}")
    if faults:
        raise TableError(f"{path}: {column}: {len(faults)} codes are none of ours: {'; '.join(faults[:3])}")
    backbones = [net.backbone if isinstance(net, Decoder) else net for net in networks]
    if len({len(backbone.stages) for backbone in backbones}) > 1:
        raise TableError(f"{path}: {column}: found networks of different numbers of stages, expected the same")
    columns: dict[str, list[float]] = {}
    for place in range(max(len(backbone.stem) for backbone in backbones)):
        columns[f"stem {place + 1}"] = [
            backbone.stem[place] if place < len(backbone.stem) else 0 for backbone in backbones
        ]
    for stage in range(len(backbones[0].stages)):
        columns.update(_stage_columns(f"stage {stage + 1}", [backbone.stages[stage] for backbone in backbones]))
    columns["head"] = [backbone.head or 0 for backbone in backbones]
    if any(isinstance(net, Decoder) for net in networks):
        for place in range(3):
            columns[f"decoder {place + 1}"] = [
                net.channels[place] if isinstance(net, Decoder) and place < len(net.channels) else 0 for net in networks
            ]
    return _ordered(np.array(list(columns.values())).T, list(columns))


def _stage_columns(name: str, stages: list) -> dict[str, list[float]]:
    attributes = {
        "width": lambda stage, place: stage.widths[place],
        "kernel": lambda stage, place: stage.units[place].kernel if stage.units else 0,
        "expansion": lambda stage, place: stage.units[place].expansion if stage.units else 0,
        "inner": lambda stage, place: stage.units[place].inner if stage.units else 0,
        "squeeze": lambda stage, place: float(stage.units[place].squeeze) if stage.units else 0,
    }
    most = max(len(stage.widths) for stage in stages)
    columns: dict[str, list[float]] = {f"{name} blocks": [len(stage.widths) for stage in stages]}
    for attribute, of in attributes.items():
        values = [[float(of(stage, place)) for place in range(len(stage.widths))] for stage in stages]
        if all(len(set(each)) == 1 for each in values):
            columns[f"{name} {attribute}"] = [each[0] for each in values]
            continue
        # Blocks that differ say by themselves how many they are.
        columns.pop(f"{name} blocks", None)
        for place in range(most):
            slots = [[0.0] * (most - len(each)) + each for each in values]
            columns[f"{name} {attribute} {place + 1}"] = [each[place] for each in slots]
    return columns


def _ordered(
    values: NDArray[np.float64], names: list[str], *, counted: bool = False
) -> tuple[Vectors, list[str], list[NDArray[np.float64]]]:
    """Values as ordered coordinates with heights; columns with one value alone are left out.

    Positive values are as high as their logarithm says, and 0 lies one doubling below the least of them; `counted`
    ones, and those with negative numbers among them, are as high as they are.
    """
    vectors, kept, heights = [], [], []
    for name, column in zip(names, values.T, strict=True):
        levels, places = np.unique(column, return_inverse=True)
        levels = levels[np.isfinite(levels)]
        if len(levels) < 2:
            continue
        if len(levels) > 255:
            raise TableError(f"choice {name}: found {len(levels):,} different values, expected at most 255")
        high = levels
        if not counted and levels[0] >= 0:
            positive = levels[levels > 0]
            low = [np.log2(positive[0]) - 1] if levels[0] == 0 else []
            high = np.concatenate([low, np.log2(positive)])
        vectors.append(places.reshape(-1))
        kept.append(name)
        heights.append((high - high[0]) / (high[-1] - high[0]))
    if not vectors:
        raise TableError("choices: found none with more than one value")
    return np.minimum(np.column_stack(vectors), 255).astype(np.uint8), kept, heights
