"""Timing many networks on an engine in turns, so that a busy machine slows all of them alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from converters.engines import Engine
from prototxt_gen.proto import NetParameter

# In every round each network runs until it has so many samples or has used so many milliseconds, so that other work
# on a shared machine, which comes and goes in seconds, falls on all networks alike.
ROUNDS = 12
SAMPLES_PER_ROUND = 10
MS_PER_ROUND = 30.0


class Entry(NamedTuple):
    """Milliseconds of one network or part: the median of its samples, their quartiles, and how many there were.

    `label` says in words what was measured.
    """

    ms: float
    quartiles: tuple[float, float]
    samples: int
    label: str = ""


def measure(engine: Engine, nets: Sequence[NetParameter], advance: Callable[[], object] = lambda: None) -> list[Entry]:
    """Times networks, whole ones or parts, in interleaved rounds; `advance` is called after each network of a round."""
    sessions = [engine.load(net) for net in nets]
    samples: list[list[float]] = [[] for _ in sessions]
    for session in sessions:
        session.time()
    for _ in range(ROUNDS):
        for session, times in zip(sessions, samples, strict=True):
            # The first run finds the caches full of another network.
            session.time()
            used, taken = 0.0, 0
            while taken < SAMPLES_PER_ROUND and used < MS_PER_ROUND:
                times.append(session.time())
                used, taken = used + times[-1], taken + 1
            advance()
    return [_entry(times) for times in samples]


def _entry(times: list[float]) -> Entry:
    low, median, high = np.percentile(times, (25, 50, 75))
    # No clock here is more exact than a nanosecond.
    return Entry(round(float(median), 6), (round(float(low), 6), round(float(high), 6)), len(times))
