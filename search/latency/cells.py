"""The costs of all networks of a space, within bounds: every step's cost rounded down to whole cells.

A dynamic program counts, cell by cell, how many networks have a sum of so many cells. What the rounding left out is
between two numbers for every network, which a second one finds exactly, so that each count has a least and a most that
hold. Its work grows with steps times cells, whatever the number of networks. Where all costs are multiples of
something coarse enough, nothing is rounded, and the counts are exact.
"""

from __future__ import annotations

import math
import random
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.errors import UnsupportedError
from search.latency.graphs import Graph
from search.spaces.vectors import Vectors
from search.spaces.ways import Integers

# Above this, floating point has no number for a count.
MOST_NETWORKS = 10**300

# Steps are taken one by one: with more of them than this it is no longer a matter of seconds.
MOST_STEPS = 3_000_000

# Networks drawn at a time, and how often at most until enough of them lie in an interval.
_LEAST_BATCH, _BATCH = 16, 4096
_MOST_BATCHES = 100


class Between(NamedTuple):
    """A whole number that is known to lie in least..most."""

    least: int
    most: int

    @property
    def is_exact(self) -> bool:
        """Whether the number is known."""
        return self.least == self.most


class Cells:
    """Counts by cost within bounds, and even draws.

    UnsupportedError for spaces of more than MOST_NETWORKS networks or of more than MOST_STEPS steps.
    """

    def __init__(self, graph: Graph, work: float, numbers: float, keep: bool = False) -> None:
        """As fine as `work` additions allow, and `numbers` of 8 bytes: in all layers' lists if `keep`, else in two.

        Only what keeps all lists can draw.
        """
        self.graph = graph
        steps = sum(len(edges.costs) for edges in graph.edges)
        if graph.count() > MOST_NETWORKS or steps > MOST_STEPS:
            found = f"{steps:,} steps" if steps > MOST_STEPS else "more than 10^300 networks"
            raise UnsupportedError(
                f"counting by cost: found {found}, expected at most {MOST_STEPS:,} and 10^300 networks"
            )
        # Every way takes one step of each layer, so the least cost of a layer may be taken off all of its steps.
        floors = [int(edges.costs.min()) for edges in graph.edges]
        over = [edges.costs - floor for edges, floor in zip(graph.edges, floors, strict=True)]
        self._offset = graph.base + sum(floors)
        self.cell = self._size(over, work, numbers, keep)
        shifts = [costs // self.cell for costs in over]
        rests = [costs - shift * self.cell for costs, shift in zip(over, shifts, strict=True)]
        #: The least and the most that rounding left out of a network's cost.
        self.rounding = Between(int(self._best(rests, np.minimum)[0][0]), int(self._best(rests, np.maximum)[0][0]))
        self._shifts = shifts
        self._low, high = self._best(shifts, np.minimum), self._best(shifts, np.maximum)
        self._sizes = [top - low + 1 for low, top in zip(self._low, high, strict=True)]
        self._starts = [np.cumsum(sizes) - sizes for sizes in self._sizes]
        self._lists = self._counted(keep)
        self._counts = counts = self._lists[0]
        self._sums = np.concatenate([np.zeros(1, counts.dtype), np.cumsum(counts)])
        # Sums of so many positive numbers, each rounded to 53 bits.
        additions = len(counts) + sum(int(np.bincount(edges.sources).max()) for edges in graph.edges)
        self._error = 0.0 if counts.dtype == np.int64 else additions * 2.0**-52

    @property
    def is_exact(self) -> bool:
        """Whether nothing was rounded."""
        return self.rounding.is_exact and not self._error

    def at_most(self, cost: int) -> Between:
        """How many networks cost at most so much."""
        return self.within(self._offset + self.rounding.least - 1, cost)

    def within(self, least: int, most: int) -> Between:
        """How many networks have a cost in least..most."""
        surely = self._places(least - self.rounding.least, most - self.rounding.most)
        touched = self._places(least - self.rounding.most, most - self.rounding.least)
        # Added up anew: a difference of two sums over many cells would be as wrong as these.
        fewest, largest = (self._counts[begin:end].sum() for begin, end in (surely, touched))
        if not self._error:
            return Between(int(fewest), int(largest))
        return Between(
            max(0, math.floor(fewest * (1 - self._error))),
            min(self.graph.count(), math.ceil(largest * (1 + self._error))),
        )

    def kth(self, rank: int) -> Between:
        """The cost of the network at a place in the order of costs, from 1."""
        low = np.searchsorted(self._sums[1:], rank / (1 + self._error) if self._error else rank)
        high = np.searchsorted(self._sums[1:], rank / (1 - self._error) if self._error else rank)
        cells = int(self._low[0][0]) + np.minimum((low, high), len(self._sums) - 2)
        return Between(
            self._offset + int(cells[0]) * self.cell + self.rounding.least,
            self._offset + int(cells[1]) * self.cell + self.rounding.most,
        )

    def surely_drawn(self, least: int, most: int) -> float:
        """At least what share of the draws of `sample` falls into least..most; 0 where that is not known."""
        within = self.within(least, most)
        begin, end = self._places(least - self.rounding.most, most - self.rounding.least)
        drawn = float(self._sums[end] - self._sums[begin])
        return within.least / drawn if drawn else 0.0

    def estimated(self, least: int, most: int, draws: int) -> tuple[float, float]:
        """How many networks have a cost in least..most: an unbiased estimate by so many draws, and its standard error.

        Always the same one.
        """
        begin, end = self._places(least - self.rounding.most, most - self.rounding.least)
        touched = float(self._sums[end] - self._sums[begin])
        costs = self.graph.costs(self.drawn(np.random.default_rng(0), draws, least, most))
        inside = int(((costs >= least) & (costs <= most)).sum())
        return touched * inside / draws, touched * share_error(inside, draws)

    def sample(self, rng: random.Random, number: int, least: int, most: int) -> Vectors:
        """So many networks (number, length) with a cost in least..most, each time all equally likely.

        Fewer, possibly none, where the interval is so narrow that hardly any draw falls into it.
        """
        generator = np.random.default_rng(rng.getrandbits(128))
        found: list[Vectors] = []
        missing, batch = number, 0
        for _ in range(_MOST_BATCHES):
            if missing <= 0:
                break
            batch = min(max(2 * missing, 2 * batch, _LEAST_BATCH), _BATCH)
            vectors = self.drawn(generator, batch, least, most)
            costs = self.graph.costs(vectors)
            inside = vectors[(costs >= least) & (costs <= most)][:missing]
            found.append(inside)
            missing -= len(inside)
        return np.concatenate(found) if found else np.zeros((0, len(self.graph.layers)), dtype=np.uint8)

    def _places(self, least: int, most: int) -> tuple[int, int]:
        """The slice of all networks' cells whose costs, as they were rounded down, lie in least..most."""
        low, size = int(self._low[0][0]), len(self._sums) - 1
        begin = min(max(-((self._offset - least) // self.cell) - low, 0), size)
        return begin, min(max((most - self._offset) // self.cell + 1 - low, begin), size)

    def _size(self, over: list[Integers], work: float, numbers: float, keep: bool) -> int:
        """The width of a cell: the finest for which work and memory do, and a multiple of what divides all costs."""
        common = 0
        for costs in over:
            common = math.gcd(common, int(np.gcd.reduce(costs)))
        common = max(common, 1)
        spans = [
            most - least for least, most in zip(self._best(over, np.minimum), self._best(over, np.maximum), strict=True)
        ]
        additions = sum(
            float(span[edges.targets].sum()) for edges, span in zip(self.graph.edges, spans[1:], strict=True)
        )
        held = [float(span.sum()) for span in spans]
        finest = max(additions / work, (sum(held) if keep else max(held) * 2) / numbers)
        return max(1, math.ceil(finest / common)) * common

    def _best(self, costs: list[Integers], better: Any) -> list[Integers]:
        """The least or the most sum from each state on, with these costs for the edges; 0 where no way leads on."""
        found = [np.zeros(self.graph.states, dtype=np.int64)]
        worst = np.iinfo(np.int64).max if better is np.minimum else np.iinfo(np.int64).min
        for edges, of_edges in zip(reversed(self.graph.edges), reversed(costs), strict=True):
            here = np.full(self.graph.states, worst, dtype=np.int64)
            better.at(here, edges.sources, of_edges + found[-1][edges.targets])
            here[here == worst] = 0
            found.append(here)
        return found[::-1]

    def _counted(self, keep: bool) -> list[NDArray[Any]]:
        """For each layer the counts of all states one after another, by cells; only the first one's unless `keep`."""
        exact = self.graph.count() < 2**62
        dtype: np.dtype[Any] = np.dtype(np.int64 if exact else np.float64)
        last = np.zeros(int(self._sizes[-1].sum()), dtype)
        last[int(self._starts[-1][0])] = 1
        lists: list[NDArray[Any]] = [last]
        for index in range(len(self.graph.edges) - 1, -1, -1):
            edges, behind = self.graph.edges[index], lists[-1]
            here = np.zeros(int(self._sizes[index].sum()), dtype)
            sizes = self._sizes[index + 1][edges.targets]
            begins = self._starts[index + 1][edges.targets]
            lows = self._shifts[index] + self._low[index + 1][edges.targets] - self._low[index][edges.sources]
            places = self._starts[index][edges.sources] + lows
            for place, begin, size in zip(places.tolist(), begins.tolist(), sizes.tolist(), strict=True):
                here[place : place + size] += behind[begin : begin + size]
            lists = [*lists, here] if keep else [here]
        return lists[::-1]

    def drawn(self, generator: np.random.Generator, number: int, least: int, most: int) -> Vectors:
        """So many of those networks (number, length) that `within` counts at most, all equally likely; none of none."""
        begin, end = self._places(least - self.rounding.most, most - self.rounding.least)
        vectors = np.zeros((number, len(self.graph.edges)), dtype=np.uint8)
        weights = self._sums[end] - self._sums[begin]
        if not weights > 0:
            return vectors[:0]
        thrown = self._sums[begin] + _thrown(generator, np.full(number, weights))
        place = np.searchsorted(self._sums, thrown, side="right") - 1
        left, rest = place + int(self._low[0][0]), thrown - self._sums[place]
        states, rows = np.zeros(number, dtype=np.int64), np.arange(number)
        for index, step in enumerate(self._steps):
            cells = left[:, None]
            possible = (cells >= step.firsts[states]) & (cells < step.ends[states])
            ways = np.where(
                possible, self._lists[index + 1].take(np.where(possible, cells + step.places[states], 0)), 0
            )
            sums = ways.cumsum(axis=1)
            if sums.dtype != np.int64:
                # What is left of a rounded number says nothing any more after some steps.
                rest = _thrown(generator, sums[:, -1])
            chosen = (sums <= rest[:, None]).sum(axis=1)
            rest = rest - (sums[rows, chosen] - ways[rows, chosen])
            vectors[:, index] = chosen
            left, states = left - step.shifts[states, chosen], step.after[states, chosen]
        return vectors

    @cached_property
    def _steps(self) -> list[_Step]:
        found = []
        for index, (layer, edges, of_edges) in enumerate(
            zip(self.graph.layers, self.graph.edges, self._shifts, strict=True)
        ):
            step = _Step(*np.zeros((5, self.graph.states, layer.after.shape[1]), dtype=np.int64))
            at, behind = (edges.sources, edges.choices), edges.targets
            step.after[at], step.shifts[at] = behind, of_edges
            step.firsts[at] = of_edges + self._low[index + 1][behind]
            step.ends[at] = step.firsts[at] + self._sizes[index + 1][behind]
            step.places[at] = self._starts[index + 1][behind] - step.firsts[at]
            found.append(step)
        return found


class _Step(NamedTuple):
    """One layer by state and choice (states, choices): the state behind it, and the cells that the step takes.

    Of the cells that are left before it, those from `firsts` to `ends` - 1 lead on; cell plus `places` is where the
    numbers of ways behind it stand. None do where there is no such choice.
    """

    after: Integers
    shifts: Integers
    firsts: Integers
    ends: Integers
    places: Integers


def share_error(inside: int, draws: int) -> float:
    """The standard error of a share by so many draws; more than 0 where all or none are inside, too."""
    share = (inside + 1) / (draws + 2)
    return math.sqrt(share * (1 - share) / draws)


def _thrown(generator: np.random.Generator, weights: NDArray[Any]) -> NDArray[Any]:
    """A random number for each weight, at least 0 and less than it."""
    if weights.dtype == np.int64:
        return generator.integers(0, weights)
    return np.minimum(generator.random(len(weights)) * weights, np.nextafter(weights, 0))
