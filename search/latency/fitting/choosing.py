"""Which networks to time next: those whose times tell most about the times of all others."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.architectures import Backbone, Decoder
from prototxt_gen.errors import UnsupportedError
from prototxt_gen.generator.parts import parts
from search.latency.fitting.regression import Layout, expectation, regress
from search.spaces import Space

Floats = NDArray[np.float64]

# So many networks stand for all of a space: candidates, and what is to be predicted.
_POOL = 1500


def next_networks(
    space: Space | Sequence[Backbone | Decoder | str],
    count: int,
    networks: Sequence[Backbone | Decoder | str] = (),
    times: Sequence[float] = (),
    input_shape: Sequence[int] | None = None,
    seed: int = 0,
) -> list[Backbone | Decoder | str]:
    """So many networks of a space, or of a list, to time next, the most telling first; none of `networks`.

    One after the other is chosen that, once timed, leaves the least variance in the predictions of all, as shares of
    their times (Cohn, Neural Networks 9, 1996; variance does not depend on what the times will be). What is uncertain
    now, `networks` and their `times` (ms) tell; without them, the work of the layers. Of more than 1,500 networks,
    so many are drawn by `seed` to stand for all, and to choose from. `input_shape` is as in `LatencyTable.fit`, and so
    are the errors; UnsupportedError for less than `count` networks that are left.
    """
    pool: list[Backbone | Decoder | str] = []
    known = {str(network) for network in networks}
    if isinstance(space, Space):
        input_shape = space.input_shape if input_shape is None else input_shape
        rng, number = random.Random(seed), space.count()
        pool += [space.at(index) for index in _drawn(rng, number)]
    else:
        listed = list({str(network): network for network in space}.values())
        pool += [listed[index] for index in _drawn(random.Random(seed), len(listed))]
    left = [network for network in pool if str(network) not in known]
    if len(left) < count:
        raise UnsupportedError(f"networks to time next: found {len(left)} that are not timed yet, expected {count}")
    cut = [parts(network, input_shape) for network in left]
    timed = [parts(network, input_shape) for network in networks]
    layout = Layout([*timed, *cut])
    counts = layout.count(cut)
    if timed:
        found = regress(layout.rows, layout.count(timed), np.asarray(times, np.float64))
        covariance, level, noise = found.parts.covariance, found.level(counts), found.noise(counts)
    else:
        mean, covariance, noise_share = expectation(layout.rows, counts)
        level = counts @ mean
        noise = np.square(noise_share * level)
    return [left[index] for index in _greedy(counts, covariance, level, noise, count)]


def _greedy(counts: Floats, covariance: Floats, level: Floats, noise: Floats, count: int) -> list[int]:
    """Indices of networks (n, rows + 1) that leave the least summed relative variance, chosen one by one."""
    shared = counts @ covariance @ counts.T
    worth = 1 / np.square(level)
    chosen: list[int] = []
    for _ in range(count):
        gains = (np.square(shared) @ worth) / (np.diag(shared) + noise)
        gains[chosen] = -1.0
        best = int(gains.argmax())
        chosen.append(best)
        shared -= np.outer(shared[best], shared[best]) / (shared[best, best] + noise[best])
    return chosen


def _drawn(rng: random.Random, number: int) -> list[int]:
    """All indices below a number, or as many different ones as stand for them."""
    if number <= _POOL:
        return list(range(number))
    drawn: dict[int, None] = {}
    while len(drawn) < _POOL:
        drawn[rng.randrange(number)] = None
    return list(drawn)
