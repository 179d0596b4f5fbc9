"""The costs of all networks of a space, exactly, without listing them: sums of two halves, each sorted.

Meet in the middle (Horowitz and Sahni, 1974). On every way through the graph one state is the middle: the first one
to which about as many ways lead as lead on from it. A network is a pair: of a sorted list of the costs up to its middle
and of one of the costs behind it. How many pairs come to at most a cost is then found by looking up the numbers of the
one list in the other; 10^12 networks have lists of 10^7 numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from search.latency.graphs import Edges, Graph
from search.spaces.vectors import Vectors
from search.spaces.ways import Integers

# Numbers in all lists together: 4 bytes each, 8 where costs are large, and as much again while they are made.
MOST_NUMBERS = 50_000_000

# Numbers of a shorter list whose pairs are counted at once when a network is drawn.
_STRIDE = 1024

# How many times as many ways may lead on from a middle as lead to it.
_BALANCES = tuple(4.0**power for power in range(-3, 5))


# Costs along a part of a way, sorted.
Sums: TypeAlias = NDArray[Any]


class _Middle(NamedTuple):
    """A state where ways are cut: before which layer, and the costs to it and from it on, both sorted."""

    layer: int
    state: int
    costs_to: Sums
    costs_on: Sums

    @property
    def lists(self) -> tuple[Sums, Sums]:
        """Both lists, the shorter one first; of equally long ones that of the costs to it."""
        if len(self.costs_to) <= len(self.costs_on):
            return self.costs_to, self.costs_on
        return self.costs_on, self.costs_to


class Halves:
    """Counts by cost, networks by their place in the order of costs, and even draws, all exact.

    `plan` says beforehand whether a graph's lists are short enough.
    """

    def __init__(self, graph: Graph, balance: float) -> None:
        """`balance` is what `plan` gave."""
        self.graph = graph
        cut = _Cut(graph, balance)
        nothing: Sums = np.zeros(1, dtype=_dtype(graph))
        # The steps that begin before the middles, by layer: what leads to a middle is followed back along them.
        self._of_uncut = [_only(edges, cut.before[index][edges.sources]) for index, edges in enumerate(graph.edges)]
        # By layer and state, and in each the costs of all ways, sorted; equal costs as often as there are ways.
        self._to: list[dict[int, Sums]] = [{0: nothing}]
        for index, edges in enumerate(self._of_uncut):
            wanted = set(np.flatnonzero(cut.before[index + 1] | cut.middles[index + 1]).tolist())
            self._to.append(_merged(self._to[-1], edges.sources, edges.targets, edges.costs, wanted))
        on: list[dict[int, Sums]] = [{0: nothing}]
        for edges, after in zip(reversed(graph.edges), reversed(cut.after[:-1]), strict=True):
            wanted = set(np.flatnonzero(after).tolist())
            on.append(_merged(on[-1], edges.targets, edges.sources, edges.costs, wanted))
        self._on = on[::-1]
        self._middles = [
            _Middle(layer, int(state), self._to[layer][int(state)], self._on[layer][int(state)])
            for layer, states in enumerate(cut.middles)
            for state in np.flatnonzero(states)
        ]
        # Costs that were asked for are asked for again: ends of intervals.
        self._known: dict[int, int] = {}
        self._asked: tuple[int, int] | None = None
        self._ends, self._reached = np.zeros(1, dtype=np.int64), [np.zeros(1, dtype=np.int64)]

    def at_most(self, cost: int) -> int:
        """How many networks cost at most so much."""
        if cost not in self._known:
            self._known[cost] = sum(int(np.sum(_pairs(middle, cost - self.graph.base))) for middle in self._middles)
        return self._known[cost]

    def dearest_of(self, most: int) -> int | None:
        """The cost of the dearest network that costs at most so much; None where there is none."""
        found = []
        for middle in self._middles:
            short, long = middle.lists
            places = _pairs(middle, most - self.graph.base)
            inside = places > 0
            if inside.any():
                found.append(int((short[::-1][inside] + long[places[inside] - 1]).max()))
        return self.graph.base + max(found) if found else None

    def kth(self, rank: int, above: int, most: int) -> int:
        """The cost of the network at a place in the order of costs, from 1; it lies in `above` < cost <= `most`."""
        below, reached = self.at_most(above), self.at_most(most)
        halve = False
        while most - above > 1:
            guess = (above + most) // 2
            if not halve:
                # The counts grow evenly, nearly, so that a few guesses do.
                guess = above + int((most - above) * ((rank - below) / (reached - below)))
                guess = min(max(guess, above + 1), most - 1)
            found, before = self.at_most(guess), most - above
            if found >= rank:
                most, reached = guess, found
            else:
                above, below = guess, found
            halve = most - above > before // 2
        return most

    def draw(self, indices: Sequence[int], least: int, most: int) -> Vectors:
        """The networks (n, length) at these places, from 0, among those of a cost in least..most.

        Their order is a fixed one, not that of costs. IndexError for a place beyond.
        """
        self._prepare(least, most)
        ends = self._ends
        found = np.zeros((len(indices), len(self.graph.edges)), dtype=np.uint8)
        for row, index in enumerate(indices):
            if not 0 <= index < ends[-1]:
                raise IndexError(f"place {index} of {ends[-1]} networks")
            at = int(np.searchsorted(ends, index, side="right"))
            middle, index = self._middles[at], index - (int(ends[at - 1]) if at else 0)
            # Of the shorter list's numbers, those among which the pair is, and then the one.
            reached = self._reached[at]
            stride = int(np.searchsorted(reached, index, side="right")) - 1
            begin, index = stride * _STRIDE, index - int(reached[stride])
            low, high = (_pairs(middle, cost - self.graph.base, begin, begin + _STRIDE) for cost in (least - 1, most))
            sums = np.cumsum(high - low)
            place = int(np.searchsorted(sums, index, side="right"))
            other = int(low[place]) + index - (int(sums[place - 1]) if place else 0)
            # The shorter list was read backwards.
            place += begin
            if middle.lists[0] is middle.costs_to:
                self._follow(middle, len(middle.costs_to) - 1 - place, other, found[row])
            else:
                self._follow(middle, other, len(middle.costs_on) - 1 - place, found[row])
        return found

    def _prepare(self, least: int, most: int) -> None:
        """Counts the networks of such a cost by their middles; all kept for the next draw.

        `_ends` has how many each middle and those before it have; `_reached`, for each middle, how many pairs come
        before each _STRIDE of the shorter list's numbers.
        """
        if self._asked == (least, most):
            return
        self._reached = []
        for middle in self._middles:
            pairs = _pairs(middle, most - self.graph.base) - _pairs(middle, least - 1 - self.graph.base)
            strides = np.add.reduceat(pairs, np.arange(0, len(pairs), _STRIDE))
            self._reached.append(np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(strides)]))
        self._ends = np.cumsum([reached[-1] for reached in self._reached])
        self._asked = least, most

    def _follow(self, middle: _Middle, to: int, on: int, vector: Vectors) -> None:
        """Writes the choices of the way that two places in a middle's lists stand for."""
        state, cost = middle.state, int(middle.costs_to[to])
        twin = to - int(np.searchsorted(middle.costs_to, middle.costs_to[to]))
        for index in range(middle.layer - 1, -1, -1):
            edges = self._of_uncut[index]
            for step in np.flatnonzero(edges.targets == state):
                rest = cost - int(edges.costs[step])
                twins = _equal(self._to[index][int(edges.sources[step])], rest)
                if twin < twins:
                    break
                twin -= twins
            vector[index], state, cost = edges.choices[step], int(edges.sources[step]), rest
        state, cost = middle.state, int(middle.costs_on[on])
        twin = on - int(np.searchsorted(middle.costs_on, middle.costs_on[on]))
        for index in range(middle.layer, len(self.graph.edges)):
            edges = self.graph.edges[index]
            for step in np.flatnonzero(edges.sources == state):
                rest = cost - int(edges.costs[step])
                twins = _equal(self._on[index + 1][int(edges.targets[step])], rest)
                if twin < twins:
                    break
                twin -= twins
            vector[index], state, cost = edges.choices[step], int(edges.targets[step]), rest


