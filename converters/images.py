"""Image files to the numbers that Caffe's networks take."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from prototxt_gen.errors import FileError, FormatError

#: Files that count as images in a folder.
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


def read_image(path: str | os.PathLike[str]) -> Image.Image:
    """An image as RGB: turned as its EXIF data say, then made RGB by `as_rgb`.

    FileError when there is no such file; FormatError names a file that is not an image, is broken, or has
    pixels that are not grey levels.
    """
    name = os.fspath(path)
    try:
        with Image.open(path) as opened:
            return as_rgb(ImageOps.exif_transpose(opened), name)
    except FormatError:
        raise
    except (FileNotFoundError, IsADirectoryError, PermissionError) as fault:
        raise FileError(f"{name}: cannot be read: {fault.strerror}") from fault
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as fault:
        raise FormatError(f"{name}: cannot be read as an image: {fault}") from fault


def as_rgb(image: Image.Image, name: str = "image") -> Image.Image:
    """Any image of Pillow as RGB: 16-bit greys reduced to 8, palettes looked up, transparency dropped.

    FormatError for pixels that are not grey levels; its message begins with `name`.
    """
    if image.mode == "F":
        raise FormatError(f"{name}: found floating-point pixels, expected 8 or 16 bits a channel")
    if image.mode.startswith("I"):
        greys = np.asarray(image)
        if greys.min() < 0 or greys.max() > 65535:
            raise FormatError(f"{name}: found pixels of {greys.min()} to {greys.max()}, expected 16-bit greys")
        image = Image.fromarray((greys // 256).astype(np.uint8))
    # RGB cannot hold a palette's transparent colour; Pillow would warn about it.
    return image.convert("RGBA" if "transparency" in image.info else image.mode).convert("RGB")


def as_data(pixels: NDArray[np.uint8], mean: Sequence[float], scale: float) -> NDArray[np.float32]:
    """RGB pixels (n, H, W, 3) as a data blob: (n, 3, H, W) float32, B, G, R minus `mean` in that order, times `scale`.

    Caffe: data_transformer.cpp, Transform.
    """
    data = np.empty((pixels.shape[0], 3, *pixels.shape[1:3]), np.float32)
    for channel, value in enumerate(mean):
        np.subtract(pixels[..., 2 - channel], np.float32(value), out=data[:, channel], dtype=np.float32)
    data *= np.float32(scale)
    return data
