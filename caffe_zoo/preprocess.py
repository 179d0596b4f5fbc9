"""From an image to a network's data blob, as its card says."""

from __future__ import annotations

import os
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from caffe_zoo.cards import Preprocessing
from converters.images import as_data, as_rgb, read_image
from prototxt_gen.errors import ArchitectureError, FormatError

#: A file's path, an image of Pillow, or RGB pixels (H, W, 3) uint8.
Picture: TypeAlias = "str | os.PathLike[str] | Image.Image | NDArray[np.uint8]"

_FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "nearest": Image.Resampling.NEAREST,
}


def preprocess(picture: Picture, preprocessing: Preprocessing, resize: bool = True) -> NDArray[np.float32]:
    """The data blob (1, 3, H, W) of a picture; H and W are the card's `crop`.

    Files are read by `read_image`: turned as their EXIF says, greys and palettes as colours, without transparency.
    Pillow shrinks with a filter as wide as the reduction, OpenCV's resize does not: where numbers must be equal to
    those of another program, hand over images of the network's own size. With resize=False a picture of another size
    is a FormatError, even where the card would only crop it.
    """
    return as_data(pixels(picture, preprocessing, resize)[None], _mean(preprocessing), preprocessing.scale)


def pixels(picture: Picture, preprocessing: Preprocessing, resize: bool = True) -> NDArray[np.uint8]:
    """The resized and cropped RGB pixels (H, W, 3), before `preprocess` subtracts the mean."""
    image = open_picture(picture)
    height, width = preprocessing.crop
    if image.size == (width, height):
        return np.asarray(image)
    if not resize:
        raise wrong_size(picture, image, preprocessing)
    shorter = preprocessing.resize_shorter
    if shorter is None:
        return _resized(image, (width, height), preprocessing)
    if shorter < max(height, width):
        raise ArchitectureError(f"a centre of {height}x{width} cannot be cut out of a shorter side of {shorter}")
    factor = shorter / min(image.size)
    size = max(shorter, round(image.width * factor)), max(shorter, round(image.height * factor))
    fitted = np.asarray(image) if image.size == size else _resized(image, size, preprocessing)
    # Caffe: data_transformer.cpp: h_off = (img_height - crop_size) / 2, in whole pixels.
    top, left = (size[1] - height) // 2, (size[0] - width) // 2
    return fitted[top : top + height, left : left + width]


def wrong_size(picture: Picture, image: Image.Image, preprocessing: Preprocessing) -> FormatError:
    """The message for a picture that must not be resized and has another size than the network takes."""
    height, width = preprocessing.crop
    return FormatError(
        f"{name_of(picture)}: found an image of {image.height}x{image.width}, expected {height}x{width} "
        "(height x width), since resizing is switched off"
    )


def open_picture(picture: Picture) -> Image.Image:
    """The picture as an RGB image. FormatError for an array that is not an image."""
    if isinstance(picture, Image.Image):
        if 0 in picture.size:
            raise FormatError(f"{name_of(picture)}: found an image of {picture.height}x{picture.width}, without pixels")
        return as_rgb(picture, name_of(picture))
    if isinstance(picture, (str, os.PathLike)):
        return read_image(picture)
    array = np.asarray(picture)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise FormatError(f"image: found an array {array.shape} of {array.dtype}, expected RGB (H, W, 3) of uint8")
    return Image.fromarray(array)


def name_of(picture: Picture) -> str:
    """The picture's name in a message: its path where it has one."""
    if isinstance(picture, (str, os.PathLike)):
        return os.fspath(picture)
    return str(getattr(picture, "filename", "") or "image")


def _mean(preprocessing: Preprocessing) -> tuple[float, ...]:
    if preprocessing.channels != "BGR" or len(preprocessing.mean) != 3:
        raise ArchitectureError(
            f"preprocessing: found channels {preprocessing.channels} and mean {preprocessing.mean}, expected BGR "
            "and three numbers"
        )
    return preprocessing.mean


def _resized(image: Image.Image, size: tuple[int, int], preprocessing: Preprocessing) -> NDArray[np.uint8]:
    if preprocessing.interpolation not in _FILTERS:
        raise ArchitectureError(
            f"interpolation: found {preprocessing.interpolation!r}, expected one of {', '.join(_FILTERS)}"
        )
    return np.asarray(image.resize(size, _FILTERS[preprocessing.interpolation]))
