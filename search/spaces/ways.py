"""Vectors as ways through states: counted, numbered, listed and checked, column by column, without listing them all.

A space's vectors are read from their first column to their last. What may stand in a column depends on the columns
before it only by a state: of a backbone, the width of the block before. So all vectors of a space are the ways from the
first state to the last, and whatever is true of all of them is found state by state, however many ways there are.
"""

from __future__ import annotations

import bisect
import random
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.errors import ArchitectureError
from search.spaces.vectors import Vectors

Integers = NDArray[np.int64]

# A state's number where there is no such choice.
NONE = -1

# Rows that are followed at a time: what is worked on stays in the processor's cache.
_ROWS = 16384


class Edges(NamedTuple):
    """The steps of one column that some way takes, each (n,): from where to where, by which choice.

    They ascend by source, then by choice.
    """

    sources: Integers
    targets: Integers
    choices: Integers


class _Branches(NamedTuple):
    """What can follow a state: the choices, ascending, where they lead, and how many ways there are by smaller ones."""

    choices: list[int]
    targets: list[int]
    before: list[int]


class Ways:
    """All vectors whose columns lead from state 0 to state 0, in the order of words: the first column counts most.

    `steps` has for each column (states, choices) the state that follows each state by each choice, NONE where there
    is no such choice. Steps that are one object are looked at once. Numbers of ways are exact, however large.
    ArchitectureError where no way leads to the end.
    """

    def __init__(self, steps: Sequence[Integers]) -> None:
        self.steps = tuple(steps)
        self._known: list[dict[int, _Branches]] = [{} for _ in self.steps]

    def count(self) -> int:
        """The exact number of ways, however large."""
        return int(self.ways_on[0][0])

    @cached_property
    def states(self) -> int:
        """States are numbered below this."""
        return max([1, *(max(len(step), int(step.max(initial=0)) + 1) for step in self._distinct)])

    @property
    def _distinct(self) -> Iterable[Integers]:
        return {id(step): step for step in self.steps}.values()

    @cached_property
    def edges(self) -> tuple[Edges, ...]:
        """For each column the steps that lie on a way from the first state to the last."""
        reached = [self._first]
        for step in self.steps:
            targets = step[reached[-1][: len(step)]]
            met = np.zeros(self.states, dtype=bool)
            met[targets[targets != NONE]] = True
            reached.append(met)
        if not reached[-1][0]:
            raise ArchitectureError("graph: no way leads from the first state to the last")
        useful = self._first
        found: list[Edges] = []
        for step, begun in zip(reversed(self.steps), reversed(reached[:-1]), strict=True):
            possible = (step != NONE) & begun[: len(step), None] & useful[step]
            useful = np.zeros(self.states, dtype=bool)
            useful[: len(possible)] = possible.any(axis=1)
            sources, choices = np.nonzero(possible)
            found.append(Edges(sources, step[sources, choices], choices))
        return tuple(reversed(found))

    @property
    def _first(self) -> NDArray[np.bool_]:
        first = np.zeros(self.states, dtype=bool)
        first[0] = True
        return first

    @cached_property
    def ways_on(self) -> tuple[NDArray[Any], ...]:
        """How many ways lead from each state to the end, before each column and at the end.

        int64 where all fit, else Python's integers.
        """
        found = self._ways(reversed(self.edges), np.dtype(np.float64))
        exact = np.dtype(np.int64 if found[-1][0] < 2**62 else object)
        return tuple(reversed(self._ways(reversed(self.edges), exact)))

    @cached_property
    def ways_to(self) -> tuple[NDArray[Any], ...]:
        """How many ways lead from the beginning to each state, as `ways_on`."""
        turned = (Edges(edges.targets, edges.sources, edges.choices) for edges in self.edges)
        return tuple(self._ways(turned, self.ways_on[0].dtype))

    def _ways(self, columns: Iterable[Edges], dtype: np.dtype[Any]) -> list[NDArray[Any]]:
        """The numbers of ways that follow against each edge in turn, beginning with one in state 0."""
        found = [np.zeros(self.states, dtype)]
        found[0][0] = 1
        for edges in columns:
            ways = np.zeros(self.states, dtype)
            np.add.at(ways, edges.sources, found[-1][edges.targets])
            found.append(ways)
        return found

    def vector_at(self, place: int) -> Vectors:
        """The vector (length,) at a place of the order, 0 <= place < count(). IndexError outside."""
        if not 0 <= place < self.count():
            raise IndexError(f"place {place} of {self.count()}")
        state, vector = 0, []
        for column in range(len(self.steps)):
            branches = self._branches(column, state)
            taken = bisect.bisect_right(branches.before, place) - 1
            place -= branches.before[taken]
            vector.append(branches.choices[taken])
            state = branches.targets[taken]
        return np.array(vector, dtype=np.uint8)

    def place_of(self, vector: Vectors) -> int:
        """The place of a vector (length,): `vector_at` backwards. ArchitectureError for one that is no way."""
        values = [int(value) for value in vector]
        state = place = 0
        for column, value in enumerate(values if len(values) == len(self.steps) else []):
            branches = self._branches(column, state)
            taken = bisect.bisect_left(branches.choices, value)
            if taken == len(branches.choices) or branches.choices[taken] != value:
                break
            place += branches.before[taken]
            state = branches.targets[taken]
        else:
            if len(values) == len(self.steps):
                return place
        raise ArchitectureError(f"vectors: {values} is not in the space")

    def _branches(self, column: int, state: int) -> _Branches:
        known = self._known[column].get(state)
        if known is None:
            edges = self.edges[column]
            first, end = np.searchsorted(edges.sources, (state, state + 1))
            targets = edges.targets[first:end].tolist()
            before, ways = [], 0
            for target in targets:
                before.append(ways)
                ways += int(self.ways_on[column + 1][target])
            known = self._known[column][state] = _Branches(edges.choices[first:end].tolist(), targets, before)
        return known

    def vectors(self, start: int, stop: int) -> Vectors:
        """The vectors (stop - start, length) at the places start..stop - 1, all at once."""
        count = self.count()
        if not 0 <= start <= stop <= count:
            raise IndexError(f"places {start} to {stop} of {count}")
        if start == stop:
            return np.zeros((0, len(self.steps)), dtype=np.uint8)
        vectors = np.zeros((1, len(self.steps)), dtype=np.uint8)
        states = np.zeros(1, dtype=np.int64)
        # How many ways of the first row, and of the last one, lie outside.
        outside = [start, count - stop]
        for column, (edges, firsts) in enumerate(zip(self.edges, self._firsts, strict=True)):
            numbers = np.diff(firsts)[states]
            rows = np.repeat(np.arange(len(states)), numbers)
            taken = np.arange(len(rows)) - np.repeat(np.cumsum(numbers) - numbers, numbers) + firsts[states[rows]]
            states = edges.targets[taken]
            ways = self.ways_on[column + 1]
            first, last = 0, len(states)
            while outside[0] >= (number := int(ways[states[first]])):
                outside[0] -= number
                first += 1
            while outside[1] >= (number := int(ways[states[last - 1]])):
                outside[1] -= number
                last -= 1
            states, taken = states[first:last], taken[first:last]
            vectors = vectors[rows[first:last]]
            vectors[:, column] = edges.choices[taken]
        return vectors

    @cached_property
    def _firsts(self) -> tuple[Integers, ...]:
        """For each column the index of the first edge from each state, and the number of edges."""
        states = np.arange(self.states + 1)
        return tuple(np.searchsorted(edges.sources, states).astype(np.int64) for edges in self.edges)

    def holds(self, vectors: Vectors) -> NDArray[np.bool_]:
        """Which (n,) of any vectors (n, length) are ways. ArchitectureError for vectors of another length."""
        if vectors.ndim != 2 or vectors.shape[1] != len(self.steps):
            raise ArchitectureError(f"vectors: found shape {vectors.shape}, expected (n, {len(self.steps)})")
        found = np.empty(len(vectors), dtype=bool)
        for start in range(0, len(vectors), _ROWS):
            columns = np.ascontiguousarray(vectors[start : start + _ROWS].T)
            place = np.zeros(columns.shape[1], dtype=np.int64)
            inside = np.ones(columns.shape[1], dtype=bool)
            for column, (after, width) in zip(columns, self.tables, strict=True):
                inside &= column < width
                place = after.take(place + np.minimum(column, width - 1))
            found[start : start + _ROWS] = inside & (place == 0)
        return found

    @cached_property
    def tables(self) -> tuple[tuple[Integers, int], ...]:
        """Each column as a flat table, and its choices: by a state's first place plus the choice, the next state's.

        What is no way is led to a state beyond all others, which it never leaves.
        """
        beyond = self.states
        made: dict[tuple[int, int], Integers] = {}
        tables = []
        for index, step in enumerate(self.steps):
            width = step.shape[1]
            following = self.steps[index + 1].shape[1] if index + 1 < len(self.steps) else 1
            if (id(step), following) not in made:
                after = np.full((beyond + 1, width), beyond, dtype=np.int64)
                after[: len(step)] = np.where(step == NONE, beyond, step)
                made[id(step), following] = (after * following).ravel()
            tables.append((made[id(step), following], width))
        return tuple(tables)

    def through(self, column: int, state: int, choice: int) -> Vectors:
        """One of the vectors (length,) that make this choice in this state and column, with small values."""
        vector = np.zeros(len(self.steps), dtype=np.uint8)
        vector[column] = choice
        here = state
        for index in range(column - 1, -1, -1):
            edges = self.edges[index]
            taken = np.flatnonzero(edges.targets == here)
            best = taken[edges.choices[taken].argmin()]
            here, vector[index] = int(edges.sources[best]), edges.choices[best]
        here = int(self.steps[column][state, choice])
        for index in range(column + 1, len(self.steps)):
            branches = self._branches(index, here)
            here, vector[index] = branches.targets[0], branches.choices[0]
        return vector

    def over(self, column: int, edge: int) -> int:
        """How many ways take one edge of a column, given by its number in `edges`."""
        edges = self.edges[column]
        before = int(self.ways_to[column][edges.sources[edge]])
        return before * int(self.ways_on[column + 1][edges.targets[edge]])

    def drawn_over(self, rng: random.Random, column: int, edge: int) -> Vectors:
        """One of the vectors (length,) that take an edge of a column, all equally likely."""
        vector = np.zeros(len(self.steps), dtype=np.uint8)
        edges = self.edges[column]
        vector[column], here = edges.choices[edge], int(edges.sources[edge])
        for index in range(column - 1, -1, -1):
            edges = self.edges[index]
            taken = np.flatnonzero(edges.targets == here)
            totals = list(accumulate(self.ways_to[index][edges.sources[taken]].tolist()))
            chosen = taken[bisect.bisect_right(totals, rng.randrange(totals[-1]))]
            vector[index], here = edges.choices[chosen], int(edges.sources[chosen])
        here = int(self.edges[column].targets[edge])
        for index in range(column + 1, len(self.steps)):
            branches = self._branches(index, here)
            place = rng.randrange(int(self.ways_on[index][here]))
            step = bisect.bisect_right(branches.before, place) - 1
            vector[index], here = branches.choices[step], branches.targets[step]
        return vector
