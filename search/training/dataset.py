"""What a dataset is, and how its images are preprocessed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, NamedTuple, Protocol, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image

from converters.images import as_data
from prototxt_gen.architectures.kinds import FAMILIES, IMAGE_SCALE
from prototxt_gen.errors import UnsupportedError
from search.training.augmentation import Augmentation, Box

#: What is subtracted unless something else is said. A search says what its networks' own data layers subtract.
MEAN_BGR = FAMILIES["df"].mean

# Which images, and random numbers for mirror and crop (None: the centre, unmirrored) -> (n, 3, H, W) float32.
Images: TypeAlias = Callable[[Sequence[int], "random.Random | None"], torch.Tensor]
# The same before preprocessing, augmented as asked -> RGB pixels (n, H, W, 3) uint8.
Pixels: TypeAlias = Callable[[Sequence[int], "random.Random | None", Augmentation], NDArray[np.uint8]]

NOTHING = Augmentation()


class Batch(NamedTuple):
    """Some examples: `inputs`, preprocessed (n, 3, H, W) float32 or RGB pixels (n, H, W, 3) uint8, and `targets`.

    Targets are tensors of one shape, stacked, or a list of those of each image.
    """

    inputs: torch.Tensor
    targets: torch.Tensor | list[torch.Tensor]

    def pinned(self) -> Batch:
        """In memory from which a GPU copies while it computes."""
        targets = self.targets if isinstance(self.targets, list) else self.targets.pin_memory()
        return Batch(self.inputs.pin_memory(), targets)


class Examples(Protocol):
    """Images for one purpose with what a network should say of them: how they are read, learned from and scored."""

    @property
    def at_once(self) -> int:
        """How many are run at once to measure accuracy; always the same, since sums may round differently in others."""

    @property
    def per_pixel(self) -> bool:
        """Whether each pixel has a class, and not the whole image."""

    @property
    def mean(self) -> Sequence[float]:
        """What is subtracted from pixels: B, G, R."""

    def with_mean(self, mean: Sequence[float]) -> Examples:
        """The same with another mean."""

    def __len__(self) -> int:
        """How many there are."""

    def some(self, indices: Sequence[int]) -> Examples:
        """These of them alone, in this order."""

    def read(self, indices: Sequence[int], rng: random.Random | None, augmentation: Augmentation) -> Batch:
        """These examples; without random numbers as they are measured, unchanged."""

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor, smoothing: float) -> torch.Tensor:
        """The loss of a network's outputs, float32, with its labels smoothed; one number."""

    def score(self, results: Iterable[tuple[torch.Tensor, torch.Tensor | list[torch.Tensor]]]) -> float:
        """The accuracy in 0..1 of batches of outputs and targets, read without random numbers."""


@dataclass(frozen=True)
class Split:
    """Images with one label each: labels (n,) int64, and a function that gives some of them, preprocessed.

    `pixels` gives them before preprocessing, for other augmentation than the plain one and for devices that preprocess
    faster. `mean` (B, G, R) is what `images` has subtracted and what is to be subtracted from `pixels`.
    """

    labels: torch.Tensor
    images: Images
    pixels: Pixels | None = None
    mean: tuple[float, ...] = MEAN_BGR

    at_once: ClassVar[int] = 100
    per_pixel: ClassVar[bool] = False

    def __len__(self) -> int:
        return len(self.labels)

    def some(self, indices: Sequence[int]) -> Split:
        kept = list(indices)
        pixels = self.pixels and partial(_pixels_of, self.pixels, kept)
        return replace(self, labels=self.labels[kept], images=partial(_images_of, self.images, kept), pixels=pixels)

    def with_mean(self, mean: Sequence[float]) -> Split:
        if tuple(mean) == self.mean:
            return self
        offset = torch.tensor(self.mean, dtype=torch.float64) - torch.tensor(mean, dtype=torch.float64)
        moved = partial(_moved, self.images, (offset * IMAGE_SCALE).float().view(1, 3, 1, 1))
        return replace(self, images=moved, mean=tuple(mean))

    def read(self, indices: Sequence[int], rng: random.Random | None, augmentation: Augmentation) -> Batch:
        """UnsupportedError where images are asked for augmented, which are at hand preprocessed alone."""
        labels = self.labels[list(indices)]
        if self.pixels is not None:
            return Batch(torch.from_numpy(self.pixels(indices, rng, augmentation)), labels)
        if (augmentation.least_area, augmentation.jitter) != (NOTHING.least_area, NOTHING.jitter):
            raise UnsupportedError(
                "these images are at hand preprocessed and cannot be cropped or coloured at random: "
                f"found least_area {augmentation.least_area}, jitter {augmentation.jitter}, expected None and 0"
            )
        return Batch(self.images(indices, rng), labels)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor, smoothing: float) -> torch.Tensor:
        return F.cross_entropy(outputs, targets, label_smoothing=smoothing)

    def score(self, results: Iterable[tuple[torch.Tensor, torch.Tensor | list[torch.Tensor]]]) -> float:
        """The share of images whose highest output is their label's."""
        right = 0
        for outputs, targets in results:
            assert isinstance(targets, torch.Tensor)  # as `read` gives them
            right += int((outputs.argmax(dim=1).cpu() == targets).sum())
        return right / len(self.labels)


