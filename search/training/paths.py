"""Paths of a supernet as networks of their own: with batch-norm statistics of their own, evaluated, handed out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import NamedTuple

import torch
from torch import Tensor, nn

from converters.weights import Weights
from prototxt_gen.errors import ArchitectureError
from search.training.augmentation import Augmentation
from search.training.averaging import take_statistics
from search.training.dataset import Examples, on_device
from search.training.pipeline import Order, read_ahead
from search.training.supernet import Supernet
from search.training.training import chunks


class Images(NamedTuple):
    """Batches of images on a device, preprocessed and laid out as a network there takes them, and their targets."""

    batches: list[Tensor]
    targets: list[Tensor | list[Tensor]]


def read_images(
    examples: Examples, size: int, device: str, layout: torch.memory_format, readers: int | None = None
) -> Images:
    """All of the examples, unchanged, in batches of `size`. They stay in the device's memory."""
    orders: Iterator[Order] = ((chunk, None) for chunk in chunks(range(len(examples)), size))
    with closing(read_ahead(examples, orders, Augmentation(), readers)) as batches:
        read = [(on_device(batch.inputs, examples.mean, device, layout), batch.targets) for batch in batches]
    return Images([images for images, _ in read], [targets for _, targets in read])


def accuracies(
    supernet: Supernet,
    row: int,
    choices: Sequence[Sequence[int]],
    statistics: Sequence[Tensor],
    images: Images,
    examples: Examples,
) -> Iterator[float]:
    """The accuracy in 0..1 of each network on `images`, those of `examples`, with statistics of its own.

    The choices must be the same in the rows before `row`: what these layers make of all images is computed once and
    kept, which takes about the memory of the images. `statistics` are batches of images that batch norm's statistics
    are taken from. The supernet's parameters stay as they are. ArchitectureError where the rows before differ.
    """
    if not len(choices):
        return
    if len({tuple(choice[:row]) for choice in choices}) > 1:
        raise ArchitectureError(f"choices: found {list(choices)}, expected the same in the rows before row {row}")
    layer = 1 + supernet.space.rows[row]
    front = _Watched(supernet.pieces(choices[0])[:layer])
    take_statistics(front, statistics)
    taken = front.seen()
    with torch.inference_mode():
        shown = [front(batch) for batch in images.batches]
        front.seen()
    for choice in choices:
        back = nn.Sequential(*supernet.pieces(choice)[layer:])
        take_statistics(back, taken)
        with torch.inference_mode():
            accuracy = examples.score(zip((back(batch) for batch in shown), images.targets, strict=True))
        yield accuracy


def inherited(supernet: Supernet, choices: Sequence[int], statistics: Sequence[Tensor]) -> Weights:
    """The weights that the network of these choices has in the supernet, with statistics taken from these batches."""
    take_statistics(supernet.path(choices), statistics)
    return supernet.weights_of(choices)


class _Watched(nn.Sequential):
    """The first pieces of a path; what it gives is seen by whoever does not call it."""

    def __init__(self, pieces: Sequence[nn.Module]) -> None:
        super().__init__(*pieces)
        self._seen: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        self._seen.append(super().forward(images))
        return self._seen[-1]

    def seen(self) -> list[Tensor]:
        """What it gave since the last time."""
        found, self._seen = self._seen, []
        return found
