"""Counting the networks of a space by their cost: how many lie in an interval, which is the middle one, which one next.

Exact where `halves.py` or `cells.py` can be; in larger spaces each number comes as the least and the most it can be.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from prototxt_gen.errors import UnsupportedError, need
from search.latency.cells import Between, Cells
from search.latency.graphs import Graph
from search.latency.halves import Halves, plan
from search.latency.listing import listed
from search.spaces.vectors import Vectors

# Some seconds of additions, and 400 MB.
_WORK, _NUMBERS = 2.5e9, 5e7

# A count that takes milliseconds and says about where to look.
_QUICK_WORK = 5e7

# What draws, where most of its draws fall into the interval: a tenth of a second, and 80 MB.
_DRAWING_WORK, _DRAWING_NUMBERS = 1e8, 1e7

# At least one draw in ten falls into an interval that is drawn from so.
_MOSTLY = 0.1

# So many networks are listed one by one where nothing else counts them exactly.
_LISTED = 300_000


# Draws for an estimate of a number.
_DRAWN = 16384


class Count(NamedTuple):
    """A number, or an unbiased estimate of it with its standard error; where that is 0, the number is exact."""

    number: int
    error: float = 0.0


class Counting:
    """The networks of a graph by their cost, in whole numbers. Every interval holds both its ends.

    UnsupportedError where a graph is too large even for bounds (see `cells.py`), and where costs are not summed.
    """

    def __init__(self, graph: Graph) -> None:
        need(graph.join is np.add, "counting by cost: found costs that are joined otherwise, expected sums")
        self.graph = graph
        self.total = graph.count()
        self.cheapest, self.dearest = graph.cheapest()[0], graph.dearest()[0]
        self._cells = Cells(graph, _QUICK_WORK, _NUMBERS)
        self._balance = None if self._cells.is_exact else plan(graph)
        if not self._cells.is_exact and self._balance is None:
            self._cells = Cells(graph, _WORK, _NUMBERS)
        self._drawing: Cells | None = None
        self._is_fine = False
        # Places that were asked for: the middle is asked for more than once.
        self._places: dict[int, Between] = {}

    @cached_property
    def _halves(self) -> Halves | None:
        """Made when a number is asked for: up to some seconds, and 8 bytes for each of its numbers."""
        return None if self._balance is None else Halves(self.graph, self._balance)

    def within(self, least: int, most: int) -> Between:
        """How many networks have a cost in least..most."""
        least, most = max(least, self.cheapest), min(most, self.dearest)
        if least > most:
            return Between(0, 0)
        if self._halves is not None:
            exactly = self._halves.at_most(most) - self._halves.at_most(least - 1)
            return Between(exactly, exactly)
        number = self._cells.within(least, most)
        if not number.is_exact and number.least <= _LISTED:
            found = listed(self.graph, least, most, _LISTED)
            return number if found is None else Between(len(found), len(found))
        return number

    def about(self, least: int, most: int) -> int:
        """As `within`, at once: no less than the number, and more by what rounding to cells makes of it."""
        return self._cells.within(least, most).most

    def estimated(self, least: int, most: int) -> Count:
        """As `within`: the number itself where it is known, else an estimate, always the same."""
        number = self.within(least, most)
        if number.is_exact:
            return Count(number.least)
        if self._drawing is None:
            self._drawing = Cells(self.graph, _DRAWING_WORK, _DRAWING_NUMBERS, keep=True)
        found, error = self._drawing.estimated(least, most, _DRAWN)
        return Count(round(found), error)

    def between(self, edges: Sequence[int]) -> list[Between]:
        """How many networks cost more than each edge and at most the next one; edges ascend."""
        if self._halves is None:
            return [self.within(edge + 1, following) for edge, following in pairwise(edges)]
        reached = [self._halves.at_most(min(max(edge, self.cheapest - 1), self.dearest)) for edge in edges]
        found = [number - before for before, number in pairwise(reached)]
        return [Between(number, number) for number in found]

    def kth(self, rank: int) -> Between:
        """The cost of the network at a place in the order of costs, from 1 for the cheapest. IndexError beyond."""
        if not 1 <= rank <= self.total:
            raise IndexError(f"place {rank} of {self.total} networks")
        if rank not in self._places:
            found = self._cells.kth(rank)
            if self._halves is not None:
                cost = self._halves.kth(rank, found.least - 1, found.most)
                found = Between(cost, cost)
            self._places[rank] = found
        return self._places[rank]

    def dearest_of(self, most: int) -> int | None:
        """The cost of the dearest network that costs at most so much; None where there is none or it is not known."""
        if most >= self.dearest:
            return self.dearest
        if self._halves is not None:
            return self._halves.dearest_of(max(most, self.cheapest - 1))
        rank = self.within(self.cheapest, most)
        cost = self.kth(rank.least) if rank.is_exact and rank.least else None
        return cost.least if cost is not None and cost.is_exact else None

    def sample(self, rng: random.Random, number: int, least: int, most: int) -> Vectors:
        """So many networks (number, length) with a cost in least..most, each time all equally likely.

        None (0, length) where there are none; UnsupportedError where too few of too many lie there to be found.
        Counts beyond 2^62 are rounded, and with them, in the last digits, how likely a network is.
        """
        least, most = max(least, self.cheapest), min(most, self.dearest)
        if least > most:
            return np.zeros((0, len(self.graph.layers)), dtype=np.uint8)
        if self._drawing is None:
            self._drawing = Cells(self.graph, _DRAWING_WORK, _DRAWING_NUMBERS, keep=True)
        if self._drawing.surely_drawn(least, most) < _MOSTLY:
            if self._halves is not None:
                inside = self.within(least, most).least
                return self._halves.draw([rng.randrange(inside) for _ in range(number if inside else 0)], least, most)
            found = listed(self.graph, least, most, _LISTED)
            if found is not None:
                return found[[rng.randrange(len(found)) for _ in range(number if len(found) else 0)]]
            if not self._is_fine:
                self._drawing, self._is_fine = Cells(self.graph, _WORK, _NUMBERS, keep=True), True
        drawn = self._drawing.sample(rng, number, least, most)
        if len(drawn) < number:
            raise UnsupportedError(
                f"drawing networks of a cost in {least}..{most}: too few of {self.total:,} lie there"
            )
        return drawn

    def near(self, rank: int) -> Vectors:
        """A network (length,) at a place in the order of costs, from 1, or where that is not known exactly near it."""
        cost = self.kth(rank)
        middle = (cost.least + cost.most) // 2
        drawn = self.sample(random.Random(rank), 1 if cost.is_exact else 64, *cost)
        return drawn[abs(self.graph.costs(drawn) - middle).argmin()]
