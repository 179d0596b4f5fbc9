"""The parts of a whole space, the space as a graph of them, and the latency of millions of networks at once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.errors import UnsupportedError
from prototxt_gen.generator.parts import Part, parts
from search.latency.graphs import Graph, Layer
from search.spaces import Space
from search.spaces.vectors import Vectors


class Choice(NamedTuple):
    """A choice in a column of a space's vectors: in which state, which value."""

    column: int
    state: int
    value: int


def space_parts(space: Space) -> dict[str, Part]:
    """The distinct parts of all architectures of a space, by key."""
    return {part.key: part for part in placed_parts(space).values()}


def space_graph(
    space: Space, cost: Callable[[Part], int], base: int = 0, join: np.ufunc = np.add, merged: bool = True
) -> Graph:
    """The space as a graph of its vectors' columns; `cost` is what a part costs, `base` what every network costs.

    `join` is that of the graph, `merged` as in `parts`.
    """
    known: dict[str, int] = {}

    def cost_of(part: Part) -> int:
        # Where it stands may decide what it costs, too (see Part.joined_key).
        key = part.joined_key
        if key not in known:
            known[key] = cost(part)
            if abs(known[key]) >= 2**62:
                raise UnsupportedError(f"{part.label}: its cost is {known[key]:.2g}, expected less than 2^62")
        return known[key]

    costs = {piece: cost_of(part) for piece, part in placed_parts(space, merged).items()}
    for piece in space.common:
        base = int(join(base, costs[piece]))
    layers: dict[Hashable, Layer] = {}
    for column, after in zip(space.columns, space.steps, strict=True):
        if column not in layers:
            layers[column] = Layer(after, np.zeros(after.shape, dtype=np.int64))
    for choice in choices(space):
        kind = space.columns[choice.column]
        total = 0
        for number, piece in enumerate(space.pieces(kind, choice.state, choice.value)):
            total = int(join(total, costs[piece])) if number else costs[piece]
        layers[kind].costs[choice.state, choice.value] = total
    return Graph(tuple(layers[column] for column in space.columns), base, join)


def predictor(
    space: Space, nanoseconds: Callable[[Part], int], base: int = 0
) -> Callable[[Vectors], NDArray[np.float64]]:
    """A function from many architectures of a space, as vectors (n, length), to the sums of their parts (n,) in ms.

    `nanoseconds` gives the time of a part, `base` what every network costs beside its parts. The function raises
    ArchitectureError for a vector outside the space.
    """
    graph = space_graph(space, nanoseconds, base)
    return lambda vectors: graph.costs(vectors) / 1e6


def placed_parts(space: Space, merged: bool = True) -> dict[Any, Part]:
    """The part of every piece of a space (see `Space.pieces`), cut from networks of the space, type by type."""
    return dict(_placed_parts(space, merged))


# A space of thousands of pieces takes seconds, and every cost of it asks for them.
@lru_cache(maxsize=8)
def _placed_parts(space: Space, merged: bool) -> dict[Any, Part]:
    first = space.vector_at(0)
    # Of each network to be cut, by its vector, the pieces that are met in it, with the column that brings each.
    wanted: dict[bytes, list[tuple[Any, int]]] = {first.tobytes(): [(piece, 0) for piece in space.common]}
    met = dict.fromkeys(space.common)
    for choice in choices(space):
        pieces = space.pieces(space.columns[choice.column], choice.state, choice.value)
        missing = [piece for piece in pieces if piece not in met]
        if missing:
            met.update(dict.fromkeys(missing))
            here = wanted.setdefault(space.through(*choice).tobytes(), [])
            here += [(piece, choice.column) for piece in missing]
    found: dict[Any, Part] = {}
    for code, brought in wanted.items():
        vector = np.frombuffer(code, np.uint8)
        network = parts(space.decode(vector), space.input_shape, merged)
        found.update((piece, network[space.index_of(piece, column, vector)]) for piece, column in brought)
    kinds: dict[type, list[Any]] = {}
    for piece in met:
        kinds.setdefault(type(piece), []).append(piece)
    return {piece: found[piece] for alike in kinds.values() for piece in sorted(alike)}


def choices(space: Space) -> Iterator[Choice]:
    """The choices that some network of a space makes, each once: in columns of one kind, those of the first of them."""
    met: dict[Hashable, NDArray[np.bool_]] = {}
    for number, (column, edges) in enumerate(zip(space.columns, space.ways.edges, strict=True)):
        known = met.setdefault(column, np.zeros(space.steps[number].shape, dtype=bool))
        new = np.flatnonzero(~known[edges.sources, edges.choices])
        known[edges.sources[new], edges.choices[new]] = True
        for state, value in zip(edges.sources[new].tolist(), edges.choices[new].tolist(), strict=True):
            yield Choice(number, state, value)
