"""Architectures as vectors of width indices, and how large the values of their coordinates are.

A vector holds one number for every block that the space allows: 1 for the narrowest width and so on, aligned at the
end of each stage; a missing block is 0. Widths never decrease along a network.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: Shape (..., length): one architecture in the last axis.
Vectors = NDArray[np.uint8]


def with_absent(widths: Sequence[int]) -> NDArray[np.float64]:
    """The heights in 0..1 of an absent block and of each width, by their logarithms; absent is half the narrowest."""
    logs = np.log(np.array([widths[0] / 2, *widths], dtype=np.float64))
    return np.asarray((logs - logs[0]) / (logs[-1] - logs[0]))


def least_first(channels: Sequence[int]) -> NDArray[np.float64]:
    """The heights in 0..1 of numbers that cannot be absent, by their logarithms: 0 for the least."""
    logs = np.log(np.array(channels, dtype=np.float64))
    return np.asarray((logs - logs[0]) / max(logs[-1] - logs[0], np.finfo(np.float64).tiny))
