"""What a dataset is, and how its images are preprocessed."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from converters.images import as_data
from prototxt_gen.architectures.kinds import FAMILIES, IMAGE_SCALE

# The networks of a search are of the DF family, and so is what their generated data layers do to an image.
MEAN_BGR = FAMILIES["df"].mean

# Which images, and random numbers for mirror and crop (None: the centre, unmirrored) -> (n, 3, H, W) float32.
Images: TypeAlias = Callable[[Sequence[int], "random.Random | None"], torch.Tensor]


@dataclass(frozen=True)
class Split:
    """Images for one purpose: their labels (n,) int64, and a function that gives some of them, preprocessed."""

    labels: torch.Tensor
    images: Images


@dataclass(frozen=True)
class Dataset:
    """The images to train on, and those held out to measure accuracy.

    `identity` tells two datasets apart, by the size of the images and the names of all files. `mirrored` says that a
    mirror image belongs to the same class, so that training mirrors images at random.
    """

    identity: str
    classes: tuple[str, ...]
    train: Split
    held_out: Split
    mirrored: bool = False


def preprocess(pixels: NDArray[np.uint8]) -> torch.Tensor:
    """RGB pixels (n, H, W, 3) as the train_val networks' data layers give them: (n, 3, H, W) float32."""
    return torch.from_numpy(as_data(pixels, MEAN_BGR, IMAGE_SCALE))


def resized(image: Image.Image, size: tuple[int, int]) -> NDArray[np.uint8]:
    """RGB pixels (height, width, 3) of an image brought to `size` (width, height)."""
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR))
