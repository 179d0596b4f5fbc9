"""The candidates of a space: its architectures within an interval of latency and within limits of other costs.

Whatever the size of the space, they are counted and drawn without listing it (see search/latency/counting.py).
"""

from __future__ import annotations

import math
import random
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.errors import ArchitectureError
from search.costs import Limits, checked_limits, cost_bound, ends, in_words
from search.latency import LatencyTable
from search.latency.counting import Count
from search.latency.graphs import Bound
from search.latency.listing import listed
from search.latency.overview import Overview, whole
from search.spaces import Space
from search.spaces.vectors import Vectors
from search.strategies.boxes import Boxes
from search.strategies.candidates import Candidates
from search.strategies.drawing import MOST_DRAWS, Drawing, counted
from search.strategies.pruning import Pruning

# So many candidates are held as a list, and everything that is told of them is exact.
LISTED_AT_MOST = 300_000


class SpaceCandidates(Candidates):
    """Architectures of `space` whose latency by `table` lies in `interval` (least, most; ms), within all `limits`.

    `limits` leave out more, by cost: the most that a candidate may have, or (least, most); see search/costs.py.
    Vectors are the space's own; costs are latencies in ms. UnsupportedError lists the parts of the space that are not
    in the table. ArchitectureError where no architecture is left: it says what each limit leaves out, and which
    latencies there are.
    """

    def __init__(
        self,
        space: Space,
        table: LatencyTable,
        interval: tuple[float, float] = (0.0, math.inf),
        limits: Limits | None = None,
    ) -> None:
        self.space = space
        self.table = table
        self.interval = interval
        self.limits = checked_limits(limits, space, table)
        self.overview = Overview(space, table)
        self.heights = space.heights
        self._latency = Bound(self.overview.graph, *self.overview.nanoseconds(interval))
        #: What is limited, by name: "latency" and costs.
        self.bounds = {"latency": self._latency}
        self.bounds |= {name: cost_bound(space, name, limit, table) for name, limit in self.limits.items()}
        self._check()

    def costs(self, vectors: Vectors) -> NDArray[np.float64]:
        return self.table.milliseconds(self._latency.graph.costs(vectors))

    def contains(self, vectors: Vectors) -> NDArray[np.bool_]:
        inside = self.space.holds(vectors)
        for bound in self.bounds.values():
            inside[inside] = bound.holds(vectors[inside])
        return inside

    def changed(self, vectors: Vectors) -> NDArray[np.bool_]:
        """As in `Candidates`, without looking at each vector whole."""
        inside: NDArray[np.bool_] | None = None
        for graph, least, most in self.bounds.values():
            there, costs = graph.changed(vectors)
            within = there & (costs >= least) & (costs <= most)
            inside = within if inside is None else inside & within
        assert inside is not None
        return inside

    def count(self) -> int | None:
        found = self.counted()
        return None if found.error else found.number

    def counted(self) -> Count:
        return self._counted

    @cached_property
    def _counted(self) -> Count:
        rest = self.listed()
        return self._drawing.counted() if rest is None else Count(len(rest))

    def listed(self) -> Vectors | None:
        return self._listed

    @cached_property
    def _listed(self) -> Vectors | None:
        first, *others = self.bounds.values()
        return listed(*first, LISTED_AT_MOST, others)

    def sample(self, rng: random.Random, number: int) -> Vectors:
        rest = self.listed()
        if rest is not None:
            return rest[[rng.randrange(len(rest)) for _ in range(number if len(rest) else 0)]]
        return self._drawing.sample(rng, number)

    def left_by(self, pruning: Pruning) -> Boxes:
        return Boxes(list(self.bounds.values()), pruning, lambda ms: self.overview.nanoseconds((-math.inf, ms))[1])

    def left_out(self) -> dict[str, Count]:
        """How many of the whole space each limit leaves out, by name; one architecture may be left out by several."""
        inside = {name: counted(bound) for name, bound in self.bounds.items()}
        return {name: Count(self.space.count() - number, error) for name, (number, error) in inside.items()}

    @cached_property
    def _drawing(self) -> Drawing:
        return Drawing(list(self.bounds.values()))

    def _check(self) -> None:
        """ArchitectureError where there is no candidate."""
        if len(self.sample(random.Random(0), 1)):
            return
        if not self.overview.within(self.interval).most:
            least, most = self.interval
            fastest, slowest = self.overview.fastest.ms, self.overview.slowest.ms
            raise ArchitectureError(
                f"space {self.space}: no architecture's latency is {in_words('latency', least, most)}: "
                f"it has {in_words('latency', fastest, slowest)}{self._nearest()}"
            )
        left_out = ", ".join(f"{name} {_words(number)}" for name, number in self.left_out().items())
        surely = "" if self.listed() is not None else f" in {MOST_DRAWS:,} draws"
        raise ArchitectureError(
            f"space {self.space}: no architecture meets all limits together{surely}: of {self.space.count():,} "
            f"are left out by {left_out}"
        )

    def verdicts(self) -> list[str]:
        """What each limit but that of latency asks, what the space has, and how many of it lie within; a line each."""
        total, left_out = self.space.count(), self.left_out()
        found = []
        for name, limit in self.limits.items():
            (least, _), (most, _) = ends(self.space, name, self.table)
            inside = _words(Count(total - left_out[name].number, left_out[name].error))
            has = f"the space has {in_words(name, least, most)}"
            found.append(f"{name} {in_words(name, *limit)}: {inside} of {whole(total)} architectures; {has}")
        return found

    def _nearest(self) -> str:
        """The latencies on both sides of the interval, where it lies between those of the space."""
        nearest = self.overview.nearest(self.interval)
        return f", the nearest {nearest[0]:.6g} and {nearest[1]:.6g} ms" if nearest else ""


def _words(number: Count) -> str:
    return f"{'about ' if number.error else ''}{whole(number.number)}"
