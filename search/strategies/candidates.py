"""What a strategy chooses from: candidates as vectors of ordered coordinates, whose cost is known.

A vector holds one number for each coordinate, from 0 for the least value on. The order of the vectors is elementwise:
x <= y where no coordinate of x is larger. It is assumed that x <= y means that x costs no more and is no more accurate.
A strategy sees candidates in this form alone, so that it works on any space, and on tables of networks that others have
trained.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.errors import ArchitectureError, UnsupportedError
from search.latency.counting import Count
from search.spaces.vectors import Vectors

if TYPE_CHECKING:
    from search.strategies.pruning import Pruning

# Draws for each candidate, before those that are left are looked up one by one.
_TRIES = 8

# Where so many draws in a row give only what was there before, there is hardly anything else.
_FRUITLESS = 10_000

# So many times in a row it may come to fewer than were asked for, all of them there before.
_SHORT = 4


class Rest(Protocol):
    """Some of the candidates, of which hardly any are left."""

    def counted(self) -> Count:
        """How many: exactly, or an unbiased estimate."""

    def listed(self) -> Vectors | None:
        """All of them (n, length), or None where they are too many to list."""

    def sample(self, rng: random.Random, number: int) -> Vectors:
        """So many (number, length), each time all equally likely; fewer where they can hardly be found."""


class Candidates(ABC):
    """The architectures that a search may train: those of a space that lie within all limits.

    `heights` says how large each value of each coordinate is, in 0..1, ascending: 0 for an absent block or the least
    value, 1 for the largest; widths by their logarithm.
    """

    heights: tuple[NDArray[np.float64], ...]

    @property
    def length(self) -> int:
        """How many coordinates a vector has."""
        return len(self.heights)

    @abstractmethod
    def count(self) -> int | None:
        """The exact number of candidates; None where it is too large to be known."""

    def counted(self) -> Count:
        """As `count`, or an unbiased estimate with its standard error. UnsupportedError where there is none."""
        exactly = self.count()
        if exactly is None:
            raise UnsupportedError("candidates: their number is not known")
        return Count(exactly)

    @abstractmethod
    def costs(self, vectors: Vectors) -> NDArray[np.float64]:
        """The costs (n,) of vectors (n, length), all of the space: latency in ms, where nothing else is said."""

    @abstractmethod
    def contains(self, vectors: Vectors) -> NDArray[np.bool_]:
        """Which (n,) of any vectors (n, length) are candidates: of the space, and within all limits."""

    @abstractmethod
    def sample(self, rng: random.Random, number: int) -> Vectors:
        """So many candidates (number, length), each time all equally likely.

        Fewer where they can hardly be found, none where there are none.
        """

    def listed(self) -> Vectors | None:
        """All candidates (n, length), each once; None where there are too many to list, or nobody can list them."""
        return None

    def draw(self, rng: random.Random, number: int, without: Vectors) -> Vectors:
        """Up to so many candidates (number, length), all different and none of `without` (m, length).

        Each is drawn evenly from those that are left then. Fewer come where fewer are left, or where hardly any are
        among very many.
        """
        taken = {vector.tobytes() for vector in np.ascontiguousarray(without, dtype=np.uint8)}
        found: list[Vectors] = []

        def take(vectors: Iterable[Vectors]) -> None:
            for vector in vectors:
                if vector.tobytes() not in taken:
                    taken.add(vector.tobytes())
                    found.append(vector)

        rest = self.listed()
        if rest is None:
            fruitless = 0
            while len(found) < number and fruitless < _FRUITLESS:
                before, wanted = len(found), number - len(found) + fruitless
                drawn = self.sample(rng, wanted)
                if not len(drawn):
                    break
                take(drawn)
                # Fewer than were asked for stand for all the draws that found nothing.
                fruitless += len(drawn) if len(drawn) == wanted else max(len(drawn), _FRUITLESS // _SHORT)
                fruitless = 0 if len(found) > before else fruitless
            found = found[:number]
        else:
            for _ in range(_TRIES * number if len(rest) else 0):
                if len(found) < number:
                    take([rest[rng.randrange(len(rest))]])
            if len(found) < number:
                left = [place for place, vector in enumerate(rest) if vector.tobytes() not in taken]
                take(rest[rng.sample(left, min(number - len(found), len(left)))])
        return np.array(found, dtype=np.uint8).reshape(-1, self.length)

    def left_by(self, pruning: Pruning) -> Rest | None:
        """What a rule leaves of the candidates, where it leaves hardly any; None where that is not looked for."""
        return None

    def neighbours(self, vector: Vectors) -> Vectors:
        """The candidates (n, length) one step away: a coordinate's next larger or next smaller value that there is."""
        return self.neighbours_of(vector[None])[0]

    def neighbours_of(self, vectors: Vectors) -> list[Vectors]:
        """The neighbours of each of some candidates (m, length)."""
        rows = np.ascontiguousarray(vectors, dtype=np.uint8)
        steps = self.changed(rows)
        of, place, value = np.nonzero(steps)
        now = rows[of, place]
        # Of each coordinate and direction the nearest.
        way, apart = 2 * (of * self.length + place) + (value > now), np.abs(value - now.astype(np.intp))
        order = np.lexsort((apart, way))
        order = order[apart[order] > 0]
        order = order[np.unique(way[order], return_index=True)[1]]
        found = rows[of[order]]
        found[np.arange(len(found)), place[order]] = value[order]
        return np.split(found, np.searchsorted(of[order], np.arange(1, len(rows)))) if len(rows) else []

    def changed(self, vectors: Vectors) -> NDArray[np.bool_]:
        """Which single changes of candidates (m, length) lead to others: (m, length, values), by place and new value.

        What it says of the values that they have means nothing.
        """
        levels = [len(heights) for heights in self.heights]
        inside = np.zeros((len(vectors), self.length, max(levels, default=0)), dtype=bool)
        inside[:] = np.arange(inside.shape[2]) < np.array(levels, dtype=np.intp)[:, None]
        inside &= np.arange(inside.shape[2]) != vectors[:, :, None]
        of, place, value = np.nonzero(inside)
        rows = np.ascontiguousarray(vectors, dtype=np.uint8)[of]
        rows[np.arange(len(rows)), place] = value
        inside[of, place, value] = self.contains(rows)
        return inside


