"""Listing the networks of a space whose cost lies in an interval, without listing the others."""

from __future__ import annotations

import numpy as np

from search.latency.graphs import Graph
from search.spaces.vectors import Vectors

# Steps that are tried for each network that may be listed.
_TRIED = 32


def listed(graph: Graph, least: int, most: int, limit: int) -> Vectors | None:
    """All networks (n, length) with a cost in least..most; None when there are more than about `limit`.

    Begun networks are followed as long as some end can still bring them into the interval. At an end of the range of
    costs, where every one of these leads to a network, it is as quick as there are few of them.
    """
    vectors = np.zeros((1, 0), dtype=np.uint8)
    states, costs = np.zeros(1, dtype=np.int64), np.full(1, graph.base)
    for index, edges in enumerate(graph.edges):
        firsts = np.searchsorted(edges.sources, np.arange(graph.states + 1))
        numbers = np.diff(firsts)[states]
        if numbers.sum() > _TRIED * limit:
            return None
        rows = np.repeat(np.arange(len(states)), numbers)
        steps = np.arange(len(rows)) - np.repeat(np.cumsum(numbers) - numbers, numbers) + firsts[states[rows]]
        targets, reached = edges.targets[steps], costs[rows] + edges.costs[steps]
        cheapest, dearest = graph.least_on[index + 1][targets], graph.most_on[index + 1][targets]
        kept = np.flatnonzero((reached + cheapest <= most) & (reached + dearest >= least))
        if len(kept) > limit:
            return None
        vectors = np.hstack([vectors[rows[kept]], edges.choices[steps[kept], None].astype(np.uint8)])
        states, costs = targets[kept], reached[kept]
    return vectors
