"""Listing the networks of a space whose costs lie in intervals, without listing the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from search.latency.graphs import Bound, Graph
from search.spaces.vectors import Vectors
from search.spaces.ways import Integers

# Steps that are tried for each network that may be listed.
_TRIED = 32


def listed(graph: Graph, least: int, most: int, limit: int, also: Sequence[Bound] = ()) -> Vectors | None:
    """All networks (n, length) with a cost in least..most, in the order of words; None for more than about `limit`.

    `also` are limits of other costs of the same networks. Begun networks are followed as long as some end can still
    bring them into each interval. At an end of the range of costs, where every one of these leads to a network, it is
    as quick as there are few of them.
    """
    others = [_Followed(bound) for bound in also]
    vectors = np.zeros((1, 0), dtype=np.uint8)
    states, costs = np.zeros(1, dtype=np.int64), np.full(1, graph.base)
    for index, edges in enumerate(graph.edges):
        firsts = np.searchsorted(edges.sources, np.arange(graph.states + 1))
        numbers = np.diff(firsts)[states]
        if numbers.sum() > _TRIED * limit:
            return None
        rows = np.repeat(np.arange(len(states)), numbers)
        steps = np.arange(len(rows)) - np.repeat(np.cumsum(numbers) - numbers, numbers) + firsts[states[rows]]
        targets, choices = edges.targets[steps], edges.choices[steps]
        reached = graph.join(costs[rows], edges.costs[steps])
        cheapest = graph.join(reached, graph.least_on[index + 1][targets])
        dearest = graph.join(reached, graph.most_on[index + 1][targets])
        kept = np.flatnonzero((cheapest <= most) & (dearest >= least))
        for other in others:
            kept = kept[other.can_end(index, rows[kept], choices[kept])]
        if len(kept) > limit:
            return None
        for other in others:
            other.go_on(index, rows[kept], choices[kept])
        vectors = np.hstack([vectors[rows[kept]], choices[kept, None].astype(np.uint8)])
        states, costs = targets[kept], reached[kept]
    return vectors


class _Followed:
    """Where begun networks are in the graph of another cost, and what they cost so far."""

    def __init__(self, bound: Bound) -> None:
        self.bound = bound
        self.states, self.costs = np.zeros(1, dtype=np.int64), np.full(1, bound.graph.base)

    def can_end(self, index: int, rows: Integers, choices: Integers) -> np.ndarray:
        """Which (n,) of these rows, with a choice each, can still end within the interval."""
        graph, least, most = self.bound
        targets, costs = self._after(index, rows, choices)
        cheapest = graph.join(costs, graph.least_on[index + 1][targets])
        dearest = graph.join(costs, graph.most_on[index + 1][targets])
        return (cheapest <= most) & (dearest >= least)

    def go_on(self, index: int, rows: Integers, choices: Integers) -> None:
        """These rows are followed by these choices, all others are left."""
        self.states, self.costs = self._after(index, rows, choices)

    def _after(self, index: int, rows: Integers, choices: Integers) -> tuple[Integers, Integers]:
        graph, layer, states = self.bound.graph, self.bound.graph.layers[index], self.states[rows]
        return layer.after[states, choices], graph.join(self.costs[rows], layer.costs[states, choices])
