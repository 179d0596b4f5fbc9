"""Cityscapes: its classes and colours, its folders, and its official scores."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan, nan
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from prototxt_gen.errors import FileError, FormatError


class Label(NamedTuple):
    """A label of the data set; its id is its place in LABELS. `train_id` is a network's class, None: ignored."""

    name: str
    train_id: int | None
    category: str
    colour: tuple[int, int, int]
    #: The mean size in pixels of an instance in the data set; 0 where there are no instances.
    instance_size: float = 0.0


# cityscapesScripts: helpers/labels.py and evaluation/evalPixelLevelSemanticLabeling.py.
LABELS = (
    Label("unlabeled", None, "void", (0, 0, 0)),
    Label("ego vehicle", None, "void", (0, 0, 0)),
    Label("rectification border", None, "void", (0, 0, 0)),
    Label("out of roi", None, "void", (0, 0, 0)),
    Label("static", None, "void", (0, 0, 0)),
    Label("dynamic", None, "void", (111, 74, 0)),
    Label("ground", None, "void", (81, 0, 81)),
    Label("road", 0, "flat", (128, 64, 128)),
    Label("sidewalk", 1, "flat", (244, 35, 232)),
    Label("parking", None, "flat", (250, 170, 160)),
    Label("rail track", None, "flat", (230, 150, 140)),
    Label("building", 2, "construction", (70, 70, 70)),
    Label("wall", 3, "construction", (102, 102, 156)),
    Label("fence", 4, "construction", (190, 153, 153)),
    Label("guard rail", None, "construction", (180, 165, 180)),
    Label("bridge", None, "construction", (150, 100, 100)),
    Label("tunnel", None, "construction", (150, 120, 90)),
    Label("pole", 5, "object", (153, 153, 153)),
    Label("polegroup", None, "object", (153, 153, 153)),
    Label("traffic light", 6, "object", (250, 170, 30)),
    Label("traffic sign", 7, "object", (220, 220, 0)),
    Label("vegetation", 8, "nature", (107, 142, 35)),
    Label("terrain", 9, "nature", (152, 251, 152)),
    Label("sky", 10, "sky", (70, 130, 180)),
    Label("person", 11, "human", (220, 20, 60), 3462.4756337644),
    Label("rider", 12, "human", (255, 0, 0), 3930.4788056518),
    Label("car", 13, "vehicle", (0, 0, 142), 12794.0202738185),
    Label("truck", 14, "vehicle", (0, 0, 70), 27855.1264367816),
    Label("bus", 15, "vehicle", (0, 60, 100), 35732.1511111111),
    Label("caravan", None, "vehicle", (0, 0, 90), 36771.8241758242),
    Label("trailer", None, "vehicle", (0, 0, 110), 16926.9763313609),
    Label("train", 16, "vehicle", (0, 80, 100), 67583.7075812274),
    Label("motorcycle", 17, "vehicle", (0, 0, 230), 6298.7200839748),
    Label("bicycle", 18, "vehicle", (119, 11, 32), 4672.3249222261),
)
#: In the order in which the release's logs print them.
CATEGORIES = ("flat", "nature", "object", "sky", "construction", "human", "vehicle")

_EVALUATED = [index for index, label in enumerate(LABELS) if label.train_id is not None]
#: Label ids by train id, that is by class of a network.
LABEL_IDS = tuple(_EVALUATED)
CLASSES = tuple(LABELS[index].name for index in _EVALUATED)
COLOURS = tuple(LABELS[index].colour for index in _EVALUATED)
#: Instance ids are 1000 times the label id plus a number; below that come regions without instances.
_INSTANCES = 1000


class Frame(NamedTuple):
    """The files of one image; `instances` is None where the data set has no instance ids."""

    image: Path
    labels: Path
    instances: Path | None


