"""What networks walked part by part tell about sums of parts: a level that holds for small networks and for large ones.

A part runs faster in a small network than in a large one, whose other parts leave nothing of it in the caches, and a
table has one time for both. What the caches keep from one run to the next is about as much whatever the network, and
so is the time that it saves: a network takes its parts' times as they are in a large one, less a constant. A factor and
this constant are fitted to the totals of the networks walked, which are the sums of the times of their parts on that
run; nothing is measured whole for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Fewer networks walked tell nothing of a level.
LEAST_WALKS = 50
#: Where half of the walks are further off than this, something other than the table makes them so.
NOISE_LIMIT = 0.05
# As if so many walks had said that there is no constant: walks of networks that are all alike cannot tell it.
_WALKS_OF_PRIOR = 1.0
_STEPS = 100
_LEAST_RESIDUAL = 1e-9


class Walk(NamedTuple):
    """A network walked: milliseconds of all its parts, each with its call, and the parts' keys, some perhaps twice."""

    ms: float
    parts: tuple[str, ...]


class Level(NamedTuple):
    """A network takes `constant_ms` beside its call, and of each part `slope` times its own time.

    Half of the walks it was fitted to are at most `noise` (a share of the prediction) off it.
    """

    slope: float
    constant_ms: float
    noise: float


def fit_level(walks: Iterable[Walk], times: Mapping[str, float], call_ms: float) -> Level | None:
    """The level that fits the walks best, given each part's time in ms with its call.

    By the logarithms of their ratios, so that large networks and small ones, slow walks and fast ones count alike;
    Huber's loss keeps disturbed walks from pulling it: whoever is further off than half of them counts by its distance,
    not its square. Walks with a part that has no time do not count. None for less than LEAST_WALKS.
    """
    known = [walk for walk in walks if all(key in times for key in walk.parts)]
    if len(known) < LEAST_WALKS:
        return None
    sums = np.array([sum(times[key] - call_ms for key in walk.parts) for walk in known])
    totals = np.array([walk.ms - (len(walk.parts) - 1) * call_ms for walk in known])
    usable = (sums > 0) & (totals > 0)
    if usable.sum() < LEAST_WALKS:
        return None
    sums, totals = sums[usable], totals[usable]
    slope, constant = _fitted(sums, totals, call_ms)
    noise = float(np.median(np.abs(totals / (slope * sums + constant + call_ms) - 1)))
    return Level(round(slope, 6), round(constant, 6), round(noise, 6))


def _fitted(sums: NDArray[np.float64], totals: NDArray[np.float64], call_ms: float) -> tuple[float, float]:
    """The slope and the constant, by Gauss-Newton steps with Huber's weights."""
    slope, constant = 1.0, 0.0
    # The constant of a large network hardly counts; on this scale the prior is as strong whatever the unit of time.
    prior = _WALKS_OF_PRIOR * float(np.mean(1 / totals**2))
    for _ in range(_STEPS):
        predicted = slope * sums + constant + call_ms
        residuals = np.log(totals / predicted)
        limit = max(float(np.median(np.abs(residuals))), _LEAST_RESIDUAL)
        weights = np.minimum(1, limit / np.maximum(np.abs(residuals), _LEAST_RESIDUAL))
        terms = np.stack([sums / predicted, 1 / predicted], axis=1)
        matrix = terms.T @ (terms * weights[:, None]) + np.diag([0.0, prior])
        step = np.linalg.solve(matrix, terms.T @ (weights * residuals) - [0.0, prior * constant])
        # Never so far that a network would take less than half of what it was predicted to take before.
        lost = float(np.max(-(terms @ step)))
        step *= min(1.0, 0.5 / lost) if lost > 0 else 1.0
        slope, constant = slope + float(step[0]), constant + float(step[1])
        if np.abs(terms @ step).max() < 1e-9:
            break
    return slope, constant


def written_walks(walks: Sequence[Walk]) -> dict[str, Any]:
    """Walks as plain JSON: the keys of all parts, and of each network its ms and the places of its parts among them."""
    keys = sorted({key for walk in walks for key in walk.parts})
    places = {key: place for place, key in enumerate(keys)}
    return {
        "parts": keys,
        "networks": [[round(walk.ms, 6), *(places[key] for key in walk.parts)] for walk in walks],
    }


def read_walks(found: Mapping[str, Any]) -> list[Walk]:
    """The walks that `written_walks` wrote."""
    keys = found["parts"]
    return [Walk(ms, tuple(keys[place] for place in places)) for ms, *places in found["networks"]]
