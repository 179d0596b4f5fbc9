"""Latencies and accuracies that are made up: for benchmarks of how fast a search is, whatever the networks are worth.

Accuracy never falls along the order, as the method assumes, so pruning has all that it can prune.
"""

from __future__ import annotations

import numpy as np

from prototxt_gen.summary import summarize
from search import BackboneSpace, LatencyTable
from search.latency import Entry, space_parts


def made_up_table(space: BackboneSpace) -> LatencyTable:
    """A millisecond for 200 million multiply-adds and 0.02 ms for starting each part."""
    entries = {}
    for key, part in space_parts(space).items():
        ms = 0.02 + summarize(part.net).multiply_adds / 200e6
        entries[key] = Entry(ms, (ms, ms), 1, part.label)
    return LatencyTable({"engine": "made up"}, entries)


def made_up_accuracy(vector: np.ndarray) -> float:
    """Of a vector of a space: grows with every width and every block, ever more slowly."""
    return float(1 - 1 / (1 + np.sqrt(vector.astype(float)).sum()))
