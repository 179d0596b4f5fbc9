"""Even draws from a space within bounds of several costs at once, and how many architectures there are."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.errors import ArchitectureError
from search.latency.cells import share_error
from search.latency.counting import Count, Counting
from search.latency.graphs import Bound, Graph, Layer
from search.spaces.vectors import Vectors

#: After so many draws, none of which was what is asked for, it counts as not to be found.
MOST_DRAWS = 1 << 18

# Draws for an estimate of a number, and for one architecture at a time.
_DRAWN, _BATCH = 16384, 4096


class Drawing:
    """The architectures of a space within all `bounds`: counted, and drawn one by one, all equally likely.

    Costs that are joined by np.maximum are kept below their most by leaving out every choice that costs more, where
    their graph has the states of the sums'; else they are as sums are. Of the
    sums, the one whose bounds leave the fewest is drawn from, exactly within them (see search/latency/counting.py).
    What lies outside the other bounds is drawn again.
    """

    def __init__(self, bounds: Sequence[Bound]) -> None:
        peaks = [bound for bound in bounds if bound.graph.join is not np.add]
        sums = [bound for bound in bounds if bound.graph.join is np.add]
        # The choices of one graph are left out of another where their states are the same.
        foreign = [peak for peak in peaks if sums and not _same_states(peak.graph, sums[0].graph)]
        peaks = [peak for peak in peaks if peak not in foreign]
        if not sums:
            free = [Layer(layer.after, np.zeros_like(layer.costs)) for layer in bounds[0].graph.layers]
            sums = [Bound(Graph(tuple(free), 0), 0, 0)]
        if peaks:
            allowed = [np.logical_and.reduce(masks) for masks in zip(*map(_below, peaks), strict=True)]
            sums = [bound._replace(graph=bound.graph.where(allowed)) for bound in sums]
        counts = [_counting(bound.graph) for bound in sums]
        fewest = min(range(len(sums)), key=lambda place: _most(counts[place], sums[place]))
        self._bound, self._counting = sums[fewest], counts[fewest]
        self._others = [bound for place, bound in enumerate(sums) if place != fewest] + foreign
        self._others += [bound for bound in peaks if bound.least > bound.graph.cheapest()[0]]

    def counted(self) -> Count:
        """How many there are: exactly where one sum and peaks alone are bound, else an unbiased estimate."""
        _, least, most = self._bound
        if self._counting is None:
            return Count(0)
        whole = self._counting.estimated(least, most)
        if not self._others or not whole.number:
            return whole
        drawn = self._counting.sample(random.Random(0), _DRAWN, least, most)
        inside = int(self._inside(drawn).sum())
        share, error = inside / len(drawn), share_error(inside, len(drawn))
        return Count(round(whole.number * share), math.hypot(whole.number * error, whole.error * share))

    def sample(self, rng: random.Random, number: int) -> Vectors:
        """So many (number, length), each time all equally likely; fewer where MOST_DRAWS found no more."""
        _, least, most = self._bound
        found = [np.zeros((0, len(self._bound.graph.layers)), dtype=np.uint8)]
        missing, drawn, batch = number, 0, 0
        while self._counting is not None and missing > 0 and drawn < MOST_DRAWS:
            batch = min(max(missing, 2 * batch), _BATCH)
            vectors = self._counting.sample(rng, batch, least, most)
            if not len(vectors):
                break
            drawn += batch
            vectors = vectors[self._inside(vectors)][:missing]
            found.append(vectors)
            missing -= len(vectors)
        return np.concatenate(found)

    def _inside(self, vectors: Vectors) -> NDArray[np.bool_]:
        inside = np.ones(len(vectors), dtype=bool)
        for bound in self._others:
            inside[inside] = bound.holds(vectors[inside])
        return inside


def counted(bound: Bound) -> Count:
    """How many architectures of a space are within one bound: exactly, or of too many to count an estimate."""
    if bound.graph.join is np.add:
        counting = _counting(bound.graph)
        return counting.estimated(bound.least, bound.most) if counting else Count(0)
    reached, below = (
        _counting_all(bound.graph, _below(bound._replace(most=most))) for most in (bound.most, bound.least - 1)
    )
    return Count(reached - below)


def _same_states(graph: Graph, other: Graph) -> bool:
    pairs = zip(graph.layers, other.layers, strict=True)
    return all(one.after.shape == two.after.shape for one, two in pairs)


def _below(peak: Bound) -> list[NDArray[np.bool_]]:
    """For each layer which choices cost at most as much as the bound allows; none where every network costs more."""
    graph = peak.graph
    return [(layer.costs <= peak.most) & (graph.base <= peak.most) for layer in graph.layers]


def _counting_all(graph: Graph, allowed: Sequence[NDArray[np.bool_]]) -> int:
    try:
        return graph.where(allowed).count()
    except ArchitectureError:
        return 0


def _counting(graph: Graph) -> Counting | None:
    """None where the graph has no way at all."""
    try:
        return Counting(graph)
    except ArchitectureError:
        return None


def _most(counting: Counting | None, bound: Bound) -> int:
    return counting.about(bound.least, bound.most) if counting else 0
