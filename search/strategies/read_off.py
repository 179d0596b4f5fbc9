"""The strategy `ponas`: the networks that a table of accuracies chooses, under limits spread over the latencies.

Nothing is learnt from results: which networks there are, and in which order, follows from the table and the limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.errors import ArchitectureError
from search.spaces.ponas import PonasSpace
from search.spaces.vectors import Vectors
from search.strategies.accuracy_table import AccuracyTable
from search.strategies.candidates import Candidates
from search.strategies.chooser import Chooser
from search.strategies.choosing import LATENCY, TableChoices, space_of
from search.strategies.space_candidates import SpaceCandidates
from search.strategies.unpruned import Unpruned

#: Under how many limits of latency, evenly spaced, networks are chosen; the same one comes under several.
LIMITS = 200


class ReadOff(Chooser):
    """The networks that lose least by a table, under the limit of latency itself first, then spread over the others.

    The first is the one for the longest latency allowed, then comes the fastest one, then always the one whose latency
    is farthest from all before it: so the first few of them are networks for limits far apart, however many are asked
    for later.
    """

    name = "ponas"

    def __init__(self, candidates: Candidates, seed: int = 0, accuracies: AccuracyTable | None = None) -> None:
        """ArchitectureError without a table, and for one of another space than the candidates are of."""
        super().__init__(candidates, seed)
        self.whole = candidates.whole if isinstance(candidates, Unpruned) else candidates
        if accuracies is None or not isinstance(self.whole, SpaceCandidates):
            raise ArchitectureError(f"strategy {self.name}: found no table of accuracies, expected one of the space")
        if str(space_of(accuracies)) != str(self.whole.space):
            raise ArchitectureError(
                f"strategy {self.name}: found a table of {accuracies.space}, expected one of {self.whole.space}"
            )
        self.accuracies = accuracies

    @classmethod
    def of(
        cls, candidates: Candidates, seed: int, accuracies: AccuracyTable | None, networks: Sequence[str] = ()
    ) -> ReadOff:
        if networks:
            raise ArchitectureError(f"strategy {cls.name}: found a list of networks, which it does not read")
        return cls(candidates, seed, accuracies)

    def ask(self, number: int, training: Vectors) -> Vectors:
        results = self.results
        taken = {row.tobytes() for part in (results.vectors, results.failed, training) for row in np.asarray(part)}
        left = [row for row in self.chosen if row.tobytes() not in taken and self.candidates.contains(row[None])[0]]
        return np.array(left[:number], dtype=np.uint8).reshape(-1, self.candidates.length)

    def foretold(self, vectors: Vectors) -> NDArray[np.float64]:
        space = self._space
        choices = np.array([space.choices_of(space.decode(vector)) for vector in vectors], dtype=np.int64)
        return self.accuracies.expected(self.accuracies.loss(choices.reshape(-1, len(space.rows))))

    @property
    def _space(self) -> PonasSpace:
        assert isinstance(self.whole, SpaceCandidates) and isinstance(self.whole.space, PonasSpace)
        return self.whole.space

    @cached_property
    def chosen(self) -> Vectors:
        """All networks that may be asked for (n, length), in that order.

        ArchitectureError where the table chooses none that is within all limits, as limits from below may leave none.
        """
        whole = self.whole
        assert isinstance(whole, SpaceCandidates)
        choices = TableChoices(self.accuracies, whole.table)
        most = {name: limit[1] for name, limit in whole.limits.items()}
        least, longest = whole.interval
        found = choices.boundary(LATENCY, LIMITS, most, least=least, most=longest)
        vectors = np.array([whole.space.encode(one.architecture) for one in found], dtype=np.uint8)
        vectors = vectors[whole.contains(vectors)]
        if not len(vectors):
            raise ArchitectureError(
                f"strategy {self.name}: none of the networks that the table chooses is within all limits"
            )
        return vectors[_spread(whole.costs(vectors))]


def _spread(costs: NDArray[np.float64]) -> list[int]:
    """Places (n,): the largest cost, the smallest, then always what is farthest from all before."""
    order = [int(costs.argmax())]
    far = np.abs(costs - costs[order[0]])
    for _ in range(len(costs) - 1):
        far[order[-1]] = -1.0
        order.append(int(far.argmax()))
        far = np.minimum(far, np.abs(costs - costs[order[-1]]))
    return order