def frames(root: str | os.PathLike[str], split: str = "val", values: str = "labelIds") -> list[Frame]:
    """The images of a split with their labels, from the data set's own folders: leftImg8bit and gtFine.

    `values` ends the names of the label files: `labelIds`, or `labelTrainIds`, which cityscapesScripts makes. FileError
    names what is missing. Instance ids are used if every image has them.
    """
    images, labels = (Path(root) / part / split for part in ("leftImg8bit", "gtFine"))
    for folder in (images, labels):
        if not folder.is_dir():
            raise FileError(f"{folder}: no such folder; Cityscapes has leftImg8bit/{split} and gtFine/{split}")
    found = []
    for image in sorted(images.glob("*/*_leftImg8bit.png")):
        stem = labels / image.parent.name / image.name.removesuffix("leftImg8bit.png")
        label, instance = (stem.with_name(f"{stem.name}gtFine_{kind}.png") for kind in (values, "instanceIds"))
        if not label.is_file():
            raise FileError(f"{label}: no such file, expected the labels of {image}")
        found.append(Frame(image, label, instance if instance.is_file() else None))
    if not found:
        raise FileError(f"{images}: found no */*_leftImg8bit.png")
    if any(frame.instances is None for frame in found):
        found = [frame._replace(instances=None) for frame in found]
    return found


def read_ids(path: Path, largest: int) -> NDArray[np.integer]:
    """The ids (H, W) that an image of labels or instances holds, uint8 where the file has bytes, else int64.

    FormatError for anything but 0 to `largest`.
    """
    try:
        with Image.open(path) as image:
            ids = np.asarray(image)
    except FileNotFoundError as fault:
        raise FileError(f"{path}: cannot be read: {fault.strerror}") from fault
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as fault:
        raise FormatError(f"{path}: cannot be read as an image: {fault}") from fault
    if ids.ndim != 2:
        raise FormatError(f"{path}: found {ids.shape[-1]} channels, expected one channel of ids")
    if ids.dtype != np.uint8:
        ids = ids.astype(np.int64)
    if ids.min() < 0 or ids.max() > largest:
        raise FormatError(f"{path}: found ids of {ids.min()} to {ids.max()}, expected 0 to {largest}")
    return ids


