"""Candidates that every ask looks at again, those trained among them: their features are computed once.

From one ask to the next a result or two are added, and the model's near rows change by as many. Their likeness to all
that is kept here is computed for those alone. It is exact (see `Encoding.likeness`), so it does not matter when.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from search.spaces.vectors import Vectors
from search.strategies.model import UNKNOWN, Data, Encoding
from search.strategies.normal import Floats


class Familiar:
    """Candidates by number, in the order in which they were added; `vectors` (n, length), `data` of all of them."""

    def __init__(self, encoding: Encoding, vectors: Vectors, costs: Floats) -> None:
        self.encoding = encoding
        self.vectors = vectors[:0]
        self.data = Data.of(encoding, self.vectors, costs[:0], np.zeros(0, dtype=np.intp))
        # Likeness (n, m) of all to those of these numbers (m,).
        self._near = np.zeros(0, dtype=np.intp)
        self._likeness = np.zeros((0, 0))
        self.add(vectors, costs)

    def add(self, vectors: Vectors, costs: Floats) -> None:
        """More candidates (m, length) with their costs (m,), at the end; each as if run once."""
        more = Data.of(self.encoding, vectors, costs, np.ones(len(vectors), dtype=np.intp))
        more = more._replace(numbers=len(self.vectors) + np.arange(len(vectors)))
        self._likeness = np.vstack(
            [self._likeness, self.encoding.likeness(more.steps, self.data.rows(self._near).steps)]
        )
        self.vectors = np.vstack([self.vectors, vectors])
        self.data = self.data.joined(more)

    def likeness(self, near: Data) -> Floats:
        """(n, near): r's correlation of all with these rows, which may be familiar or not."""
        kept = np.isin(self._near, near.numbers)
        new = np.setdiff1d(near.numbers, [*self._near.tolist(), UNKNOWN])
        found = self.encoding.likeness(self.data.steps, self.data.rows(new).steps)
        self._likeness = np.hstack([self._likeness[:, kept], found])
        self._near = np.append(self._near[kept], new)
        places: NDArray[np.intp] = np.full(len(self.vectors), -1, dtype=np.intp)
        places[self._near] = np.arange(len(self._near))
        strangers = near.numbers == UNKNOWN
        likeness = np.empty((len(self.vectors), len(near.numbers)))
        likeness[:, ~strangers] = self._likeness[:, places[near.numbers[~strangers]]]
        likeness[:, strangers] = self.encoding.likeness(self.data.steps, near.steps[strangers])
        return likeness
