"""What another precision costs: the scores of two runs of one network on the same images, side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from caffe_zoo.cards import Preprocessing
from caffe_zoo.classification import blobs_of
from caffe_zoo.imagenet import Example
from caffe_zoo.models import Run
from caffe_zoo.segmentation import segment_by
from converters.cityscapes import Frame, class_scores, mean
from converters.labels import Ids, Pixels, read_classes
from prototxt_gen.errors import CaffeError


def _no_bar(count: int) -> None:
    """No bar."""


class Pair(NamedTuple):
    """One network in two precisions, the one to compare with first."""

    first: Run
    second: Run


@dataclass(frozen=True)
class AccuracyCost:
    """Top-1 and top-5 of both, and in how many images they agree; `names` are those of the precisions.

    `right` is by [right in the first][right in the second] the number of images; `same` counts those whose best class
    is the same, right or wrong.
    """

    names: tuple[str, str]
    right: NDArray[np.int64]
    top5: tuple[int, int]
    same: int

    @property
    def images(self) -> int:
        """How many there were."""
        return int(self.right.sum())

    @property
    def top1(self) -> tuple[float, float]:
        """The shares of images whose class is the best, in both precisions."""
        return float(self.right[1].sum() / self.images), float(self.right[:, 1].sum() / self.images)

    @property
    def by_chance(self) -> float:
        """A difference in top-1 up to this, a share of the images, may be chance.

        Twice the standard deviation of the difference, were each image that is right in one precision alone as likely
        to be so in the other (the test of McNemar).
        """
        return 2 * math.sqrt(int(self.right[0, 1] + self.right[1, 0])) / self.images

    def __str__(self) -> str:
        first, second = self.names
        top5 = tuple(hits / self.images for hits in self.top5)
        lost, won = int(self.right[1, 0]), int(self.right[0, 1])
        rows = [
            (name, f"{one:.2%}", f"{other:.2%}", f"{100 * (other - one):+.2f} points")
            for name, (one, other) in (("top-1 accuracy", self.top1), ("top-5 accuracy", top5))
        ]
        return "\n".join(
            [
                *_table(("", first, second, "difference"), rows),
                "",
                f"same best class: {self.same / self.images:.2%} of the images",
                f"right in {first} alone: {lost}; right in {second} alone: {won}; "
                f"a difference of {100 * self.by_chance:.2f} points may be chance",
            ]
        )


def accuracy_cost(
    pair: Pair,
    names: tuple[str, str],
    found: Sequence[Example],
    preprocessing: Preprocessing,
    batch: int = 32,
    done: Callable[[int], object] = _no_bar,
) -> AccuracyCost:
    """Runs both over the images, `batch` of them in memory at a time; `done` is called for each one.

    Of classes with equal scores the first counts as the best, as where a program on a device looks for the largest: in
    8 bits many are equal. Without equal scores that is the rule of `accuracy`.
    """
    right, top5, same = np.zeros((2, 2), np.int64), np.zeros(2, np.int64), 0
    examples = iter(found)
    for data in blobs_of((example.image for example in found), preprocessing, batch):
        both = [run(data).reshape(len(data), -1) for run in pair]
        for scores, others in zip(*both, strict=True):
            label = next(examples).label
            ranks = [_rank(row, label) for row in (scores, others)]
            right[int(ranks[0] == 0), int(ranks[1] == 0)] += 1
            top5 += [rank < 5 for rank in ranks]
            same += int(scores.argmax() == others.argmax())
            done(1)
    return AccuracyCost(names, right, (int(top5[0]), int(top5[1])), same)


@dataclass(frozen=True)
class IouCost:
    """The IoU of each class in each run, nan where there is none of it, and in which share of pixels the runs agree.

    `names` are those of the runs, `classes` those of the classes.
    """

    names: tuple[str, ...]
    classes: tuple[str, ...]
    scores: tuple[list[float], ...]
    images: int
    same: float

    @property
    def means(self) -> tuple[float, ...]:
        """The mean IoU of each run."""
        return tuple(mean(scores) for scores in self.scores)

    def __str__(self) -> str:
        """A table with a line for each class that occurs; of two runs with their difference."""
        lines, absent = [], []
        for name, *scores in zip((*self.classes, "mean IoU"), *((*one, mean(one)) for one in self.scores), strict=True):
            if any(math.isnan(score) for score in scores):
                absent.append(name)
                continue
            lines.append([name, *(f"{score:.2%}" for score in scores)])
            if len(scores) == 2:
                lines[-1].append(f"{100 * (scores[1] - scores[0]):+.2f} points")
        alone = len(self.names) == 1
        said = _table(["", *self.names, *([] if alone else ["difference"])], lines)
        if absent:
            said += ["", f"no pixels of: {', '.join(absent)}"]
        return "\n".join(said if alone else [*said, "", f"same class: {self.same:.2%} of the pixels"])


def iou_cost(
    pair: Pair,
    names: tuple[str, str],
    found: Sequence[Frame],
    preprocessing: Preprocessing,
    classes: Sequence[str],
    ids: Ids = "label",
    batch: int = 1,
    done: Callable[[int], object] = _no_bar,
) -> IouCost:
    """Runs both over the frames; IoU as Cityscapes' own script counts it. `ids` is what the values of labels are."""
    return _iou(pair, names, found, preprocessing, classes, ids, batch, done)


def iou(
    run: Run,
    found: Sequence[Frame],
    preprocessing: Preprocessing,
    classes: Sequence[str],
    batch: int = 1,
    done: Callable[[int], object] = _no_bar,
) -> IouCost:
    """The IoU of one run alone, over frames whose labels are the network's classes."""
    return _iou([run], ("IoU",), found, preprocessing, classes, "train", batch, done)


def _iou(
    runs: Sequence[Run],
    names: tuple[str, ...],
    found: Sequence[Frame],
    preprocessing: Preprocessing,
    classes: Sequence[str],
    ids: Ids,
    batch: int,
    done: Callable[[int], object],
) -> IouCost:
    counted, same, total = [Pixels(len(classes)) for _ in runs], 0, 0
    results = segment_by(runs, (frame.image for frame in found), preprocessing, batch)
    for frame, each in zip(found, results, strict=True):
        labels = read_classes(frame.labels, len(classes), ids)
        try:
            for pixels, result in zip(counted, each, strict=True):
                pixels.add(result.labels, labels)
        except CaffeError as fault:
            raise type(fault)(f"{frame.image}: {fault}") from fault
        same += int(np.count_nonzero(each[0].labels == each[-1].labels))
        total += each[0].labels.size
        done(1)
    scores = tuple(class_scores(pixels.counted) for pixels in counted)
    return IouCost(names, tuple(classes), scores, len(found), same / total)


def _rank(scores: NDArray[np.float32], label: int) -> int:
    """How many classes come before a label's, of equal ones those with smaller numbers."""
    return int(np.count_nonzero(scores > scores[label]) + np.count_nonzero(scores[:label] == scores[label]))


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table whose first column is text and the others numbers."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = []
    for first, *others in (heads, *rows):
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("   ".join([first.ljust(widths[0]), *cells]))
    return lines
