"""Caffe's mean files, .binaryproto: one blob, the mean of the images that a network was trained on."""

from __future__ import annotations

import os

from numpy.typing import ArrayLike

from converters.blobs import Array, as_blob, blob_pieces, read_blob
from prototxt_gen import wire
from prototxt_gen.errors import WeightsError
from prototxt_gen.files import replacing


def load_mean(path: str | os.PathLike[str]) -> Array:
    """The mean as float32 in the shape of the file: (1, channels, height, width), in the channel order of training."""
    with wire.reading(path) as reader:
        return read_blob(reader, reader.size, "not a mean file")


def save_mean(mean: ArrayLike, path: str | os.PathLike[str]) -> None:
    """Writes a mean, (channels, height, width) or with a 1 in front, as Caffe's compute_image_mean.cpp does."""
    array = as_blob(mean, f"{os.fspath(path)}: mean")
    sizes = (1, *array.shape) if array.ndim == 3 else array.shape
    if len(sizes) != 4 or sizes[0] != 1:
        text = "expected (channels, height, width) or (1, channels, height, width)"
        raise WeightsError(f"{os.fspath(path)}: mean: found shape {array.shape}, {text}")
    with replacing(path) as temporary, temporary.open("wb") as file:
        for number, size in enumerate(sizes, 1):
            file.write(wire.varint(number << 3 | wire.VARINT) + wire.varint(size))
        data, numbers, _ = blob_pieces(array)  # without `shape`, which older readers of means do not know
        file.write(data)
        file.write(numbers)
