"""Caffe's mean files, .binaryproto: one blob, the mean of the images that a network was trained on."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import ArrayLike

from converters.weights.blobs import Array, as_blob, blob_pieces, read_blob
from prototxt_gen.errors import WeightsError
from prototxt_gen.files import replacing
from prototxt_gen.wire import reading


def load_mean(path: str | os.PathLike[str]) -> Array:
    """The mean as float32 in the shape of the file: (1, channels, height, width), in the channel order of training."""
    with reading(path) as reader:
        return read_blob(reader, reader.size, "not a mean file")


def save_mean(mean: ArrayLike, path: str | os.PathLike[str]) -> None:
    """Writes a mean, (channels, height, width) or with a 1 in front, as Caffe's compute_image_mean.cpp does."""
    array = as_blob(mean, f"{os.fspath(path)}: mean")
    if array.ndim == 3:
        array = array[np.newaxis]
    if array.ndim != 4 or array.shape[0] != 1:
        text = "expected (channels, height, width) or (1, channels, height, width)"
        raise WeightsError(f"{os.fspath(path)}: mean: found shape {array.shape}, {text}")
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.writelines(blob_pieces(array))
