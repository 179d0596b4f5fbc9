"""From images to the classes that a network finds in them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from caffe_zoo.cards import Preprocessing, card
from caffe_zoo.models import Run, WeightsSource, load_network, runner
from caffe_zoo.preprocess import Picture, preprocess
from converters.engines import Engine
from prototxt_gen.errors import CaffeError, FormatError
from prototxt_gen.files import read_bytes


def classify(
    name: str,
    picture: Picture,
    weights: WeightsSource = "released",
    *,
    top: int = 5,
    num_classes: int | None = None,
    engine: Engine | str = "torch",
) -> list[tuple[int, float]]:
    """The `top` best classes of a picture, best first: (its number, its probability).

    The picture is a file, an image of Pillow or RGB pixels (H, W, 3) uint8, preprocessed as the network's card says.
    `weights` as for `create_model`; nothing is downloaded. `engine` is one of `make_engine`, or its name.
    """
    run, preprocessing = classifier(name, weights, num_classes, engine)
    (scores,) = scores_of(run, [picture], preprocessing)
    return best(scores, top)


def classifier(
    name: str, weights: WeightsSource = "released", num_classes: int | None = None, engine: Engine | str = "torch"
) -> tuple[Run, Preprocessing]:
    """A classification network of the zoo, ready to run, and the preprocessing that it takes."""
    known = card(name)
    if known.kind != "classification":
        raise CaffeError(f"{name} gives scores of pixels, not of whole images; `segment` is for it")
    return runner(*load_network(name, weights, num_classes), engine=engine), known.preprocessing


def scores_of(
    run: Run, pictures: Iterable[Picture], preprocessing: Preprocessing, batch: int = 1
) -> Iterator[NDArray[np.float32]]:
    """The scores (classes,) of many pictures in their order, `batch` of them at a time through the network."""
    for data in blobs_of(pictures, preprocessing, batch):
        yield from run(data).reshape(len(data), -1)


def blobs_of(
    pictures: Iterable[Picture], preprocessing: Preprocessing, batch: int = 1
) -> Iterator[NDArray[np.float32]]:
    """The data blobs (n, 3, H, W) of many pictures in their order, each of `batch` pictures or what is left."""
    waiting = iter(pictures)
    while chunk := list(islice(waiting, batch)):
        yield np.concatenate([preprocess(picture, preprocessing) for picture in chunk])


def best(scores: NDArray[np.float32], top: int = 5) -> list[tuple[int, float]]:
    """The `top` best classes of scores (classes,), best first, with probabilities by softmax."""
    powers = np.exp(scores.astype(np.float64) - scores.max())
    order = np.argsort(-scores, kind="stable")[:top]
    return [(int(index), float(powers[index] / powers.sum())) for index in order]


def read_names(path: str | os.PathLike[str], classes: int) -> list[str]:
    """Names of classes from a text file, one a line, in the order of their numbers.

    FormatError unless there are `classes` lines.
    """
    try:
        names = read_bytes(path).decode().splitlines()
    except UnicodeDecodeError as fault:
        raise FormatError(f"{Path(path)}: not text in UTF-8: {fault.reason} at byte {fault.start}") from fault
    if len(names) != classes:
        raise FormatError(f"{Path(path)}: found {len(names)} lines, expected {classes}: a name for each class")
    return names
