"""A space as a graph: each of its networks is one way through it, and what a network costs is the sum along its way.

Whatever sums over the parts of a network can be laid out so: nanoseconds of a latency table, multiply-adds, parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.errors import ArchitectureError, UnsupportedError
from search.spaces.vectors import Vectors
from search.spaces.ways import NONE, Integers, Ways

# Rows that are summed at a time: what is worked on stays in the processor's cache.
_ROWS = 16384


class Layer(NamedTuple):
    """What one column of a space's vectors means: from every state, by every value of the column.

    after: (states, choices), the state behind it, NONE where the space has no such choice. costs: (states, choices),
    what the choice costs, whole numbers.
    """

    after: Integers
    costs: Integers


class Edges(NamedTuple):
    """The steps of one layer that some network takes: from where to where, by which choice, at what cost; each (n,)."""

    sources: Integers
    targets: Integers
    choices: Integers
    costs: Integers


@dataclass(frozen=True, eq=False)
class Graph:
    """The layers in the order of the vectors' columns. All ways begin in state 0 and end in state 0.

    `base` is what every network costs. Layers that are one object are looked at once. `join` makes one cost of two
    along a way: their sum, or np.maximum where a network costs what its dearest part does. UnsupportedError when a
    network's cost might not fit 64 bits.
    """

    layers: tuple[Layer, ...]
    base: int
    join: np.ufunc = np.add

    def __post_init__(self) -> None:
        largest = {id(layer): int(np.abs(layer.costs).max(initial=0)) for layer in self.layers}
        most = abs(self.base) + sum(largest[id(layer)] for layer in self.layers)
        if most >= 2**62:
            raise UnsupportedError(f"costs of networks: found up to {float(most):.2g}, expected less than 2^62")

    def costs(self, vectors: Vectors) -> Integers:
        """The costs (n,) of many networks, as vectors (n, length). ArchitectureError for one outside the space."""
        tables = self._tables
        found = np.empty(len(vectors), dtype=np.int64)
        for start in range(0, len(vectors), _ROWS):
            # The columns of these rows, each in one piece.
            columns = np.ascontiguousarray(vectors[start : start + _ROWS].T)
            total = np.full(columns.shape[1], self.base, dtype=np.int64)
            place = np.zeros(columns.shape[1], dtype=np.int64)
            for column, (after, costs, width) in zip(columns, tables, strict=True):
                if int(column.max(initial=0)) >= width:
                    raise ArchitectureError(f"vectors: found {int(column.max())}, expected less than {width}")
                place += column
                self.join(total, costs.take(place), out=total)
                place = after.take(place)
            if place.any():
                row = start + int(np.flatnonzero(place)[0])
                raise ArchitectureError(f"vectors: row {row}: {vectors[row].tolist()} is not in the space")
            found[start : start + _ROWS] = total
        return found

    @cached_property
    def ways(self) -> Ways:
        """The networks as ways through states, whatever they cost."""
        return Ways([layer.after for layer in self.layers])

    @property
    def states(self) -> int:
        """States are numbered below this."""
        return self.ways.states

    @cached_property
    def edges(self) -> tuple[Edges, ...]:
        """For each layer the steps that lie on a way from the first state to the last."""
        return tuple(
            Edges(*steps, layer.costs[steps.sources, steps.choices])
            for layer, steps in zip(self.layers, self.ways.edges, strict=True)
        )

    def count(self) -> int:
        """The exact number of networks, however large."""
        return self.ways.count()

    @property
    def ways_on(self) -> tuple[NDArray[Any], ...]:
        """How many ways lead from each state to the end, by layer; see `Ways`."""
        return self.ways.ways_on

    @property
    def ways_to(self) -> tuple[NDArray[Any], ...]:
        """How many ways lead from the beginning to each state, by layer; see `Ways`."""
        return self.ways.ways_to

    @cached_property
    def least_on(self) -> tuple[Integers, ...]:
        """What the cheapest way from each state to the end costs, for the states before each layer and at the end."""
        return self._extremes(np.minimum, np.iinfo(np.int64).max)

    @cached_property
    def most_on(self) -> tuple[Integers, ...]:
        """As `least_on`, the dearest."""
        return self._extremes(np.maximum, np.iinfo(np.int64).min)

    def cheapest(self) -> tuple[int, Vectors]:
        """The cost of the cheapest network, and one such, as a vector (length,)."""
        return self._followed(self.least_on)

    def dearest(self) -> tuple[int, Vectors]:
        """The cost of the dearest network, and one such, as a vector (length,)."""
        return self._followed(self.most_on)

    def _followed(self, best: tuple[Integers, ...]) -> tuple[int, Vectors]:
        state, vector = 0, []
        for edges, here, on in zip(self.edges, best, best[1:], strict=False):
            first, end = np.searchsorted(edges.sources, (state, state + 1))
            totals = self.join(edges.costs[first:end], on[edges.targets[first:end]])
            step = first + int(np.flatnonzero(totals == here[state])[0])
            vector.append(int(edges.choices[step]))
            state = int(edges.targets[step])
        return int(self.join(self.base, best[0][0])), np.array(vector, dtype=np.uint8)

    def _extremes(self, better: Any, worst: int) -> tuple[Integers, ...]:
        found = [np.zeros(self.states, dtype=np.int64)]
        for edges in reversed(self.edges):
            here = np.full(self.states, worst, dtype=np.int64)
            better.at(here, edges.sources, self.join(edges.costs, found[-1][edges.targets]))
            found.append(here)
        return tuple(reversed(found))

    def where(self, allowed: Sequence[NDArray[np.bool_]]) -> Graph:
        """The graph with only those choices that are `allowed`: for each layer a mask that broadcasts to its costs.

        `edges` of one without any way raise ArchitectureError.
        """
        layers = [
            Layer(np.where(mask, layer.after, NONE), layer.costs)
            for layer, mask in zip(self.layers, allowed, strict=True)
        ]
        return Graph(tuple(layers), self.base, self.join)

    @cached_property
    def _tables(self) -> list[tuple[Integers, Integers, int]]:
        """Each layer as flat tables: by the state's first place plus the choice, what `Ways.tables` has; costs.

        A vector that is in no space is led to a state beyond all others, which it never leaves.
        """
        made: dict[int, Integers] = {}
        tables = []
        for layer, (after, width) in zip(self.layers, self.ways.tables, strict=True):
            if id(layer) not in made:
                costs = np.zeros((self.states + 1, width), dtype=np.int64)
                costs[: len(layer.costs)] = layer.costs
                made[id(layer)] = costs.ravel()
            tables.append((after, made[id(layer)], width))
        return tables


class Bound(NamedTuple):
    """A cost that is limited: its graph over a space, and the least and the most that is allowed, whole numbers."""

    graph: Graph
    least: int
    most: int

    def holds(self, vectors: Vectors) -> NDArray[np.bool_]:
        """Which (n,) of vectors (n, length) of the space are within it."""
        costs = self.graph.costs(vectors)
        return (costs >= self.least) & (costs <= self.most)
