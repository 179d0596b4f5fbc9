"""Images of a folder that int8 is calibrated with, preprocessed as the network takes them."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from numpy.typing import NDArray

from caffe_zoo.cards import Preprocessing
from caffe_zoo.preprocess import preprocess
from converters.images import SUFFIXES
from prototxt_gen.errors import FileError, FormatError
from prototxt_gen.files import reason


class Drawn(NamedTuple):
    """Images drawn from a folder, in the order of their names, and how many it has."""

    paths: list[Path]
    found: int


def draw_images(folder: str | os.PathLike[str], most: int, seed: int = 0) -> Drawn:
    """At most so many images of a folder and of the folders in it, drawn by seed: the same for the same names.

    FileError for no folder, FormatError for one without images.
    """
    base = Path(folder)
    if not base.is_dir():
        raise FileError(f"{base}: no such folder, expected one of images to calibrate int8 with")
    try:
        found = sorted(path for path in base.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    except OSError as fault:
        raise FileError(f"{base}: cannot be listed: {reason(fault)}") from fault
    if not found:
        raise FormatError(f"{base}: found no image ({', '.join(SUFFIXES)}), expected some to calibrate int8 with")
    if len(found) > most:
        chosen = random.Random(f"calibration {seed}").sample(range(len(found)), most)
        return Drawn([found[index] for index in sorted(chosen)], len(found))
    return Drawn(found, len(found))


class Prepared(Sequence[dict[str, NDArray]]):
    """Images as inputs by name, each read when it is asked for: (1, 3, H, W) float32 for the input `data`.

    `done` is called for each one that was read.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        preprocessing: Preprocessing,
        data: str,
        done: Callable[[], object] = lambda: None,
    ) -> None:
        self._paths, self._preprocessing, self._data, self._done = list(paths), preprocessing, data, done

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> dict[str, NDArray]:  # type: ignore[override]
        made = {self._data: preprocess(self._paths[index], self._preprocessing)}
        self._done()
        return made
