"""ImageNet: its folders, and top-1 and top-5 accuracy."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from caffe_zoo.cards import Preprocessing
from caffe_zoo.classification import scores_of
from caffe_zoo.models import Run
from converters.images import SUFFIXES
from prototxt_gen.errors import FileError, FormatError
from prototxt_gen.files import read_bytes


class Example(NamedTuple):
    """An image and the number of its class."""

    image: Path
    label: int


class Accuracy(NamedTuple):
    """Shares of the images whose class is the best, or among the five best."""

    top1: float
    top5: float
    images: int

    def __str__(self) -> str:
        """As `caffe test` prints them."""
        return f"accuracy/top-1 = {self.top1:.6g}\naccuracy/top-5 = {self.top5:.6g}"


def examples(
    root: str | os.PathLike[str], classes: int = 1000, listed: str | os.PathLike[str] | None = None
) -> list[Example]:
    """The validation images with their classes, from one of the usual layouts.

    - `root/val/<class>/...` or `root/<class>/...`: classes are numbered in the order of the folders' names, as the
      synsets of ImageNet are;
    - a text file `listed`, or else `root/val.txt`, as Caffe's ImageData takes them: on each line the name of an image,
       in `root/val` or `root`, and the number of its class.

    FileError for what is missing, FormatError for classes that are not 0 to `classes` - 1.
    """
    base = Path(root)
    if not base.is_dir():
        raise FileError(f"{base}: no such folder")
    images = base / "val" if (base / "val").is_dir() else base
    source = Path(listed) if listed is not None else base / "val.txt"
    if listed is not None or source.is_file():
        return _listed(source, images, classes)
    folders = sorted(path for path in images.iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(folders) != classes:
        raise FormatError(
            f"{images}: found {len(folders)} sub-folders and no val.txt beside them, expected {classes}: "
            "one for each class, or a list of the images"
        )
    found = [
        Example(path, label)
        for label, folder in enumerate(folders)
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in SUFFIXES
    ]
    if not found:
        raise FormatError(f"{images}: found no image ({', '.join(SUFFIXES)})")
    return found


def accuracy(
    run: Run,
    found: Sequence[Example],
    preprocessing: Preprocessing,
    batch: int = 32,
    done: Callable[[int], object] = lambda count: None,
) -> Accuracy:
    """Top-1 and top-5 accuracy over the images, `batch` of them in memory at a time; `done` is called for each one.

    As Caffe counts (accuracy_layer.cpp): a class with the same score as the label ranks before it.
    """
    hits = np.zeros(2, np.int64)
    scores = scores_of(run, (example.image for example in found), preprocessing, batch)
    for example, row in zip(found, scores, strict=True):
        rank = int(np.count_nonzero(row >= row[example.label])) - 1
        hits += rank < np.array([1, 5])
        done(1)
    top1, top5 = (hits / len(found)).tolist()
    return Accuracy(top1, top5, len(found))


def _listed(source: Path, images: Path, classes: int) -> list[Example]:
    found = []
    for number, line in enumerate(read_bytes(source).decode("utf-8", "replace").splitlines(), 1):
        if not line.strip():
            continue
        name, _, label = line.strip().rpartition(" ")
        if not name or not label.isdecimal() or int(label) >= classes:
            raise FormatError(f"{source}: line {number}: found {line!r}, expected an image and 0 to {classes - 1}")
        found.append(Example(images / name.strip(), int(label)))
    if not found:
        raise FormatError(f"{source}: found no image")
    return found
