"""Results from elsewhere that a search begins with: a CSV, the folder or the database of an earlier search."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import NamedTuple

from prototxt_gen.architectures import parse_architecture
from prototxt_gen.errors import ArchitectureError, FileError, FormatError
from prototxt_gen.files import read_bytes
from search.study.folder import STUDY
from search.study.storage import finished_trainings

COLUMNS = ("architecture", "accuracy")


class KnownResult(NamedTuple):
    """One run of a network: its code, its accuracy in 0..1, and where that is from, in words.

    `data` is what it was measured on, as a `Dataset` says its identity, where that is known.
    """

    architecture: str
    accuracy: float
    source: str
    data: str | None = None


def read_known(path: str | os.PathLike[str]) -> list[KnownResult]:
    """The results in a file or folder, by its name: a CSV, or the folder of a search.

    A CSV has a line of titles with `architecture` (a code) and `accuracy` (0..1), in any order, other columns are
    left alone; several lines of one architecture are several runs. Of a folder, all trainings that came to an accuracy
    are taken. FileError when there is nothing, FormatError that lists all lines that cannot be read.
    """
    place = Path(path)
    if place.is_dir():
        return _of_folder(place)
    return _of_csv(place)


def _of_csv(path: Path) -> list[KnownResult]:
    try:
        text = read_bytes(path).decode("utf-8-sig")
        lines = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        titles = lines.fieldnames or []
        missing = [name for name in COLUMNS if name not in titles]
        if missing:
            raise FormatError(f"{path}: found columns {', '.join(titles) or 'none'}, expected {', '.join(COLUMNS)}")
        rows = list(lines)
    except (UnicodeDecodeError, csv.Error) as fault:
        raise FormatError(f"{path}: cannot be read as CSV: {fault}") from fault
    found, faults = [], []
    for number, row in enumerate(rows, 2):
        try:
            code = str(parse_architecture(row["architecture"] or ""))
            accuracy = float(row["accuracy"] or "")
        except (ArchitectureError, ValueError) as fault:
            faults.append(f"line {number}: {fault}")
            continue
        if not 0 <= accuracy <= 1:
            faults.append(f"line {number}: accuracy: found {row['accuracy']}, expected 0 to 1")
        else:
            found.append(KnownResult(code, accuracy, path.name))
    if faults:
        raise FormatError(f"{path}: {'; '.join(faults)}")
    return found


def _of_folder(folder: Path) -> list[KnownResult]:
    if not (folder / STUDY).is_file():
        raise FileError(f"{folder}: found no {STUDY}, expected the folder of a search")
    settings, finished = finished_trainings(folder / STUDY)
    source = f"{folder.resolve().name}, an earlier search"
    return [KnownResult(code, accuracy, source, settings.get("data")) for code, accuracy in finished]
