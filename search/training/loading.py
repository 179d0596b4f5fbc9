"""A dataset by its name: `digits` or `glyphs`, with the space and the schedule that suit it, or a folder.

A folder holds images, a sub-folder a class, or scenes, laid out as Cityscapes is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from prototxt_gen.errors import ArchitectureError
from search.training.dataset import Dataset
from search.training.digits import digits
from search.training.glyphs import glyphs
from search.training.image_folder import image_folder
from search.training.scenes import cityscapes
from search.training.schedule import Schedule


class Named(NamedTuple):
    """A dataset that needs no files: `make` takes (height, width).

    `space` is the code of a space whose networks suit it, `schedule` how one is trained in seconds on one thread.
    """

    make: Callable[[tuple[int, int]], Dataset]
    space: str
    schedule: Schedule


NAMED = {
    "digits": Named(digits, "s8-16_b1-3_b1-3_b1-3_w8-16-32-64-128_c10_i3x32x32", Schedule()),
    # Every glyph is another one, and one look at each teaches more than several looks at fewer. At twice this rate
    # narrow networks catch up in 250 steps, and a second block of a stage does harm.
    "glyphs": Named(
        glyphs,
        "s16_b1-3_b1-3_b1-2_w8-16-32-64_c34_i3x32x32",
        Schedule(epochs=1, batch_size=64, base_lr=0.05, channels_last=True),
    ),
}


def load_data(name: str, input_shape: Sequence[int]) -> Dataset:
    """One of NAMED, or the folder of that name, for networks of an input (1, 3, H, W).

    A folder with leftImg8bit/ and gtFine/ has scenes (see `cityscapes`), any other one images (see `image_folder`).
    ArchitectureError for an input of other than 3 channels: Caffe's ImageData gives 3 of every image, grey ones too.
    """
    if input_shape[1] != 3:
        raise ArchitectureError(
            f"input_shape {tuple(input_shape)}: found {input_shape[1]} channels, expected 3 (B, G, R)"
        )
    size = int(input_shape[2]), int(input_shape[3])
    if name in NAMED:
        return NAMED[name].make(size)
    return cityscapes(name, size) if is_scenes(name) else image_folder(name, size)


def is_scenes(name: str) -> bool:
    """Whether a folder is laid out as Cityscapes is."""
    return all((Path(name) / part).is_dir() for part in ("leftImg8bit", "gtFine"))
