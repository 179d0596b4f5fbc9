"""The files that a command reads and writes: images of folders, a file for each result, none over another input."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prototxt_gen.errors import CaffeError, FileError
from prototxt_gen.files import reason, replacing

if TYPE_CHECKING:
    from PIL import Image


def image_inputs(inputs: Sequence[Path]) -> list[Path]:
    """Image files, and the images of folders in the order of their names. FileError for what is not there."""
    sources = []
    for path in inputs:
        if not path.exists():
            raise FileError(f"{path}: no such file or folder")
        sources += _images_of(path) if path.is_dir() else [path]
    return sources


def _images_of(folder: Path) -> list[Path]:
    from converters.images import SUFFIXES

    try:
        found = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    except OSError as fault:
        raise FileError(f"{folder}: cannot be listed: {reason(fault)}") from fault
    if not found:
        raise FileError(f"{folder}: found no image ({', '.join(SUFFIXES)})")
    return found


def png_targets(inputs: Sequence[Path], sources: Sequence[Path], output: str) -> list[Path]:
    """The .png to write for each source that `image_inputs` found.

    `output` is a folder if it is one already, ends in a separator, or has to hold what several images, or the images of
    a folder, become. FileError where a file would be written twice or over an image that is read.
    """
    path = Path(output)
    if len(inputs) > 1 and path.suffix.lower() == ".png" and not path.is_dir():
        raise FileError(f"{path}: expected a folder, for the results of {len(sources)} images")
    ends = (os.sep, *filter(None, [os.altsep]))
    if len(inputs) > 1 or inputs[0].is_dir() or path.is_dir() or output.endswith(ends):
        targets = [path / f"{source.stem}.png" for source in sources]
    elif path.suffix.lower() != ".png":
        raise FileError(f"{path}: expected a name that ends in .png, or a folder, written {path}/")
    else:
        targets = [path]
    read = {source.resolve() for source in sources}
    written: dict[Path, Path] = {}
    for source, target in zip(sources, targets, strict=True):
        if target.resolve() in read:
            raise FileError(f"{target}: is one of the inputs; give another output")
        if written.setdefault(target, source) != source:
            raise FileError(f"{target}: {written[target]} and {source} would both be written there")
    return targets


def save_png(image: Image.Image, path: Path) -> None:
    """Writes an image as .png, in one step."""
    with replacing(path) as temporary:
        image.save(temporary, format="PNG")


def make_folder(path: Path) -> None:
    """Makes a folder and those above it where they are missing. FileError where that fails."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise FileError(f"{path}: cannot be made: {reason(fault)}") from fault


def check_outputs(outputs: Sequence[Path], others: Sequence[Path] = ()) -> None:
    """CaffeError where one file would be written twice, over a folder, or over one of `others`, which are only read."""
    seen: dict[Path, Path] = {}
    for path in outputs:
        if path.is_dir():
            raise CaffeError(f"{path}: is a folder, expected the name of a file to write")
        if path.resolve() in seen:
            raise CaffeError(f"{path}: found twice among the outputs, expected a file for each")
        seen[path.resolve()] = path
    for path in others:
        if path.resolve() in seen:
            raise CaffeError(f"{path}: is an input that is only read; give another output")


def progress(total: int, subject: str) -> Any:
    """A bar on a terminal, a context with `update(n=1)`."""
    from search.progress import progress_bar

    return progress_bar(total, subject, "image", shown=sys.stderr.isatty())
