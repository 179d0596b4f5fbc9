"""The partial order of architectures: which is narrower or shallower than which.

An architecture is a vector of width indices (see spaces/vectors.py). x precedes y when y becomes x by narrowing blocks
and by removing blocks, in any number of steps. Widths never decrease along a network, so this is the elementwise order
of the vectors: the last blocks of a stage are its widest, and if x's widths fit under any of y's in order, they fit
under y's last ones.
"""

from __future__ import annotations

from typing import Any

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
