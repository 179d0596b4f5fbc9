"""What the rule of pruning leaves of a space of which it leaves hardly anything: found by descending boxes.

A box is all architectures whose coordinates lie between two vectors. Where its largest vector lies below a w that
prunes (see strategies/pruning.py), the rule says the same of the whole box: only what costs at most as much as y_w is
left, which is one more bound. Where no w lies above its smallest vector, nothing of it is pruned. Any other box is cut
in two at a coordinate of such a w, unless it can be listed. So each box that is cut off is wholly pruned, and what is
left lies in the others.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.errors import ArchitectureError
from search.latency.cells import Cells, share_error
from search.latency.counting import Count
from search.latency.graphs import Bound
from search.latency.listing import listed
from search.spaces.vectors import Vectors
from search.strategies.drawing import MOST_DRAWS
from search.strategies.pruning import Pruning

#: So many boxes are made at most.
MOST_BOXES = 64

# What is listed of one box, and of all together.
_LISTED_OF_ONE, _LISTED = 30_000, 300_000

# Additions and numbers for counting what a box holds, and for drawing from it; draws at a time, and for an estimate.
_WORK, _NUMBERS, _DRAWING_WORK, _DRAWING_NUMBERS = 3e6, 5e5, 1e8, 2e6
_BATCH, _DRAWN, _LEAST_DRAWN = 4096, 16384, 256


@dataclass(frozen=True, eq=False)
class Box:
    """Architectures within bounds, that of latency first.

    `known` are those of them that are not pruned (n, length), where they were listed. Else `most` is no fewer than
    there are, `highs` (length,) the largest value of each coordinate, and `tops` (m,) are the places of those w that
    lie above some of them, but not above all.
    """

    bounds: tuple[Bound, ...]
    known: Vectors | None
    most: int
    highs: Vectors
    tops: NDArray[np.intp]

    def cut(self, place: int, value: int) -> list[tuple[Bound, ...]]:
        """The bounds of its two halves: those whose coordinate at a place is at most `value`, and the others."""
        halves = []
        for lower in (True, False):
            graphs = []
            for bound in self.bounds:
                allowed = [np.ones(1, dtype=bool)] * len(bound.graph.layers)
                choices = np.arange(bound.graph.layers[place].after.shape[1])
                allowed[place] = choices <= value if lower else choices > value
                graphs.append(bound._replace(graph=bound.graph.where(allowed)))
            halves.append(tuple(graphs))
        return halves


class Boxes:
    """All that is not pruned of the architectures within `bounds`, that of latency first.

    `nanoseconds` says up to which latency in the whole numbers of the graph a prediction is no more than so many ms.
    """

    def __init__(self, bounds: Sequence[Bound], pruning: Pruning, nanoseconds: Callable[[float], int]) -> None:
        self.pruning = pruning
        self._nanoseconds = nanoseconds
        self._ceilings = np.array([nanoseconds(ceiling) for ceiling in pruning.ceilings], dtype=np.int64)
        begun = self._box(tuple(bounds), np.arange(len(pruning.tops)))
        self.boxes = [] if begun is None else [begun]
        while len(self.boxes) < MOST_BOXES and (mixed := [box for box in self.boxes if len(box.tops)]):
            largest = max(mixed, key=lambda box: box.most)
            self.boxes.remove(largest)
            halves = [self._box(half, largest.tops) for half in largest.cut(*self._where(largest))]
            self.boxes += [box for box in halves if box is not None]
        self._cells = lru_cache(maxsize=2)(self._made)
        # So many of each box can be drawn, left or not.
        self._weights = [
            self._drawable(place) if box.known is None else len(box.known) for place, box in enumerate(self.boxes)
        ]

    def listed(self) -> Vectors | None:
        """All that is left (n, length); None where there may be too many to list."""
        found = [np.zeros((0, self.pruning.candidates.length), dtype=np.uint8)]
        for box in self.boxes:
            if box.known is None:
                return None
            found.append(box.known)
        return np.concatenate(found) if sum(map(len, found)) <= _LISTED else None

    def counted(self) -> Count:
        """How many are left: exactly where each box can be listed, else an unbiased estimate."""
        unknown = [place for place, box in enumerate(self.boxes) if box.known is None]
        whole = sum(self._weights[place] for place in unknown)
        known = sum(self._weights) - whole
        if not whole:
            return Count(known)
        generator = np.random.default_rng(0)
        number, variance = float(known), 0.0
        for place in unknown:
            weight = self._weights[place]
            draws = max(_LEAST_DRAWN, _DRAWN * weight // whole)
            inside = len(self._drawn(generator, place, draws))
            number += weight * inside / draws
            variance += (weight * share_error(inside, draws)) ** 2
        return Count(round(number), math.sqrt(variance))

    def sample(self, rng: random.Random, number: int) -> Vectors:
        """So many (number, length), each time all equally likely; fewer where MOST_DRAWS found no more."""
        generator = np.random.default_rng(rng.getrandbits(128))
        found = [np.zeros((0, self.pruning.candidates.length), dtype=np.uint8)]
        missing, drawn, batch = number, 0, number
        while any(self._weights) and missing > 0 and drawn < MOST_DRAWS:
            # Every architecture that can be drawn is equally likely to be; those that are pruned are left out then.
            drawn += batch
            places = Counter(rng.choices(range(len(self._weights)), self._weights, k=batch))
            rows = np.concatenate([self._drawn(generator, place, draws) for place, draws in sorted(places.items())])
            rows = rows[generator.permutation(len(rows))][:missing]
            found.append(rows)
            missing -= len(rows)
            batch = min(2 * max(batch, missing), _BATCH)
        return np.concatenate(found)

    def _box(self, bounds: tuple[Bound, ...], tops: NDArray[np.intp]) -> Box | None:
        """The box of these bounds, of which only these tops may lie above something; None where it is empty."""
        try:
            columns = [edges.choices for edges in bounds[0].graph.edges]
        except ArchitectureError:
            return None
        lows = np.array([column.min() for column in columns], dtype=np.uint8)
        highs = np.array([column.max() for column in columns], dtype=np.uint8)
        above_all = (self.pruning.tops[tops] >= highs).all(axis=1)
        most = min([bounds[0].most, *self._ceilings[tops[above_all]].tolist()])
        bounds = (bounds[0]._replace(most=most), *bounds[1:])
        for graph, least, largest in bounds:
            if graph.join(graph.base, graph.least_on[0][0]) > largest:
                return None
            if graph.join(graph.base, graph.most_on[0][0]) < least:
                return None
        first, *others = bounds
        found = listed(*first, _LISTED_OF_ONE, others)
        if found is not None:
            found = found[~self.pruning.pruned(found)]
            return Box(bounds, found, len(found), highs, tops[:0]) if len(found) else None
        dearest = int(first.graph.join(first.graph.base, first.graph.most_on[0][0]))
        above_some = (self.pruning.tops[tops] >= lows).all(axis=1) & ~above_all
        pruning = self._ceilings[tops] < min(most, dearest)
        number = Cells(first.graph, _WORK, _NUMBERS).within(first.least, most).most
        return Box(bounds, None, number, highs, tops[above_some & pruning]) if number else None

    def _where(self, box: Box) -> tuple[int, int]:
        """The coordinate at which a box is cut, and the largest value of its lower half.

        The lower half lies below one more coordinate of the w that lies above nearly all of the box, no part of the
        upper one lies below it.
        """
        over = box.highs > self.pruning.tops[box.tops]
        nearest = int(np.lexsort((self._ceilings[box.tops], over.sum(axis=1)))[0])
        place = int(np.flatnonzero(over[nearest])[0])
        return place, int(self.pruning.tops[box.tops[nearest], place])

    def _made(self, place: int) -> Cells:
        return Cells(self.boxes[place].bounds[0].graph, _DRAWING_WORK, _DRAWING_NUMBERS, keep=True)

    def _drawable(self, place: int) -> int:
        return self._cells(place).within(*self.boxes[place].bounds[0][1:]).most

    def _drawn(self, generator: np.random.Generator, place: int, draws: int) -> Vectors:
        """What is left (n, length) of so many draws from all that can be drawn of a box."""
        known = self.boxes[place].known
        if known is not None:
            return known[generator.integers(0, len(known), draws)]
        (graph, least, most), *others = self.boxes[place].bounds
        drawn = self._cells(place).drawn(generator, draws, least, most)
        costs = graph.costs(drawn)
        drawn = drawn[(costs >= least) & (costs <= most)]
        for bound in others:
            drawn = drawn[bound.holds(drawn)]
        return drawn[~self.pruning.pruned(drawn)]