@dataclass
class Scores:
    """What was counted so far: pixels by label and prediction, and how much of the instances was found.

    cityscapesScripts: evaluation/evalPixelLevelSemanticLabeling.py.
    """

    #: [label id, predicted label id] -> pixels.
    pixels: NDArray[np.int64] = field(default_factory=lambda: np.zeros((len(LABELS), len(LABELS)), np.int64))
    #: By class or category: pixels found and missed, each instance counting as much as one of mean size.
    found: dict[str, float] = field(default_factory=dict)
    missed: dict[str, float] = field(default_factory=dict)

    def add(
        self, predicted: NDArray[np.integer], labels: NDArray[np.integer], instances: NDArray[np.integer] | None = None
    ) -> None:
        """Counts one image, all arrays (H, W): classes 0 to 18 of a network, label ids, instance ids.

        FormatError for another size or class.
        """
        for name, other in (("prediction", predicted), ("instances", instances)):
            if other is not None and other.shape != labels.shape:
                raise FormatError(f"{name}: found {other.shape}, expected the size of the labels, {labels.shape}")
        if predicted.size and not 0 <= predicted.min() <= predicted.max() < len(LABEL_IDS):
            raise FormatError(f"prediction: found classes up to {predicted.max()}, expected 0 to {len(LABEL_IDS) - 1}")
        ids = np.asarray(LABEL_IDS)[predicted]
        flat = labels.astype(np.int64).ravel() * len(LABELS) + ids.ravel()
        self.pixels += np.bincount(flat, minlength=self.pixels.size).reshape(self.pixels.shape)
        if instances is None:
            return
        if not self.found:
            countable = [label for label in LABELS if label.train_id is not None and label.instance_size]
            self.found = {name: 0.0 for label in countable for name in (label.name, label.category)}
            self.missed = dict(self.found)
        for instance in np.unique(instances[instances > _INSTANCES]):
            label = LABELS[int(instance) // _INSTANCES]
            if label.train_id is None or not label.instance_size:
                continue
            inside = ids[instances == instance]
            weight = label.instance_size / inside.size
            alike = [index for index, other in enumerate(LABELS) if other.category == label.category]
            for name, right in (
                (label.name, inside == LABEL_IDS[label.train_id]),
                (label.category, np.isin(inside, alike)),
            ):
                hits = int(np.count_nonzero(right))
                self.found[name] += hits * weight
                self.missed[name] += (inside.size - hits) * weight

    def classes(self) -> dict[str, tuple[float, float]]:
        """(IoU, instance-weighted IoU) by class; nan where there is nothing to score."""
        return {LABELS[index].name: self._scores(LABELS[index].name, [index], [index]) for index in _EVALUATED}

    def categories(self) -> dict[str, tuple[float, float]]:
        """(IoU, instance-weighted IoU) by category; nan where there is nothing to score."""
        scores = {}
        for category in CATEGORIES:
            members = [index for index, label in enumerate(LABELS) if label.category == category]
            scores[category] = self._scores(category, [i for i in members if i in _EVALUATED], members)
        return scores

    def _scores(self, name: str, members: list[int], columns: list[int]) -> tuple[float, float]:
        # Pixels of ignored labels never count against a prediction.
        others = [index for index in _EVALUATED if index not in members]
        iou = intersection_over_union(self.pixels, members, others)
        if name not in self.found:
            return iou, nan
        wrong = int(self.pixels[np.ix_(others, columns)].sum())
        return iou, _ratio(self.found[name], self.found[name] + self.missed[name] + wrong)

    def __str__(self) -> str:
        """The tables that Cityscapes' own script prints, as a terminal shows them."""
        total = max(int(self.pixels.sum()), 1)
        priors = self.pixels.sum(1) / total
        shares = self.pixels / np.maximum(self.pixels.sum(1, keepdims=True), 1)
        lines = [
            *matrix_table(shares, priors),
            "",
            *score_table("classes", self.classes()),
            "",
            "",
            *score_table("categories", self.categories()),
        ]
        return "\n".join(lines)


def intersection_over_union(pixels: NDArray[np.int64], members: Sequence[int], others: Sequence[int]) -> float:
    """The IoU of a class, or of several taken for one, from pixels [true, predicted]; nan where there are none of it.

    `members` are the class's own numbers, `others` those of all other classes that are evaluated.
    """
    right = int(pixels[np.ix_(members, members)].sum())
    missed = int(pixels[members].sum()) - right
    wrong = int(pixels[np.ix_(others, members)].sum())
    return _ratio(right, right + missed + wrong)


def class_scores(pixels: NDArray[np.int64]) -> list[float]:
    """The IoU of each class from pixels [true class, predicted class] (n, n), ignored ones left out; nan for absent."""
    every = range(len(pixels))
    return [intersection_over_union(pixels, [one], [other for other in every if other != one]) for one in every]


def mean(scores: Iterable[float]) -> float:
    """The mean of the scores that are numbers."""
    valid = [score for score in scores if not isnan(score)]
    return sum(valid) / len(valid) if valid else nan


def matrix_table(shares: NDArray[np.floating], priors: Sequence[float] | NDArray[np.floating]) -> list[str]:
    """Lines of a matrix [label id, predicted id]: which share of a label's pixels was predicted as what."""
    rule = " ".join(["-" * 14, *["-" * 6] * len(LABELS), "-" * 7])
    heads = [f"{label.name[0]:^5} " for label in LABELS]
    lines = [rule, "|".join([" " * 14, *heads, " Prior |"]), rule]
    for label, row, prior in zip(LABELS, shares, priors, strict=True):
        if prior >= 1e-9:  # only labels that occur
            lines.append(f"{label.name[:13]:>13} |" + " ".join(f"{share:5.2f} " for share in row) + f" {prior:6.4f}")
    return [*lines, rule]


def score_table(title: str, scores: Mapping[str, tuple[float, float]]) -> list[str]:
    """Lines of IoU and instance-weighted IoU, and their means."""
    rule = "-" * 32
    rows = [f"{name:<14}: {iou:5.3f}    {weighted:5.3f}" for name, (iou, weighted) in scores.items()]
    means = "    ".join(f"{mean(column):5.3f}" for column in zip(*scores.values(), strict=True))
    return [f"{title:<17}IoU      nIoU", rule, *rows, rule, f"Score Average : {means}", rule]


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else nan
