"""The parts of a whole space of backbones, the space as a graph of them, and the latency of millions at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.architectures import Backbone
from prototxt_gen.errors import UnsupportedError
from prototxt_gen.generator.parts import Part, parts
from search.latency.graphs import NONE, Graph, Layer
from search.spaces import BackboneSpace
from search.spaces.vectors import Vectors


class Placed(NamedTuple):
    """A block and its place: its stage, whether it is the first there, the width before it and its own.

    Widths are indices as in the space's vectors; 0 stands for the stem.
    """

    stage: int
    is_first: bool
    before: int
    width: int


def space_parts(space: BackboneSpace) -> dict[str, Part]:
    """The distinct parts of all architectures of a space, by key."""
    stem, blocks, heads = placed_parts(space)
    return {part.key: part for part in (stem, *blocks.values(), *heads.values())}


def space_graph(
    space: BackboneSpace, cost: Callable[[Part], int], base: int = 0, join: np.ufunc = np.add, merged: bool = True
) -> Graph:
    """The space as a graph of its vectors' columns; `cost` is what a part costs, `base` what every network costs.

    `join` is that of the graph, `merged` as in `parts`.

    A state is the width before a stage's first block, or of the block before in this stage: the latter are numbered
    behind the former. Missing blocks stand at the beginning of a stage (see spaces/vectors.py).
    """
    found_stem, found_blocks, found_heads = placed_parts(space, merged)
    choices = len(space.widths) + 1
    known: dict[str, int] = {}

    def cost_of(part: Part) -> int:
        # Where it stands may decide what it costs, too (see Part.joined_key).
        key = part.joined_key
        if key not in known:
            known[key] = cost(part)
            if abs(known[key]) >= 2**62:
                raise UnsupportedError(f"{part.label}: its cost is {known[key]:.2g}, expected less than 2^62")
        return known[key]

    heads = [0, *(cost_of(found_heads[width]) for width in range(1, choices))]
    # By stage: whether the block is possible, and its cost, for the two kinds of states.
    possible = np.zeros((len(space.depths), 2 * choices, choices), dtype=bool)
    costs = np.zeros(possible.shape, dtype=np.int64)
    for place, part in found_blocks.items():
        row = place.before + (0 if place.is_first else choices)
        possible[place.stage, row, place.width] = True
        costs[place.stage, row, place.width] = cost_of(part)
    layers: list[Layer] = []
    for stage, (least, most) in enumerate(space.depths):
        made: dict[tuple[bool, bool], Layer] = {}
        for index in range(most):
            optional, is_last = index < most - least, index + 1 == most
            if (optional, is_last) not in made:
                ends = is_last and stage + 1 == len(space.depths)
                made[optional, is_last] = _layer(
                    possible[stage], costs[stage], optional, is_last, heads if ends else None, join
                )
            layers.append(made[optional, is_last])
    return Graph(tuple(layers), int(join(base, cost_of(found_stem))), join)


def _layer(
    possible: NDArray[np.bool_],
    costs: NDArray[np.int64],
    optional: bool,
    is_last: bool,
    heads: list[int] | None,
    join: np.ufunc,
) -> Layer:
    """One column of a stage; `heads` are the costs behind each width where it is the space's last."""
    choices = possible.shape[1]
    after = np.where(possible, np.arange(choices) + (0 if is_last else choices), NONE)
    if optional:
        after[:choices, 0] = np.arange(choices)
    if heads is not None:
        return Layer(np.where(after == NONE, NONE, 0), join(costs, np.array(heads)))
    return Layer(after, costs)


def predictor(
    space: BackboneSpace, nanoseconds: Callable[[Part], int], base: int = 0
) -> Callable[[Vectors], NDArray[np.float64]]:
    """A function from many architectures of a space, as vectors (n, length), to the sums of their parts (n,) in ms.

    `nanoseconds` gives the time of a part, `base` what every network costs beside its parts. The function raises
    ArchitectureError for a vector outside the space.
    """
    graph = space_graph(space, nanoseconds, base)
    return lambda vectors: graph.costs(vectors) / 1e6


def placed_parts(space: BackboneSpace, merged: bool = True) -> tuple[Part, dict[Placed, Part], dict[int, Part]]:
    """The stem, the block of every place, and the head behind every width, cut from networks of the space."""
    stem, blocks, heads = None, {}, {}
    for place, index, architecture in _examples(space):
        found = parts(architecture, space.input_shape, merged)
        stem, blocks[place], heads[place.width] = found[0], found[1 + index], found[-1]
    assert stem is not None
    return stem, blocks, heads


def _examples(space: BackboneSpace) -> Iterator[tuple[Placed, int, Backbone]]:
    """An architecture of the space for every place that a block can have, and the index of the block in it.

    It is as shallow as the space allows, of one width up to the block and of another one from the block on.
    """
    for stage, (least, most) in enumerate(space.depths):
        for width in range(1, len(space.widths) + 1):
            # No block stands before the first one of the first stage.
            places = [Placed(0, True, 0, width)] if stage == 0 else []
            for before in range(1, width + 1):
                places += [Placed(stage, True, before, width)] * (stage > 0)
                places += [Placed(stage, False, before, width)] * (most > 1)
            for place in places:
                depths = [fewest for fewest, _ in space.depths]
                depths[stage] = least if place.is_first else max(2, least)
                index = sum(depths[:stage]) + (not place.is_first)
                chosen = [place.before] * index + [width] * (sum(depths) - index)
                yield place, index, space.decode(vector_of(space, depths, chosen))


def vector_of(space: BackboneSpace, depths: Sequence[int], chosen: Sequence[int]) -> Vectors:
    """The width indices of so many blocks in each stage as a vector, in which missing blocks are 0."""
    vector: list[int] = []
    done = 0
    for depth, (_, most) in zip(depths, space.depths, strict=True):
        vector += [0] * (most - depth) + list(chosen[done : done + depth])
        done += depth
    return np.array(vector, dtype=np.uint8)