@dataclass(frozen=True)
class Dataset:
    """The images to train on, and those held out to measure accuracy.

    `identity` tells two datasets apart, by the size of the images and the names of all files. `mirrored` says that a
    mirror image belongs to the same class, so that training mirrors images at random.
    """

    identity: str
    classes: tuple[str, ...]
    train: Examples
    held_out: Examples
    mirrored: bool = False

    def with_mean(self, mean: Sequence[float]) -> Dataset:
        """The same images less another mean (B, G, R): networks of some families take others (see kinds.py)."""
        return replace(self, train=self.train.with_mean(mean), held_out=self.held_out.with_mean(mean))


def preprocess(pixels: NDArray[np.uint8], mean: Sequence[float] = MEAN_BGR) -> torch.Tensor:
    """RGB pixels (n, H, W, 3) as the train_val networks' data layers give them: (n, 3, H, W) float32."""
    return torch.from_numpy(as_data(pixels, mean, IMAGE_SCALE))


def _images_of(images: Images, kept: list[int], indices: Sequence[int], rng: random.Random | None) -> torch.Tensor:
    return images([kept[index] for index in indices], rng)


def _pixels_of(
    pixels: Pixels, kept: list[int], indices: Sequence[int], rng: random.Random | None, augmentation: Augmentation
) -> NDArray[np.uint8]:
    return pixels([kept[index] for index in indices], rng, augmentation)


def _moved(images: Images, offset: torch.Tensor, indices: Sequence[int], rng: random.Random | None) -> torch.Tensor:
    return images(indices, rng) + offset


def on_device(inputs: torch.Tensor, mean: Sequence[float], device: str, layout: torch.memory_format) -> torch.Tensor:
    """A batch's inputs as a network on the device takes them: `preprocess` of pixels, the same to the last bit."""
    moved = inputs.to(device, non_blocking=True)
    if moved.dtype == torch.uint8:
        blue_first = moved.flip(-1).permute(0, 3, 1, 2).to(torch.float32, memory_format=layout)
        return blue_first.sub_(torch.tensor(mean, device=device).view(1, 3, 1, 1)).mul_(IMAGE_SCALE)
    return moved.contiguous(memory_format=layout)


def resized(image: Image.Image, size: tuple[int, int], box: Box | None = None) -> NDArray[np.uint8]:
    """RGB pixels (height, width, 3) of an image, or of a part of it, brought to `size` (width, height)."""
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR, box))


class Divided(NamedTuple):
    """Images that train a supernet's weights, those held out, and of the first some for batch norm's statistics."""

    trained: Examples
    held: Examples
    statistics: Examples


def divide(examples: Examples, name: str, held: int, batch_size: int, statistics: int) -> Divided:
    """Holds out so many of the examples, drawn by `name`; of the others, `statistics` come in whole batches."""
    count = len(examples)
    drawn = random.Random(name).sample(range(count), count)
    trained = drawn[held:]
    # As drawn: the images of a folder lie class behind class, and batch norm should see a mixture.
    # Whole batches: a last one of a single image may have no variance.
    size = max(1, min(batch_size, len(trained)))
    mixed = trained[: max(size, statistics // size * size)]
    return Divided(*(examples.some(chosen) for chosen in (sorted(trained), sorted(drawn[:held]), mixed)))