class ListedCandidates(Candidates):
    """Candidates that are all known: rows of a table, vectors (n, length), with their costs (n,).

    Without `heights`, the values of a coordinate are equally far apart. ArchitectureError where a row stands twice, or
    where rows and costs are not equally many.
    """

    def __init__(
        self, vectors: Vectors, costs: Sequence[float], heights: Sequence[NDArray[np.float64]] | None = None
    ) -> None:
        self.vectors = np.ascontiguousarray(vectors, dtype=np.uint8)
        self._costs = np.asarray(costs, dtype=np.float64)
        if len(self.vectors) != len(self._costs):
            raise ArchitectureError(f"candidates: found {len(self.vectors)} vectors and {len(self._costs)} costs")
        self._places = {vector.tobytes(): place for place, vector in enumerate(self.vectors)}
        if len(self._places) != len(self.vectors):
            raise ArchitectureError(f"candidates: found {len(self.vectors) - len(self._places)} vectors more than once")
        if heights is None:
            levels = self.vectors.max(axis=0, initial=0).astype(int) + 1
            heights = [np.arange(count) / max(count - 1, 1) for count in levels]
        self.heights = tuple(np.asarray(values, dtype=np.float64) for values in heights)

    def places(self, vectors: Vectors) -> NDArray[np.intp]:
        """The rows (n,) of vectors (n, length); -1 for those that are not in the table."""
        rows = np.ascontiguousarray(vectors, dtype=np.uint8)
        return np.array([self._places.get(vector.tobytes(), -1) for vector in rows], dtype=np.intp)

    def count(self) -> int:
        return len(self.vectors)

    def costs(self, vectors: Vectors) -> NDArray[np.float64]:
        return self._costs[self.places(vectors)]

    def contains(self, vectors: Vectors) -> NDArray[np.bool_]:
        return self.places(vectors) >= 0

    def listed(self) -> Vectors:
        return self.vectors

    def sample(self, rng: random.Random, number: int) -> Vectors:
        return self.vectors[[rng.randrange(len(self.vectors)) for _ in range(number)]]
