"""Scenes with a class for each pixel, in the folders of Cityscapes: to train decoders on, judged by mean IoU."""

from __future__ import annotations

import hashlib
import math
import os
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image

from converters.cityscapes import CLASSES, Frame, class_scores, frames, mean
from converters.images import read_image
from converters.labels import IGNORED, Ids, centres, read_classes
from prototxt_gen.architectures.kinds import FAMILIES
from prototxt_gen.errors import FormatError, TrainingError
from search.training.augmentation import Augmentation, jittered
from search.training.dataset import Batch, Dataset, resized

MEAN_BGR = FAMILIES["df"].scene_mean


def cityscapes(
    root: str | os.PathLike[str], size: tuple[int, int], classes: int = len(CLASSES), ids: Ids = "label"
) -> Dataset:
    """Scenes in the folders of Cityscapes, brought to `size` (height, width): train to train on, val held out.

    `root` has leftImg8bit/train, gtFine/train, and val beside them. With `ids` "label", the label files are Cityscapes'
    _gtFine_labelIds.png; with "train" they are _gtFine_labelTrainIds.png, of any number of classes, 255 for pixels to
    ignore. Training scales, crops and mirrors scenes as its schedule says. Accuracy is the mean IoU as Cityscapes' own
    script computes it: whole scenes resized to the input, scores enlarged to the size of the label file. FileError
    names a folder or a file that is missing, FormatError, when it is read, a file that is broken or holds ids of no
    class.
    """
    base = Path(root)
    parts = [frames(base, split, "labelIds" if ids == "label" else "labelTrainIds") for split in ("train", "val")]
    digest = hashlib.sha256()
    for frame in (frame for part in parts for frame in part):
        digest.update(f"{frame.image.relative_to(base).as_posix()}\n".encode("utf-8", "surrogateescape"))
    names = CLASSES if ids == "label" else tuple(map(str, range(classes)))
    train, held_out = (Scenes(tuple(part), size, classes, ids) for part in parts)
    identity = f"scenes {size[0]}x{size[1]} {ids} ids {digest.hexdigest()[:16]}"
    return Dataset(identity, names, train, held_out, mirrored=True)


