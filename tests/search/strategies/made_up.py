"""Small spaces with made-up tables, and the lists that draws from them are held against."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable

import numpy as np

from search.latency import Entry, LatencyTable, space_parts
from search.spaces import BackboneSpace
from search.strategies.candidates import Candidates
from search.strategies.chooser import Results
from tests.search.latency.graphs import small_space


def made_up_table(space: BackboneSpace, seed: int) -> LatencyTable:
    """Eighths of a millisecond, so that ties occur."""
    rng = random.Random(seed)
    return LatencyTable(
        {"engine": "made up"}, {key: Entry(rng.randint(1, 60) / 8, (0, 0), 1) for key in space_parts(space)}
    )


def drawn_space(seed: int) -> tuple[BackboneSpace, LatencyTable, np.ndarray, np.ndarray]:
    """A small space, its table, all its vectors and their latencies, computed one by one."""
    space = small_space(random.Random(seed))
    table = made_up_table(space, seed)
    vectors = np.concatenate(list(space.vectors()))
    return space, table, vectors, np.array([table.predict(space.decode(v), space.input_shape) for v in vectors])


def random_results(candidates: Candidates, vectors: np.ndarray, seed: int, number: int) -> Results:
    """So many of these vectors with accuracies that follow nothing."""
    rng = np.random.default_rng(seed)
    results = Results(candidates.length)
    for place in rng.choice(len(vectors), min(number, len(vectors)), replace=False):
        results.add(vectors[place], float(candidates.costs(vectors[[place]])[0]), float(rng.random()))
    return results


def evenness(drawn: Iterable[np.ndarray], expected: np.ndarray) -> float:
    """How many deviations the chi-squared of the draws is from its mean; all draws must be among the expected rows."""
    found = Counter(vector.tobytes() for vector in drawn)
    each, rows = sum(found.values()) / len(expected), {vector.tobytes() for vector in expected}
    assert found.keys() <= rows
    spread = sum((found.get(row, 0) - each) ** 2 / each for row in rows)
    return (spread - (len(rows) - 1)) / max(1.0, (2 * (len(rows) - 1)) ** 0.5)
