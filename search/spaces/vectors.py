"""Architectures as vectors of width indices, and the counting behind a space of them.

A vector holds one number for every block that the space allows: 1 for the narrowest width and so on, aligned at the
end of each stage; a missing block is 0. Widths never decrease along a network.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

#: Shape (..., length): one architecture in the last axis.
Vectors = NDArray[np.uint8]


@lru_cache(maxsize=16)
def completions(depths: tuple[tuple[int, int], ...], choices: int) -> dict[tuple[int, int, int], int]:
    """The number of ways to go on after `depth` blocks of `stage`, the last of which has the width index `width`."""
    ways: dict[tuple[int, int, int], int] = {}
    for stage in reversed(range(len(depths))):
        least, most = depths[stage]
        for depth in range(most, -1, -1):
            # From the widest down, so that the sum over all that are at least as wide grows by one term each.
            wider = 0
            for width in range(choices, -1, -1):
                if depth < most and width:
                    wider += ways[stage, depth + 1, width]
                ended = 0
                if depth >= least:
                    ended = 1 if stage + 1 == len(depths) else ways[stage + 1, 0, width]
                ways[stage, depth, width] = ended + wider
    return ways


@lru_cache(maxsize=64)
def sequences(length: int, choices: int) -> Vectors:
    """All non-decreasing sequences of so many numbers out of 1..choices, (n, length), sorted by their last number."""
    rows = np.zeros((1, 0), dtype=np.uint8)
    for _ in range(length):
        last = rows[:, -1] if rows.shape[1] else np.zeros(1, dtype=np.uint8)
        parts = []
        for width in range(1, choices + 1):
            fitting = rows[: np.searchsorted(last, width, side="right")]
            parts.append(np.hstack([fitting, np.full((len(fitting), 1), width, dtype=np.uint8)]))
        rows = np.vstack(parts)
    rows.setflags(write=False)
    return rows
