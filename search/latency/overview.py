"""The latencies of a whole space before any work: its ends, its middle, how many lie in an interval, a histogram."""

from __future__ import annotations

import math
import random
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from prototxt_gen.errors import UnsupportedError
from search.latency.cells import Between
from search.latency.counting import Counting
from search.latency.curves import first_whole
from search.latency.predicting import space_graph, space_parts
from search.latency.table import LatencyTable
from search.spaces import Architecture, Space

# Bounds of more digits than this are shortened, and known numbers of more than that.
_DIGITS, _EXACT_DIGITS = 15, 30

# Edges of a histogram's rows within a factor of ten, in hundredths: preferred numbers (ISO 3), the finest first.
_SERIES = ((100, 125, 160, 200, 250, 315, 400, 500, 630, 800), (100, 160, 250, 400, 630), (100, 200, 500), (100,))


class Placed(NamedTuple):
    """A network of a space and its predicted latency in ms."""

    architecture: Architecture
    ms: float


class Row(NamedTuple):
    """One row of a histogram: networks of more than `above` and at most `most` ms; how many there are."""

    above: float
    most: float
    networks: Between


class Overview:
    """The latencies that a table predicts for all networks of a space.

    UnsupportedError lists the parts of the space that are not in the table. Every interval holds both its ends.
    """

    def __init__(self, space: Space, table: LatencyTable) -> None:
        missing = table.missing(space_parts(space).values())
        if missing:
            raise UnsupportedError(f"{space}: not in the latency table: {', '.join(missing)}")
        self.space = space
        self.graph = space_graph(space, table.part_nanoseconds, table.base_nanoseconds)
        self.total = space.count()
        self._table = table

    @cached_property
    def counting(self) -> Counting:
        """The counts behind all of this, made when they are first needed. UnsupportedError for monstrous spaces."""
        return Counting(self.graph)

    @cached_property
    def fastest(self) -> Placed:
        """The fastest network; one of them, where several are equally fast."""
        nanoseconds, vector = self.graph.cheapest()
        return Placed(self.space.decode(vector), self.ms(nanoseconds))

    @cached_property
    def slowest(self) -> Placed:
        """The slowest network; one of them, where several are equally slow."""
        nanoseconds, vector = self.graph.dearest()
        return Placed(self.space.decode(vector), self.ms(nanoseconds))

    @cached_property
    def middle_ms(self) -> tuple[float, float]:
        """The median of all latencies, the lower one of an even number: the least and the most ms that it can be."""
        least, most = self.counting.kth((self.total + 1) // 2)
        return self.ms(least), self.ms(most)

    @cached_property
    def middle(self) -> Placed:
        """A network of the median latency, or where that is known within bounds only, one near it."""
        vector = self.counting.near((self.total + 1) // 2)
        return Placed(self.space.decode(vector), self.ms(int(self.graph.costs(vector[None])[0])))

    def within(self, interval: tuple[float, float]) -> Between:
        """How many networks have a latency in an interval, (least, most) in ms."""
        least, most = self.nanoseconds(interval)
        fastest, slowest = self.graph.cheapest()[0], self.graph.dearest()[0]
        if most < fastest or least > slowest:
            return Between(0, 0)
        if least <= fastest and most >= slowest:
            return Between(self.total, self.total)
        return self.counting.within(least, most)

    def slowest_within(self, interval: tuple[float, float]) -> Placed | None:
        """The slowest network of an interval, (least, most) in ms; None where there is none, or it is not known."""
        least, most = self.nanoseconds(interval)
        cost = self.counting.dearest_of(most)
        if cost is None or cost < least:
            return None
        vector = self.counting.sample(random.Random(0), 1, cost, cost)[0]
        return Placed(self.space.decode(vector), self.ms(cost))

    def sample(self, rng: random.Random, number: int, interval: tuple[float, float]) -> list[Architecture]:
        """So many networks whose latency lies in an interval, (least, most) in ms, each time all equally likely.

        None where there are none; see `Counting.sample`.
        """
        vectors = self.counting.sample(rng, number, *self.nanoseconds(interval))
        return [self.space.decode(vector) for vector in vectors]

    def histogram(self, rows: int = 24) -> list[Row]:
        """How many networks each of at most about so many rows holds, from the fastest to the slowest.

        Rows are equally wide, or where the slowest takes more than ten times as long as the fastest, have equal ratios.
        """
        edges = _edges(round(self.fastest.ms * 1e6), round(self.slowest.ms * 1e6), rows)
        sums = [self.nanoseconds((0.0, edge / 1e6))[1] for edge in edges]
        # Where predictions are no whole nanoseconds, an end may lie between two edges by a rounding.
        sums[0], sums[-1] = min(sums[0], self.graph.cheapest()[0] - 1), max(sums[-1], self.graph.dearest()[0])
        return [
            Row(above / 1e6, most / 1e6, number)
            for (above, most), number in zip(pairwise(edges), self.counting.between(sums), strict=True)
        ]

    def verdict(self, interval: tuple[float, float]) -> str:
        """Whether the interval, (least, most) in ms, can be met, by how many networks, or by how much not."""
        least, most = interval
        wanted = interval_words(interval)
        number = self.within(interval)
        if number.least > 0:
            return f"{wanted}: can be met: {self.share(number)}"
        if number.most > 0:
            return f"{wanted}: may be met: {self.share(number)}"
        if most < self.fastest.ms:
            over = self.fastest.ms - most
            share = f" ({whole(round(100 * over / most))} % of the limit)" if most > 0 else ""
            found = f"the fastest takes {self.fastest.ms:.6g} ms, {over:.6g} ms too many{share}"
            return f"{wanted}: cannot be met: {found}"
        if least > self.slowest.ms:
            found = f"the slowest takes {self.slowest.ms:.6g} ms, {least - self.slowest.ms:.6g} ms less than the least"
            return f"{wanted}: cannot be met: {found}"
        nearest = self.nearest(interval)
        found = f"the nearest take {nearest[0]:.6g} and {nearest[1]:.6g} ms" if nearest else "no network lies there"
        return f"{wanted}: cannot be met: {found}"

    def share(self, number: Between) -> str:
        """So many of the space's networks, and their share, in words."""
        shares = [_share(end, self.total, towards) for end, towards in zip(number, (-1, 1), strict=True)]
        share = _share(number.least, self.total, 0) if number.is_exact else " to ".join(shares)
        return f"{bounds(number)} of {whole(self.total)} architectures ({share})"

    def nearest(self, interval: tuple[float, float]) -> tuple[float, float] | None:
        """The latencies on both sides of an interval that holds none; None where they are not known, or one is not."""
        fastest = self.graph.cheapest()[0]
        below = self.counting.within(fastest, self.nanoseconds(interval)[0] - 1)
        if not below.is_exact or not 0 < below.least < self.total:
            return None
        sides = [self.counting.kth(rank) for rank in (below.least, below.least + 1)]
        if not all(side.is_exact for side in sides):
            return None
        return self.ms(sides[0].least), self.ms(sides[1].least)

    def nanoseconds(self, interval: tuple[float, float]) -> tuple[int, int]:
        """The whole nanoseconds whose milliseconds, as predictions are given, lie in an interval."""
        least, most = interval
        return first_whole(lambda one: self.ms(one) >= least), first_whole(lambda one: self.ms(one) > most) - 1

    def ms(self, nanoseconds: int) -> float:
        """The prediction of networks whose parts sum to so many nanoseconds."""
        return float(self._table.milliseconds(nanoseconds))


def _edges(fastest: int, slowest: int, rows: int) -> list[int]:
    """The ends of a histogram's rows in nanoseconds: round numbers, the first below `fastest`."""
    if 0 < fastest * 10 < slowest:
        for series in _SERIES:
            edges = [step * 10**power // 100 for power in range(22) for step in series]
            inner = [edge for edge in edges if fastest <= edge < slowest]
            if len(inner) < rows or series == _SERIES[-1]:
                before = [edge for edge in edges if edge < fastest]
                return [before[-1] if before else 0, *inner, edges[len(before) + len(inner)]]
    step = next(
        step * 10**power for power in range(20) for step in (1, 2, 5) if step * 10**power * rows >= slowest - fastest
    )
    first = -(-fastest // step) - 1
    return [place * step for place in range(first, max(first + 1, -(-slowest // step)) + 1)]


def interval_words(interval: tuple[float, float]) -> str:
    """An interval, (least, most) in ms, in words."""
    least, most = interval
    if math.isinf(most):
        return f"at least {least:.6g} ms" if least > 0 else "any latency"
    return f"{least:.6g} to {most:.6g} ms" if least > 0 else f"at most {most:.6g} ms"


def bounds(number: Between) -> str:
    """A number in words: itself, or between what and what it lies."""
    if number.is_exact:
        return whole(number.least)
    return f"between {whole(number.least, -1)} and {whole(number.most, 1)}"


def whole(number: int, towards: int = 0) -> str:
    """A whole number; a long one in six digits, rounded down where `towards` is -1 and up where it is 1."""
    if number < 10 ** (_DIGITS if towards else _EXACT_DIGITS):
        return f"{number:,}"
    power = len(str(number)) - 1
    digits, rest = divmod(number, 10 ** (power - 5))
    digits += towards > 0 and rest > 0
    if digits == 10**6:
        digits, power = 10**5, power + 1
    return f"{'' if towards else 'about '}{digits / 10**5:.5f}e{power}"


def _share(number: int, total: int, towards: int) -> str:
    """A share in words, rounded to the nearest, or down or up where `towards` is -1 or 1."""
    if number and number * 10_000 < total:
        return f"one in {whole(-(-total // number) if towards < 0 else total // number, -towards)}"
    # Hundredths of a percent, or of hundredths.
    parts = 10_000 if number * 100 >= total else 1_000_000
    share = (number * parts + (0, total // 2, total - 1)[towards + 1]) // total
    return f"{100 * share / parts:g} %"
