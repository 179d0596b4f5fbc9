"""A folder of images, one sub-folder a class: found, divided, read, cropped."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from converters.images import SUFFIXES, read_image
from prototxt_gen.errors import FileError, FormatError
from prototxt_gen.files import reason
from search.training.augmentation import Augmentation, jittered, random_box
from search.training.dataset import NOTHING, Dataset, Split, preprocess, resized
from search.training.pipeline import usable_cpus

# Every fifth image of a class is held out when the folder does not say which ones are.
HELD_OUT = 5
# The usual names for the parts of a divided dataset.
PARTS = {"train", "val", "valid", "validation", "test"}


def image_folder(root: str | os.PathLike[str], size: tuple[int, int]) -> Dataset:
    """Images in one sub-folder a class, cropped to `size` (height, width) after resizing to 8/7 of it.

    Either `root/<class>/...`, of which every fifth image is held out, or `root/train/<class>/...` and
    `root/val/<class>/...`. Classes are numbered in the order of their names. Training takes random crops,
    half of them mirrored, or what its schedule says; accuracy is measured on the centres. FileError when there is no
    such folder, FormatError for folders without two classes or without images, and, when it is read, for an image that
    is broken: all name the folder or the file.
    """
    base = Path(root)
    if not base.is_dir():
        raise FileError(
            f"{base}: no such folder; expected `digits`, `glyphs` or a folder with a sub-folder for each class"
        )
    divided = (base / "train").is_dir() and (base / "val").is_dir()
    names = {path.name for path in base.glob("[!.]*") if path.is_dir()}
    if not divided and "train" in names and names <= PARTS:
        # Otherwise these would be the classes.
        raise FormatError(
            f"{base}: found {', '.join(sorted(names))}, expected train/ and val/, or a folder for each class"
        )
    classes, train = _listed(base / "train" if divided else base)
    if divided:
        judged, held_out = _listed(base / "val")
        if judged != classes:
            raise FormatError(
                f"{base / 'val'}: found classes {_some(judged)}, expected those of train: {_some(classes)}"
            )
    else:
        held_out = [paths[HELD_OUT - 1 :: HELD_OUT] for paths in train]
        train = [[path for place, path in enumerate(paths, 1) if place % HELD_OUT] for paths in train]
        few = [name for name, kept in zip(classes, held_out, strict=True) if not kept]
        if few:
            raise FormatError(
                f"{base}: classes {_some(few)} have fewer than {HELD_OUT} images, one of which is held out"
            )

    def split(by_class: list[list[Path]]) -> Split:
        labels = [label for label, paths in enumerate(by_class) for _ in paths]
        paths = [path for paths in by_class for path in paths]
        return Split(torch.tensor(labels), partial(_images, paths, size), partial(_pixels, paths, size))

    digest = hashlib.sha256()
    for path in (path for by_class in (*train, *held_out) for path in by_class):
        digest.update(f"{path.relative_to(base).as_posix()}\n".encode("utf-8", "surrogateescape"))
    identity = f"folder {size[0]}x{size[1]} {digest.hexdigest()[:16]}"
    return Dataset(identity, tuple(classes), split(train), split(held_out), mirrored=True)


def _images(
    paths: list[Path], size: tuple[int, int], indices: Sequence[int], rng: random.Random | None
) -> torch.Tensor:
    """By threads of its own, for those who ask for one batch after another."""
    draws = _draws(len(indices), rng, NOTHING)
    with ThreadPoolExecutor(max_workers=min(8, usable_cpus())) as pool:
        read = pool.map(partial(_read, size), [paths[index] for index in indices], draws, repeat(NOTHING))
        return preprocess(np.stack(list(read)))


def _pixels(
    paths: list[Path],
    size: tuple[int, int],
    indices: Sequence[int],
    rng: random.Random | None,
    augmentation: Augmentation,
) -> NDArray[np.uint8]:
    draws = _draws(len(indices), rng, augmentation)
    made = np.empty((len(indices), *size, 3), np.uint8)
    for place, (index, draw) in enumerate(zip(indices, draws, strict=True)):
        made[place] = _read(size, paths[index], draw, augmentation)
    return made


class _Draw(NamedTuple):
    """The random numbers of one image: the place of a crop of one size, whether it is mirrored, those of the rest."""

    across: float = 0.5
    down: float = 0.5
    mirrored: bool = False
    rng: random.Random | None = None


def _draws(count: int, rng: random.Random | None, augmentation: Augmentation) -> list[_Draw]:
    """Drawn before any image is read, so that the order in which threads read does not matter."""
    if rng is None:
        return [_Draw()] * count
    draws = [_Draw(rng.random(), rng.random(), rng.random() < 0.5) for _ in range(count)]
    if augmentation.least_area is None and not augmentation.jitter:
        return draws
    return [draw._replace(rng=random.Random(rng.random())) for draw in draws]


def _read(size: tuple[int, int], path: Path, draw: _Draw, augmentation: Augmentation) -> NDArray[np.uint8]:
    image = read_image(path)
    mirrored = draw.mirrored and augmentation.mirror
    if draw.rng is None or augmentation.least_area is None:
        pixels = cropped(image, size, draw.across, draw.down, mirrored)
    else:
        box = random_box(image.size, augmentation.least_area, draw.rng)
        pixels = resized(image, size[::-1], box)
        pixels = pixels[:, ::-1] if mirrored else pixels
    if draw.rng is None or not augmentation.jitter:
        return pixels
    return np.asarray(jittered(Image.fromarray(pixels), augmentation.jitter, draw.rng))


def cropped(image: Image.Image, size: tuple[int, int], across: float, down: float, mirrored: bool) -> NDArray[np.uint8]:
    """An RGB image resized until it just covers 8/7 of `size` (height, width), then cropped: (height, width, 3).

    `across` and `down` in 0..1 place the crop, 0.5 in the centre.
    """
    height, width = size
    factor = max(height * 8 / 7 / image.height, width * 8 / 7 / image.width)
    fitted = max(round(image.width * factor), width), max(round(image.height * factor), height)
    pixels = resized(image, fitted)
    left, top = round(across * (fitted[0] - width)), round(down * (fitted[1] - height))
    pixels = pixels[top : top + height, left : left + width]
    return pixels[:, ::-1] if mirrored else pixels


def _listed(base: Path) -> tuple[list[str], list[list[Path]]]:
    """Names of the classes in a folder, and the images of each, both sorted."""
    try:
        folders = sorted(path for path in base.iterdir() if path.is_dir() and not path.name.startswith("."))
        images = [
            sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
            for folder in folders
        ]
    except OSError as fault:
        raise FileError(f"{base}: cannot be listed: {reason(fault)}") from fault
    if len(folders) < 2:
        raise FormatError(f"{base}: found {len(folders)} sub-folders, expected one for each of at least two classes")
    empty = [folder.name for folder, paths in zip(folders, images, strict=True) if not paths]
    if empty:
        raise FormatError(f"{base}: no image ({', '.join(SUFFIXES)}) in {_some(empty)}")
    return [folder.name for folder in folders], images


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
