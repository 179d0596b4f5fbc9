"""A dataset by its name: `digits`, or a folder of images."""

from __future__ import annotations

from collections.abc import Sequence

from prototxt_gen.errors import ArchitectureError
from search.training.dataset import Dataset
from search.training.digits import digits
from search.training.image_folder import image_folder


def load_data(name: str, input_shape: Sequence[int]) -> Dataset:
    """`digits`, or the folder of that name (see `image_folder`), for networks of an input (1, 3, H, W).

    ArchitectureError for an input of other than 3 channels: Caffe's ImageData gives 3 of every image, grey ones too.
    """
    if input_shape[1] != 3:
        raise ArchitectureError(
            f"input_shape {tuple(input_shape)}: found {input_shape[1]} channels, expected 3 (B, G, R)"
        )
    size = int(input_shape[2]), int(input_shape[3])
    return digits(size) if name == "digits" else image_folder(name, size)
