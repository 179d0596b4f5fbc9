"""What every space offers: its size, its architectures by place, by chance and in order, as specs and as vectors.

A space's vectors have one whole number for each choice that it leaves, in the order that its kind of space says. They
are ordered elementwise: no coordinate of a smaller architecture is larger (see search/strategies/order.py). The places
of a space, 0 to count() - 1, follow its vectors in the order of words: the first coordinate counts most.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.architectures import Backbone, Decoder
from prototxt_gen.errors import ArchitectureError
from search.spaces.vectors import Vectors
from search.spaces.ways import Integers, Ways

Architecture: TypeAlias = Backbone | Decoder

# Above this, listing a space takes minutes and gigabytes. Counting and drawing have no limit.
LISTED_AT_MOST = 30_000_000

# Vectors that are made at a time.
ROWS = 16384


class Space(ABC):
    """The architectures that a search may choose from. `str(space)` is its code, which `parse_space` reads.

    `input_shape` (1, channels, height, width) and `classes` are the same for all.
    """

    input_shape: tuple[int, int, int, int]
    classes: int

    @property
    @abstractmethod
    def heights(self) -> tuple[NDArray[np.float64], ...]:
        """For each coordinate how large each of its values is, ascending in 0..1: 0 an absent block or the least.

        Widths and channels by their logarithm; an absent block stands as far below the narrowest as half its width.
        """

    @property
    @abstractmethod
    def columns(self) -> tuple[Any, ...]:
        """What each coordinate is about, hashable. Where two are equal, so are their steps and their pieces."""

    @property
    @abstractmethod
    def steps(self) -> tuple[Integers, ...]:
        """The space as ways through states, column by column; see `Ways`."""

    @property
    @abstractmethod
    def common(self) -> tuple[Any, ...]:
        """The pieces that all networks of the space have: hashable, and ordered among those of one type."""

    @abstractmethod
    def pieces(self, column: Any, state: int, value: int) -> tuple[Any, ...]:
        """The pieces that a network gets by a choice: by the value of a column of this kind, in this state.

        A piece stands for one part of networks (see prototxt_gen/generator/parts.py): equal pieces have parts of equal
        `joined_key`, whatever else the networks are made of.
        """

    @abstractmethod
    def index_of(self, piece: Any, column: int, vector: Vectors) -> int:
        """Where a network, given as a vector (length,), has the part of a piece that a column brings.

        An index into its parts, from their end where it is negative.
        """

    @abstractmethod
    def encode(self, architecture: object) -> Vectors:
        """The vector (length,) of an architecture. ArchitectureError when it is not in the space."""

    @abstractmethod
    def decode(self, vector: Vectors) -> Architecture:
        """The architecture of a vector (length,) of the space."""

    @property
    def length(self) -> int:
        """How many coordinates a vector has."""
        return len(self.steps)

    @cached_property
    def ways(self) -> Ways:
        """The vectors as ways through states."""
        return Ways(self.steps)

    def through(self, column: int, state: int, value: int) -> Vectors:
        """One of the vectors (length,) that take this value in this column, coming there in this state.

        Which one is open: parts are cut from few networks where several choices are met in one.
        """
        return self.ways.through(column, state, value)

    def count(self) -> int:
        """The exact number of architectures, however large."""
        return self.ways.count()

    def __len__(self) -> int:
        """As `count`, for spaces that fit Python's len() (2^63); OverflowError beyond."""
        return self.count()

    def __contains__(self, architecture: object) -> bool:
        try:
            self.encode(architecture)
        except ArchitectureError:
            return False
        return True

    def __iter__(self) -> Iterator[Architecture]:
        """Every architecture once, in the order of `at`, made as they are asked for."""
        return self.between(0, self.count())

    def between(self, start: int, stop: int) -> Iterator[Architecture]:
        """The architectures at the places start..stop - 1, in order, made as they are asked for. IndexError outside."""
        return (self.decode(vector) for vectors in self.vectors(start, stop) for vector in vectors)

    def at(self, place: int) -> Architecture:
        """The architecture at a place, 0 <= place < count(). IndexError outside."""
        return self.decode(self.vector_at(place))

    def rank(self, architecture: object) -> int:
        """The place of an architecture: `at` backwards. ArchitectureError when it is not in the space."""
        return self.rank_of(self.encode(architecture))

    def vector_at(self, place: int) -> Vectors:
        """As `at`, as a vector (length,)."""
        if not 0 <= place < self.count():
            raise IndexError(f"place {place} of a space of {self.count()}")
        return self.ways.vector_at(place)

    def rank_of(self, vector: Vectors) -> int:
        """As `rank`, of a vector (length,)."""
        return self.ways.place_of(vector)

    def sample(self, rng: random.Random) -> Architecture:
        """One architecture, all equally likely."""
        return self.at(rng.randrange(self.count()))

    def holds(self, vectors: Vectors) -> NDArray[np.bool_]:
        """Which (n,) of any vectors (n, length) are of the space. ArchitectureError for vectors of another length."""
        return self.ways.holds(vectors)

    def vectors(self, start: int | None = None, stop: int | None = None, rows: int = ROWS) -> Iterator[Vectors]:
        """The vectors at the places start..stop - 1, as arrays (n, length) of at most so many rows, made one by one.

        ArchitectureError when a space of more than LISTED_AT_MOST is asked for whole; any range of it can be had.
        IndexError outside the space.
        """
        count = self.count()
        if start is None and stop is None and count > LISTED_AT_MOST:
            raise ArchitectureError(
                f"space {self}: {count:,} architectures, at most {LISTED_AT_MOST:,} can be listed; "
                "give fewer widths or depths"
            )
        first, last = start or 0, count if stop is None else stop
        if not 0 <= first <= last <= count:
            raise IndexError(f"places {first} to {last} of a space of {count}")
        return (self.ways.vectors(begun, min(begun + rows, last)) for begun in range(first, last, rows))