def plan(graph: Graph) -> float | None:
    """The balance of the shortest lists, or None where they would have more than MOST_NUMBERS."""
    if graph.count() >= 2**62:
        return None
    numbers = {balance: _Cut(graph, balance).numbers for balance in _BALANCES}
    best = min(numbers, key=numbers.__getitem__)
    return best if numbers[best] <= MOST_NUMBERS else None


class _Cut:
    """Which states lie before the middles, are middles, lie behind or are middles: masks, one for each layer's states.

    A state lies before when fewer ways lead to it than `balance` times those that lead on from it: on any way that is
    so up to a state, and never again.
    """

    def __init__(self, graph: Graph, balance: float) -> None:
        ways_to, ways_on = graph.ways_to, graph.ways_on
        self.before = [(to > 0) & (on > 0) & (to < on * balance) for to, on in zip(ways_to, ways_on, strict=True)]
        self.before[0][0], self.before[-1][0] = True, False
        self.after = [
            (to > 0) & (on > 0) & ~before for to, on, before in zip(ways_to, ways_on, self.before, strict=True)
        ]
        self.middles = [np.zeros(graph.states, dtype=bool) for _ in ways_to]
        self.numbers = 0.0
        for index, edges in enumerate(graph.edges):
            cut = self.before[index][edges.sources]
            self.middles[index + 1][edges.targets[cut & self.after[index + 1][edges.targets]]] = True
            self.numbers += float(ways_to[index][edges.sources[cut]].sum()) + float(
                ways_on[index][self.after[index]].sum()
            )


