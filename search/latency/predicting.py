"""The parts of a whole space of backbones, and the latency of millions of them at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.architectures import Backbone
from prototxt_gen.generator.parts import Part, parts
from search.spaces import BackboneSpace
from search.spaces.vectors import Vectors


class _Placed(NamedTuple):
    """A block and its place: its stage, whether it is the first there, the width before it and its own.

    Widths are indices as in the space's vectors; 0 stands for the stem.
    """

    stage: int
    is_first: bool
    before: int
    width: int


def space_parts(space: BackboneSpace) -> dict[str, Part]:
    """The distinct parts of all architectures of a space, by key."""
    stem, blocks, heads = _parts(space)
    return {part.key: part for part in (stem, *blocks.values(), *heads.values())}


def predictor(
    space: BackboneSpace, nanoseconds: Callable[[Part], int], base: int = 0
) -> Callable[[Vectors], NDArray[np.float64]]:
    """A function from many architectures of a space, as vectors (n, length), to the sums of their parts (n,) in ms.

    `nanoseconds` gives the time of a part, `base` what every network costs beside its parts.
    """
    found_stem, found_blocks, found_heads = _parts(space)
    choices = len(space.widths) + 1
    stem = base + nanoseconds(found_stem)
    blocks = np.zeros((len(space.depths), 2, choices, choices), dtype=np.int64)
    for place, part in found_blocks.items():
        blocks[place.stage, int(place.is_first), place.before, place.width] = nanoseconds(part)
    heads = np.array([0, *(nanoseconds(found_heads[width]) for width in range(1, choices))])

    def predict(vectors: Vectors) -> NDArray[np.float64]:
        total = np.full(len(vectors), stem, dtype=np.int64)
        before = np.zeros(len(vectors), dtype=np.uint8)
        column = 0
        for stage, (_, most) in enumerate(space.depths):
            entered = np.zeros(len(vectors), dtype=bool)
            for width in vectors.T[column : column + most]:
                present = width > 0
                total += blocks[stage, (present & ~entered).astype(np.uint8), before, width]
                before = np.where(present, width, before)
                entered |= present
            column += most
        return (total + heads[before]) / 1e6

    return predict


def _parts(space: BackboneSpace) -> tuple[Part, dict[_Placed, Part], dict[int, Part]]:
    """The stem, the block of every place, and the head behind every width, cut from networks of the space."""
    stem, blocks, heads = None, {}, {}
    for place, index, architecture in _examples(space):
        found = parts(architecture, space.input_shape)
        stem, blocks[place], heads[place.width] = found[0], found[1 + index], found[-1]
    assert stem is not None
    return stem, blocks, heads


def _examples(space: BackboneSpace) -> Iterator[tuple[_Placed, int, Backbone]]:
    """An architecture of the space for every place that a block can have, and the index of the block in it.

    It is as shallow as the space allows, of one width up to the block and of another one from the block on.
    """
    for stage, (least, most) in enumerate(space.depths):
        for width in range(1, len(space.widths) + 1):
            # No block stands before the first one of the first stage.
            places = [_Placed(0, True, 0, width)] if stage == 0 else []
            for before in range(1, width + 1):
                places += [_Placed(stage, True, before, width)] * (stage > 0)
                places += [_Placed(stage, False, before, width)] * (most > 1)
            for place in places:
                depths = [fewest for fewest, _ in space.depths]
                depths[stage] = least if place.is_first else max(2, least)
                index = sum(depths[:stage]) + (not place.is_first)
                chosen = [place.before] * index + [width] * (sum(depths) - index)
                yield place, index, space.decode(_vector(space, depths, chosen))


def _vector(space: BackboneSpace, depths: list[int], chosen: list[int]) -> Vectors:
    """The width indices of so many blocks in each stage as a vector, in which missing blocks are 0."""
    vector, done = [], 0
    for depth, (_, most) in zip(depths, space.depths, strict=True):
        vector += [0] * (most - depth) + chosen[done : done + depth]
        done += depth
    return np.array(vector, dtype=np.uint8)
