"""The partial order of architectures: which is narrower or shallower than which.

An architecture is a vector of width indices (see spaces/vectors.py). x precedes y when y becomes x by narrowing blocks
and by removing blocks, in any number of steps. Widths never decrease along a network, so this is the elementwise order
of the vectors: the last blocks of a stage are its widest, and if x's widths fit under any of y's in order, they fit
under y's last ones.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from search.spaces.vectors import Vectors


def precedes(x: Vectors, y: Vectors) -> NDArray[np.bool_] | Any:
    """Whether x <= y. Shapes (..., length) broadcast; the answer has the shape of all axes but the last.

    Reflexive: every architecture precedes itself. POP, section 3.3: x <= y is assumed to mean Lat(x) <= Lat(y) and
    Acc(x) <= Acc(y).
    """
    return np.less_equal(x, y).all(axis=-1)


def non_dominated(latencies: NDArray[np.float64], accuracies: NDArray[np.float64]) -> NDArray[np.intp]:
    """Indices of the pairs that no other pair beats, fastest first: the boundary.

    One pair beats another when it is no slower and no less accurate, and better in one of the two. Equal pairs stay or
    go together.
    """
    kept: list[int] = []
    for index in np.lexsort((-accuracies, latencies)).tolist():
        last = kept[-1] if kept else None
        better = last is None or accuracies[index] > accuracies[last]
        if better or (accuracies[index], latencies[index]) == (accuracies[last], latencies[last]):
            kept.append(index)
    return np.array(kept, dtype=np.intp)


class Contradictions(NamedTuple):
    """How well accuracies agree with what the order is assumed to mean.

    `comparable` is how many pairs of different architectures x <= y there are, `contradicting` in how many of these x
    is the more accurate one, `beyond` in how many it is so by more than a margin, `largest` by how much at most.
    """

    comparable: int
    contradicting: int
    beyond: int
    largest: float


def contradictions(vectors: Vectors, accuracies: NDArray[np.float64], margin: float = 0.0) -> Contradictions:
    """What pairs of different vectors (n, length) with these accuracies (n,) say of the assumption."""
    comparable = contradicting = beyond = 0
    largest = 0.0
    for place, (vector, accuracy) in enumerate(zip(vectors, accuracies, strict=True)):
        below = precedes(vectors, vector)
        below[place] = False
        more = accuracies[below] - accuracy
        comparable += len(more)
        contradicting += int(np.count_nonzero(more > 0))
        beyond += int(np.count_nonzero(more > margin))
        largest = max(largest, float(more.max(initial=0.0)))
    return Contradictions(comparable, contradicting, beyond, largest)
