"""How images are changed at random before a network is trained on them: cropped, mirrored, scaled, coloured."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import NamedTuple

from PIL import Image, ImageEnhance

# Of a random crop's width by its height, before it is brought to the network's input.
NARROWEST, WIDEST = 3 / 4, 4 / 3
# How often a crop is drawn that fits into the image, before the largest one in its middle is taken.
DRAWS = 10

Box = tuple[float, float, float, float]


class Augmentation(NamedTuple):
    """What may happen to an image in training.

    `least_area`, in 0..1: a crop shows at least this share of the image, 0.08 for the usual random resized crop; None
    for crops of one size, 7/8 of the image fitted to the input. `jitter`, in 0..1: brightness, contrast and saturation
    are multiplied by factors between 1 less it and 1 plus it. `mirror` allows mirroring, of data that a mirror image
    belongs to. `scales` are the least and the greatest factor by which scenes for segmentation are enlarged.
    """

    least_area: float | None = None
    jitter: float = 0.0
    mirror: bool = True
    scales: tuple[float, float] = (0.5, 2.0)


def random_box(size: tuple[int, int], least_area: float, rng: random.Random) -> Box:
    """A part (left, top, right, bottom) of an image of `size` (width, height), of at least that share of its area.

    The share is drawn evenly, the logarithm of width by height too, between 3/4 and 4/3, then the place. Where nothing
    fits, the largest part in the middle with such sides is taken: torchvision, transforms.RandomResizedCrop.
    """
    width, height = size
    for _ in range(DRAWS):
        area = rng.uniform(least_area, 1.0) * width * height
        ratio = math.exp(rng.uniform(math.log(NARROWEST), math.log(WIDEST)))
        across, down = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < across <= width and 0 < down <= height:
            left, top = rng.randint(0, width - across), rng.randint(0, height - down)
            return left, top, left + across, top + down
    across = min(width, max(1, round(height * WIDEST)))
    down = min(height, max(1, round(width / NARROWEST)))
    left, top = (width - across) // 2, (height - down) // 2
    return left, top, left + across, top + down


def jittered(image: Image.Image, jitter: float, rng: random.Random) -> Image.Image:
    """An RGB image with other brightness, contrast and saturation, changed in any order: torchvision, ColorJitter."""
    changes: list[Callable[[Image.Image], ImageEnhance._Enhance]] = [
        ImageEnhance.Brightness,
        ImageEnhance.Contrast,
        ImageEnhance.Color,
    ]
    rng.shuffle(changes)
    for change in changes:
        image = change(image).enhance(rng.uniform(1 - jitter, 1 + jitter))
    return image
