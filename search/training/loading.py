"""A dataset by its name: `digits`, or a folder of images or of scenes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from prototxt_gen.errors import ArchitectureError
from search.training.dataset import Dataset
from search.training.digits import digits
from search.training.image_folder import image_folder
from search.training.scenes import cityscapes


def load_data(name: str, input_shape: Sequence[int]) -> Dataset:
    """`digits`, or the folder of that name, for networks of an input (1, 3, H, W).

    A folder with leftImg8bit/ and gtFine/ has scenes (see `cityscapes`), any other one images (see `image_folder`).
    ArchitectureError for an input of other than 3 channels: Caffe's ImageData gives 3 of every image, grey ones too.
    """
    if input_shape[1] != 3:
        raise ArchitectureError(
            f"input_shape {tuple(input_shape)}: found {input_shape[1]} channels, expected 3 (B, G, R)"
        )
    size = int(input_shape[2]), int(input_shape[3])
    if name == "digits":
        return digits(size)
    return cityscapes(name, size) if is_scenes(name) else image_folder(name, size)


def is_scenes(name: str) -> bool:
    """Whether a folder is laid out as Cityscapes is."""
    return all((Path(name) / part).is_dir() for part in ("leftImg8bit", "gtFine"))
