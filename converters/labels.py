"""Label maps that Caffe trains segmentation networks with: a class for each pixel of the scores, never interpolated."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from converters.cityscapes import CLASSES, LABELS, read_ids
from prototxt_gen.errors import CaffeError, FormatError

#: What the values of a label file are: Cityscapes' label ids (its own files _labelIds.png), or the network's classes.
Ids: TypeAlias = Literal["label", "train"]

#: The value of pixels to ignore; the loss of our networks has it as ignore_label.
IGNORED = 255


class Pixels:
    """Pixels by their class and what a network took them for, [class, prediction]; ignored ones do not count."""

    def __init__(self, classes: int) -> None:
        self.counted: NDArray[np.int64] = np.zeros((classes, classes), np.int64)

    def add(self, predicted: NDArray[np.integer], labels: NDArray[np.uint8]) -> None:
        """Counts one image, both arrays (H, W): a network's classes, and `read_classes` of its label file.

        FormatError for another size.
        """
        if predicted.shape != labels.shape:
            raise FormatError(f"prediction: found {predicted.shape}, expected the size of the labels, {labels.shape}")
        known = labels != IGNORED
        pairs = labels[known].astype(np.int64) * len(self.counted) + predicted[known]
        self.counted += np.bincount(pairs, minlength=self.counted.size).reshape(self.counted.shape)


class LabelMap(NamedTuple):
    """Classes (H, W) uint8, with IGNORED for pixels to ignore, and the (height, width) of the file they come from."""

    classes: NDArray[np.uint8]
    source_size: tuple[int, int]


def label_map(
    path: str | os.PathLike[str], size: tuple[int, int], classes: int = len(CLASSES), ids: Ids = "label"
) -> LabelMap:
    """The classes at the pixels of a score map of `size` (height, width), from a label file of the whole image.

    Score (y, x) lies at the middle of its share of the image, as in the decoders' bilinear deconvolutions: row (y +
    0.5) * H / height, and so with columns. The label of that pixel is taken. FormatError names the first value of the
    file, sampled or not, that has no meaning, and its place.
    """
    found = read_classes(path, classes, ids)
    height, width = found.shape
    rows, columns = (centres(made, given) for made, given in zip(size, (height, width), strict=True))
    return LabelMap(found[np.ix_(rows, columns)], (height, width))


def read_classes(path: str | os.PathLike[str], classes: int = len(CLASSES), ids: Ids = "label") -> NDArray[np.uint8]:
    """The class of every pixel of a label file, (H, W), with IGNORED for pixels to ignore.

    FormatError names the first value that has no meaning, and its place.
    """
    known = _known(classes, ids)
    values = read_ids(Path(path), 65535)
    if values.dtype != np.uint8:
        # What a byte cannot hold has no meaning; it is named below with all other values.
        values, whole = np.minimum(values, IGNORED).astype(np.uint8), values
    else:
        whole = values
    wrong = (known < 0)[values] | (whole > IGNORED)
    if wrong.any():
        row, column = np.unravel_index(int(wrong.argmax()), wrong.shape)
        expected = f"a label id 0 to {len(LABELS) - 1}" if ids == "label" else f"a class 0 to {classes - 1}"
        raise FormatError(
            f"{os.fspath(path)}: found {whole[row, column]} at row {row}, column {column}, "
            f"expected {expected}, or {IGNORED} for pixels to ignore"
        )
    return known.astype(np.uint8)[values]


def centres(made: int, given: int) -> NDArray[np.int64]:
    """Of `given` pixels side by side, those in the middle of `made` equal shares."""
    return (2 * np.arange(made, dtype=np.int64) + 1) * given // (2 * made)


def _known(classes: int, ids: Ids) -> NDArray[np.int64]:
    """The class of every value of a file; IGNORED, or -1 where the value has no meaning."""
    if ids == "label" and classes != len(CLASSES):
        raise CaffeError(
            f"label ids are Cityscapes', which has {len(CLASSES)} classes; this network has {classes}: "
            "give files whose values are its classes (--ids train)"
        )
    if classes > IGNORED:
        raise CaffeError(f"label maps hold at most {IGNORED} classes, found {classes}")
    known = np.full(IGNORED + 1, -1)
    known[IGNORED] = IGNORED
    if ids == "train":
        known[:classes] = np.arange(classes)
    else:
        known[: len(LABELS)] = [IGNORED if label.train_id is None else label.train_id for label in LABELS]
    return known
