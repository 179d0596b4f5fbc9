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

    def changed(self, vectors: Vectors) -> tuple[NDArray[np.bool_], Integers]:
        """What single changes make of networks (n, length): (n, length, choices), each choice in each column's place.

        Which of them are networks, and what these cost; what the others have for a cost means nothing. The networks
        themselves must be of the space.
        """
        number, length, states = len(vectors), len(self.layers), self.states + 1
        choices = max(after.shape[1] for _, after, _ in self._kinds)
        columns = np.ascontiguousarray(vectors.T).astype(np.int64)
        begins = np.arange(number) * states
        # By layer, row and state: where the row's own choice leads, as a place in all rows' states, and what it costs.
        ahead = np.empty((length, number, states), dtype=np.int64)
        paid = np.empty((length, number, states), dtype=np.int64)
        for places, after, costs in self._kinds:
            ahead[places] = after.T[columns[places]] + begins[:, None]
            paid[places] = costs.T[columns[places]]
        # Whether the rest of the row leads on from a state before a layer to the end, and at what cost.
        leads, on = (
            np.zeros((length + 1, number * states), dtype=bool),
            np.zeros((length + 1, number * states), np.int64),
        )
        leads[-1, begins] = True
        for index in range(length - 1, -1, -1):
            leads[index + 1].take(ahead[index].ravel(), out=leads[index])
            self.join(paid[index].ravel(), on[index + 1].take(ahead[index].ravel()), out=on[index])
        # Where the row itself is before a layer, and what it costs so far.
        here, total = np.empty((length + 1, number), dtype=np.int64), np.empty((length + 1, number), dtype=np.int64)
        here[0], total[0] = begins, self.base
        for index in range(length):
            ahead[index].take(here[index], out=here[index + 1])
            self.join(total[index], paid[index].take(here[index]), out=total[index + 1])
        inside = np.zeros((length, number, choices), dtype=bool)
        found = np.zeros((length, number, choices), dtype=np.int64)
        for places, after, costs in self._kinds:
            states_here, width = here[places] - begins, after.shape[1]
            following = after[states_here] + begins[:, None]
            behind = places[:, None, None] + 1
            inside[places, :, :width] = leads[behind, following]
            rest = self.join(costs[states_here], on[behind, following])
            found[places, :, :width] = self.join(total[places][:, :, None], rest)
        return inside.transpose(1, 0, 2), found.transpose(1, 0, 2)

    @cached_property
    def _kinds(self) -> list[tuple[Integers, Integers, Integers]]:
        """Each distinct layer: its places; by state and choice what follows, a state beyond all for none; its costs."""
        places: dict[int, list[int]] = {}
        for place, layer in enumerate(self.layers):
            places.setdefault(id(layer), []).append(place)
        found = []
        for where in places.values():
            layer = self.layers[where[0]]
            after = np.full((self.states + 1, layer.after.shape[1]), self.states, dtype=np.int64)
            after[: len(layer.after)] = np.where(layer.after == NONE, self.states, layer.after)
            costs = np.zeros_like(after)
            costs[: len(layer.costs)] = np.where(layer.after == NONE, 0, layer.costs)
            found.append((np.array(where), after, costs))
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
