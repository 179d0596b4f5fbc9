"""What every strategy of choosing offers: which candidates to train next.

A new strategy is a file with a class of this kind and a line in `search/strategies/registry.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.errors import ArchitectureError
from search.spaces.vectors import Vectors
from search.strategies.accuracy_table import AccuracyTable
from search.strategies.candidates import Candidates
from search.strategies.spread import share_of, spread_of


class Results:
    """What was told so far: trained candidates in the order in which they were first told.

    `vectors` (n, length); `costs` (n,); of each candidate's runs (one a seed) the mean accuracy in 0..1 in
    `accuracies` (n,) and their number in `runs` (n,). `failed` (m, length) are those whose training came to no
    accuracy: they are not trained again. A candidate may be told several times, once for each seed.
    """

    def __init__(self, length: int) -> None:
        self.vectors: Vectors = np.zeros((0, length), dtype=np.uint8)
        self.failed: Vectors = np.zeros((0, length), dtype=np.uint8)
        self.costs: NDArray[np.float64] = np.zeros(0)
        self._runs: list[list[float]] = []
        self._places: dict[bytes, int] = {}

    @property
    def accuracies(self) -> NDArray[np.float64]:
        return np.array([sum(runs) / len(runs) for runs in self._runs])

    @property
    def runs(self) -> NDArray[np.intp]:
        return np.array([len(runs) for runs in self._runs], dtype=np.intp)

    def runs_of(self, vector: Vectors) -> list[float]:
        """The accuracies of a candidate's runs, as they were told; none where it was not trained."""
        place = self._places.get(np.asarray(vector, dtype=np.uint8).tobytes())
        return [] if place is None else list(self._runs[place])

    def spread(self) -> float | None:
        """The standard deviation of a run, as `spread_of` measures it; None where too few were run twice."""
        return spread_of(self._runs)

    def error_spread(self) -> float | None:
        """The same as a share of the error, as `share_of` measures it."""
        return share_of(self._runs)

    def places(self, vectors: Vectors) -> NDArray[np.intp]:
        """The rows (n,) of candidates (n, length) in these results; -1 for those that were not trained."""
        rows = np.ascontiguousarray(vectors, dtype=np.uint8)
        return np.array([self._places.get(row.tobytes(), -1) for row in rows], dtype=np.intp)

    def add(self, vector: Vectors, cost: float, accuracy: float | None) -> None:
        """Enters one run of a candidate; None for one that failed."""
        row = np.asarray(vector, dtype=np.uint8)
        if accuracy is None:
            self.failed = np.vstack([self.failed, row])
        elif row.tobytes() in self._places:
            self._runs[self._places[row.tobytes()]].append(accuracy)
        else:
            self._places[row.tobytes()] = len(self._runs)
            self.vectors = np.vstack([self.vectors, row])
            self.costs = np.append(self.costs, cost)
            self._runs.append([accuracy])


class Chooser(ABC):
    """A strategy: which of the candidates to train next.

    What `ask` gives follows from `seed`, from `results` and from what is in training alone, so that any process that
    was told the same goes on alike. No chooser holds arrays of the whole space.
    """

    #: The strategy's name, as a user writes it.
    name: ClassVar[str]

    def __init__(self, candidates: Candidates, seed: int = 0) -> None:
        self.candidates = candidates
        self.seed = seed
        self.results = Results(candidates.length)

    @classmethod
    def of(
        cls, candidates: Candidates, seed: int, accuracies: AccuracyTable | None, networks: Sequence[str] = ()
    ) -> Chooser:
        """The strategy, with a table of accuracies or a list of networks' codes, if there is one.

        ArchitectureError for one that it does not read, or cannot use.
        """
        if accuracies is not None:
            raise ArchitectureError(f"strategy {cls.name}: found a table of accuracies, which it does not read")
        if networks:
            raise ArchitectureError(f"strategy {cls.name}: found a list of networks, which it does not read")
        return cls(candidates, seed)

    def tell(self, vector: Vectors, accuracy: float | None) -> None:
        """Enters the accuracy in 0..1 of one run of a candidate; None where its training failed."""
        self.results.add(vector, float(self.candidates.costs(vector[None])[0]), accuracy)

    @abstractmethod
    def ask(self, number: int, training: Vectors) -> Vectors:
        """Up to so many candidates (number, length), all different, to train next: none trained, failed or in training.

        `training` (m, length) are those that others train now. Fewer come where fewer are left, none at the end.
        """

    def expected(self, vectors: Vectors) -> NDArray[np.float64] | None:
        """What accuracies (n,) in 0..1 this strategy expects of candidates; None where it has no model of them."""
        return None

    def foretold(self, vectors: Vectors) -> NDArray[np.float64] | None:
        """What a table said of the accuracies (n,) of candidates before any was trained; None where there is none."""
        return None