@dataclass(frozen=True)
class Scenes:
    """Scenes and their label files, brought to `size` (height, width), of so many classes.

    `mean` (B, G, R) is what is to be subtracted from their pixels.
    """

    frames: tuple[Frame, ...] = field(repr=False)
    size: tuple[int, int]
    classes: int
    ids: Ids = "label"
    mean: tuple[float, ...] = MEAN_BGR

    # The scores of one are 160 MB at Cityscapes' own size.
    at_once: ClassVar[int] = 1
    per_pixel: ClassVar[bool] = True

    def __len__(self) -> int:
        return len(self.frames)

    def some(self, indices: Sequence[int]) -> Scenes:
        return replace(self, frames=tuple(self.frames[index] for index in indices))

    def with_mean(self, mean: Sequence[float]) -> Scenes:
        return replace(self, mean=tuple(mean))

    def read(self, indices: Sequence[int], rng: random.Random | None, augmentation: Augmentation) -> Batch:
        """To train, label maps (n, height, width) uint8 in the input's size; to measure, each in its file's own."""
        found = [self._read(self.frames[index], rng, augmentation) for index in indices]
        inputs = torch.from_numpy(np.stack([pixels for pixels, _ in found]))
        targets = [torch.from_numpy(labels.copy()) for _, labels in found]
        return Batch(inputs, targets if rng is None else torch.stack(targets))

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor, smoothing: float) -> torch.Tensor:
        """The mean over the pixels with a class, at the middle of each score's share of the image (see label_map)."""
        if outputs.shape[2:] != targets.shape[1:]:
            sizes = zip(outputs.shape[2:], targets.shape[1:], strict=True)
            rows, columns = (torch.from_numpy(centres(made, given)).to(targets.device) for made, given in sizes)
            targets = targets[:, rows][:, :, columns]
        # The mean over no pixel would be no number.
        known = (targets != IGNORED).sum().clamp(min=1)
        total = F.cross_entropy(
            outputs, targets.long(), ignore_index=IGNORED, label_smoothing=smoothing, reduction="sum"
        )
        return total / known

    def score(self, results: Iterable[tuple[torch.Tensor, torch.Tensor | list[torch.Tensor]]]) -> float:
        """The mean IoU over the classes that occur, all scenes' pixels counted together.

        TrainingError when no pixel of them has a class.
        """
        counted = torch.zeros(self.classes * self.classes, dtype=torch.int64)
        for outputs, targets in results:
            for scores, labels in zip(outputs, targets, strict=True):
                best = enlarged(scores[None], (labels.shape[0], labels.shape[1])).argmax(dim=1)[0]
                classes = labels.to(best.device).long()
                known = classes != IGNORED
                pairs = classes[known] * self.classes + best[known]
                counted += torch.bincount(pairs, minlength=self.classes**2).cpu()
        result = mean(class_scores(counted.view(self.classes, self.classes).numpy()))
        if math.isnan(result):
            raise TrainingError(f"{len(self)} held-out scenes: found no pixel with a class, expected some to score")
        return result

    def _read(
        self, frame: Frame, rng: random.Random | None, augmentation: Augmentation
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        image, labels = read_image(frame.image), read_classes(frame.labels, self.classes, self.ids)
        if labels.shape != (image.height, image.width):
            raise FormatError(
                f"{frame.labels}: found {labels.shape[0]}x{labels.shape[1]} labels, "
                f"expected {image.height}x{image.width}, the size of {frame.image}"
            )
        if rng is None:
            return resized(image, self.size[::-1]), labels
        least, most = augmentation.scales
        factor = math.exp(rng.uniform(math.log(least), math.log(most)))
        pixels, targets = scaled(image, labels, self.size, factor, rng.random(), rng.random(), self.mean)
        if rng.random() < 0.5 and augmentation.mirror:
            pixels, targets = pixels[:, ::-1], targets[:, ::-1]
        if augmentation.jitter:
            pixels = np.asarray(jittered(Image.fromarray(pixels), augmentation.jitter, rng))
        return pixels, targets


def scaled(
    image: Image.Image,
    labels: NDArray[np.uint8],
    size: tuple[int, int],
    factor: float,
    across: float,
    down: float,
    mean: Sequence[float] = MEAN_BGR,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A scene that fills `size` (height, width) `factor` times in each direction, and its labels, of that size.

    Where it is larger a part is cut out, where it is smaller it stands before the whole numbers nearest to `mean`
    (B, G, R), whose labels are IGNORED. `across` and `down` in 0..1 place either. Labels are the nearest ones, colours
    are interpolated.
    """
    height, width = size
    if factor >= 1:
        left, top = across * (image.width - image.width / factor), down * (image.height - image.height / factor)
        # Rounding may lead a hair's breadth out of the image.
        box = (left, top, min(left + image.width / factor, image.width), min(top + image.height / factor, image.height))
        nearest = Image.fromarray(labels).resize((width, height), Image.Resampling.NEAREST, box)
        return resized(image, (width, height), box), np.asarray(nearest)
    inner = max(1, round(width * factor)), max(1, round(height * factor))
    left, top = round(across * (width - inner[0])), round(down * (height - inner[1]))
    place = slice(top, top + inner[1]), slice(left, left + inner[0])
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[:] = [round(value) for value in reversed(mean)]
    pixels[place] = resized(image, inner)
    targets = np.full((height, width), IGNORED, np.uint8)
    targets[place] = np.asarray(Image.fromarray(labels).resize(inner, Image.Resampling.NEAREST))
    return pixels, targets


def enlarged(scores: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Scores (n, classes, h, w) at each pixel of (height, width), as the decoders' own deconvolutions enlarge them."""
    if tuple(scores.shape[2:]) == size:
        return scores
    return F.interpolate(scores, size, mode="bilinear", align_corners=False)