def _only(edges: Edges, wanted: np.ndarray) -> Edges:
    return Edges(*(column[wanted] for column in edges))


def _dtype(graph: Graph) -> np.dtype[Any]:
    """Of sums of costs along ways, and of differences of two: 32 bits where that is enough, which halves the lists."""
    largest = sum(int(np.abs(edges.costs).max()) for edges in graph.edges)
    return np.dtype(np.int32 if largest < 2**30 else np.int64)


def _merged(
    lists: dict[int, Sums], sources: Integers, targets: Integers, costs: Integers, wanted: set[int]
) -> dict[int, Sums]:
    """For every wanted target the costs of all ways over its edges, sorted."""
    pieces: dict[int, list[Sums]] = {}
    for source, target, cost in zip(sources.tolist(), targets.tolist(), costs.tolist(), strict=True):
        if target in wanted:
            pieces.setdefault(target, []).append(lists[source] + cost)
    found: dict[int, Sums] = {}
    for target, of_target in pieces.items():
        joined: Sums = np.concatenate(of_target)
        joined.sort()
        found[target] = joined
    return found


def _pairs(middle: _Middle, cost: int, begin: int = 0, end: int | None = None) -> Integers:
    """How many of the longer list make pairs of at most `cost` with each of the shorter one, read backwards.

    Of the shorter one, so read, those from `begin` to `end` - 1.
    """
    short, long = middle.lists
    if long.dtype == np.int32:
        # Beyond these, all or none do.
        cost = min(max(cost, -(2**30)), 2**30 - 1)
    return np.searchsorted(long, (cost - short[::-1][begin:end]), side="right")


def _equal(numbers: Sums, number: int) -> int:
    # As a number of their own kind: of another, the whole list would be copied.
    own = numbers.dtype.type(number)
    return int(np.searchsorted(numbers, own, side="right") - np.searchsorted(numbers, own))
