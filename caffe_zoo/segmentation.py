"""From street scenes to labels, and to pictures of labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional as F

from caffe_zoo.cards import Preprocessing, card
from caffe_zoo.models import Run, WeightsSource, load_network, runner
from caffe_zoo.preprocess import Picture, open_picture, preprocess, wrong_size
from converters.cityscapes import COLOURS
from converters.engines import Engine
from prototxt_gen.errors import CaffeError, FormatError

#: Rows of pixels whose best scores stay in the processor's cache.
ROWS = 32


class Segmented(NamedTuple):
    """A picture, its RGB pixels (H, W, 3) uint8, and the class of each, (H, W) uint8."""

    picture: Picture
    pixels: NDArray[np.uint8]
    labels: NDArray[np.uint8]


def segment(
    name: str,
    picture: Picture,
    weights: WeightsSource = "released",
    *,
    resize: bool = True,
    num_classes: int | None = None,
    input_size: tuple[int, int] | None = None,
    engine: Engine | str = "torch",
) -> NDArray[np.uint8]:
    """The class of every pixel of a picture, (H, W) uint8: Cityscapes' train ids 0 to 18 for the zoo's own weights.

    The picture is a file, an image of Pillow or RGB pixels; it is resized to what the network takes, or refused with
    resize=False, and the scores are enlarged bilinearly to the picture's own size. `weights` as for `create_model`;
    nothing is downloaded. `input_size` is (height, width); the default is the card's. `engine` is one of `make_engine`,
    or its name.
    """
    run, preprocessing = segmenter(name, weights, num_classes, input_size, engine)
    (result,) = segment_each(run, [picture], preprocessing, resize=resize)
    return result.labels


def segmenter(
    name: str,
    weights: WeightsSource = "released",
    num_classes: int | None = None,
    input_size: tuple[int, int] | None = None,
    engine: Engine | str = "torch",
) -> tuple[Run, Preprocessing]:
    """A segmentation network of the zoo, ready to run, and the preprocessing that it takes."""
    known = card(name)
    if known.kind != "segmentation":
        raise CaffeError(f"{name} gives scores of whole images, not of pixels; `classify` is for it")
    run = runner(*load_network(name, weights, num_classes, input_size), engine=engine)
    return run, replace(known.preprocessing, crop=input_size or known.preprocessing.crop)


def segment_each(
    run: Run, pictures: Iterable[Picture], preprocessing: Preprocessing, batch: int = 1, resize: bool = True
) -> Iterator[Segmented]:
    """The labels of many pictures in their order, `batch` of them at a time through the network."""
    for (result,) in segment_by([run], pictures, preprocessing, batch, resize):
        yield result


def segment_by(
    runs: Sequence[Run], pictures: Iterable[Picture], preprocessing: Preprocessing, batch: int = 1, resize: bool = True
) -> Iterator[list[Segmented]]:
    """`segment_each` by several networks: what each makes of every picture, which is read and preprocessed once."""
    waiting = iter(pictures)
    while chunk := list(islice(waiting, batch)):
        images = [open_picture(picture) for picture in chunk]
        for picture, image in zip(chunk, images, strict=True):
            if not resize and image.size != preprocessing.crop[::-1]:
                raise wrong_size(picture, image, preprocessing)
        data = np.concatenate([preprocess(image, preprocessing) for image in images])
        found = [run(data) for run in runs]
        for place, (picture, image) in enumerate(zip(chunk, images, strict=True)):
            pixels, size = np.asarray(image), (image.height, image.width)
            yield [Segmented(picture, pixels, labels_of(scores[place], size)) for scores in found]


def labels_of(scores: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The best class at each pixel of (height, width), from scores (classes, h, w) that are enlarged bilinearly.

    Samples are taken at pixel centres, as the decoders' own fixed bilinear deconvolutions do.
    """
    tensor = torch.from_numpy(scores)
    if tensor.ndim != 3 or not 1 <= len(tensor) <= 256:
        raise CaffeError(f"scores: found shape {tuple(tensor.shape)}, expected (classes, height, width), 256 at most")
    if tuple(tensor.shape[1:]) != size:
        tensor = F.interpolate(tensor[None], size, mode="bilinear", align_corners=False)[0]
    return _best(tensor.numpy())


def _best(scores: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The first best class at each pixel, in a tenth of the time of argmax, which goes across the maps."""
    labels = np.zeros(scores.shape[1:], np.uint8)
    for start in range(0, len(labels), ROWS):
        part, found = scores[:, start : start + ROWS], labels[start : start + ROWS]
        best = part[0].copy()
        for number, score in enumerate(part[1:], 1):
            np.copyto(found, number, where=score > best)
            np.maximum(best, score, out=best)
    return labels


def colour_map(labels: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Labels (H, W) in the colours of Cityscapes, (H, W, 3). FormatError for classes beyond Cityscapes'."""
    if labels.size and not 0 <= int(labels.min()) <= int(labels.max()) < len(COLOURS):
        raise FormatError(
            f"labels: found classes up to {labels.max()}, expected Cityscapes' 0 to {len(COLOURS) - 1}: other classes "
            "have no colours; write their ids instead"
        )
    colours: NDArray[np.uint8] = np.array(COLOURS, np.uint8)[labels]
    return colours


def overlay(pixels: NDArray[np.uint8], labels: NDArray[np.integer], opacity: float = 0.5) -> NDArray[np.uint8]:
    """The colour map over the photo, both (H, W, 3)."""
    mixed: NDArray[np.uint8] = np.rint(pixels * (1 - opacity) + colour_map(labels) * opacity).astype(np.uint8)
    return mixed


def image_of(result: Segmented, kind: str) -> Image.Image:
    """What to save of a result: its `colours`, an `overlay`, or the `labels` as grey values."""
    if kind == "labels":
        return Image.fromarray(result.labels)
    return Image.fromarray(overlay(result.pixels, result.labels) if kind == "overlay" else colour_map(result.labels))
