"""Latency tables of devices that time only whole networks: the times of their parts by regression.

A network's time is what a call costs plus the times of its parts. A part's time is drawn to what its layers' work says,
and leaves it as far as the measured networks ask for: see search/latency/fitting/workload.py for what parts share, and
search/latency/fitting/variances.py for how far each effect reaches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.generator.parts import Part
from search.latency.fitting.variances import Posterior, effect_weights, learn, not_negative, posterior, sums
from search.latency.fitting.workload import Row, deviation_effects, row_of, unit_times, work_effects

Floats = NDArray[np.float64]

# Noise has a standard deviation in proportion to the time to one of these powers: the same for all, or so many percent.
_POWERS = (0.0, 0.5, 1.0)
# The power is chosen by at most so many networks, which tell it well enough.
_POWER_NETWORKS = 300
# Noise is Student's t with so many degrees of freedom: a time that is far off counts for little.
_FREEDOM = 4.0
_ROBUST_ROUNDS, _ROUGH_ROUNDS = 12, 4
# The rounds end when no weight changes by more than this share.
_STILL = 0.1
# From so many networks on, cross-validation keeps the variances learned from all: thousands of times barely move them.
_MANY = 400

# Standard deviations at which learning starts, as shares of a usual network's time.
_NOISE_START, _WORK_START, _DEVIATION_START = 0.03, 0.1, 0.05


class Layout:
    """The distinct parts of some networks, and how often each network has each."""

    def __init__(self, networks: Sequence[Sequence[Part]], others: Sequence[Part] = ()) -> None:
        every = [part for network in networks for part in network] + list(others)
        found = {part.joined_key: part for part in reversed(every)}
        self.index = {key: index for index, key in enumerate(found)}
        self.rows = [row_of(part) for part in found.values()]

    def count(self, networks: Sequence[Sequence[Part]]) -> Floats:
        """(networks, rows + 1); the last column is 1 for every network: a call. KeyError for a part in no row."""
        counts = np.zeros((len(networks), len(self.rows) + 1))
        counts[:, -1] = 1
        for found, network in zip(counts, networks, strict=True):
            for key, number in Counter(part.joined_key for part in network).items():
                found[self.index[key]] = number
        return counts


@dataclass(frozen=True)
class Regression:
    """Times of parts learned from times of networks. All times are in units of `usual` ms.

    `parts` are the times of the rows, the call's last. `logs` are the logarithms of the variances, the noise's first;
    noise's standard deviation is that at a usual network, and grows with the time to `power`. `weights` (networks,) say
    how much each time counted, from near 0 for one that is far off to 1.25.
    """

    usual: float
    parts: Posterior
    logs: Floats
    power: float
    weights: Floats

    def predict(self, counts: Floats) -> Floats:
        """The times of networks (n,) in ms."""
        return self.usual * (counts @ self.parts.mean)


def regress(rows: Sequence[Row], counts: Floats, ms: Floats, known: Regression | None = None) -> Regression:
    """Learns the times of rows from networks (n, rows + 1) and their times (n,) in ms.

    `known`: the regression of a larger set, whose variances are kept.
    """
    usual = float(np.median(ms))
    times = ms / usual
    work = work_effects(rows, counts[:, :-1])
    work_shares = _with_call([effect.shares for effect in work])
    start = 2 * np.log([_NOISE_START, *[_WORK_START] * len(work_shares)])
    rough = _learn(counts, times, work_shares, start, np.ones(len(times)), rounds=_ROUGH_ROUNDS)
    level = _level(counts, times, rough.parts)
    found = sums(counts, times, rough.weights)
    guesses = unit_times(work, rows, effect_weights(found, work_shares, rough.logs)[:-1])
    deviations = [effect.shares for effect in deviation_effects(rows, guesses)]
    effects = _with_call([*(effect.shares for effect in work), *deviations])
    if known is None:
        start = np.concatenate([rough.logs[:-1], [2 * np.log(_DEVIATION_START)] * len(deviations), rough.logs[-1:]])
        start[0] -= 2.0
        power, logs = _choose_power(counts, times, level, rough.weights, effects, start)
        fine = _learn(counts, times, effects, start, level ** (-2 * power), logs, weights=rough.weights)
    else:
        power = known.power
        fine = _learn(counts, times, effects, None, level ** (-2 * power), known.logs, weights=rough.weights)
    return Regression(usual, not_negative(fine.parts), fine.logs, power, fine.weights)


class _Learned(NamedTuple):
    parts: Posterior
    logs: Floats
    weights: Floats


def _learn(
    counts: Floats,
    times: Floats,
    effects: Sequence[Floats],
    start: Floats | None,
    trust: Floats,
    logs: Floats | None = None,
    weights: Floats | None = None,
    rounds: int = _ROBUST_ROUNDS,
) -> _Learned:
    """Variances, parts, and how far each time counts, in turns, until they stay: the noise is Student's t.

    Noise has the variance noise / trust. Without `start` the variances are `logs` and stay so.
    """
    weights = np.ones(len(times)) if weights is None else weights
    for _ in range(rounds):
        found = sums(counts, times, trust * weights)
        if start is not None:
            logs = learn(found, effects, start, start if logs is None else logs)[0]
        assert logs is not None
        parts = posterior(found, effects, logs)
        spread = ((counts @ parts.covariance) * counts).sum(1)
        off = trust * ((times - counts @ parts.mean) ** 2 + spread) / np.exp(logs[0])
        new = (_FREEDOM + 1) / (_FREEDOM + off)
        moved = float(np.abs(np.log(new / weights)).max())
        weights = new
        if moved < _STILL:
            break
    assert logs is not None
    return _Learned(parts, logs, weights)


def _level(counts: Floats, times: Floats, parts: Posterior) -> Floats:
    """About what the networks take, from the rough fit: a time that is far off must not tell its own noise."""
    low, high = np.quantile(times, (0.1, 0.9))
    return np.clip(counts @ parts.mean, low / 2, high * 2)


def _choose_power(
    counts: Floats, times: Floats, level: Floats, weights: Floats, effects: Sequence[Floats], start: Floats
) -> tuple[float, Floats]:
    """The power under which the times are likeliest, and the variances there."""
    chosen = np.random.default_rng(0).permutation(len(times))[:_POWER_NETWORKS]
    best = None
    for power in _POWERS:
        trust = level[chosen] ** (-2 * power)
        found = sums(counts[chosen], times[chosen], trust * weights[chosen])
        logs, value = learn(found, effects, start, start)
        value -= 0.5 * float(np.log(trust).sum())
        if best is None or value < best[0]:
            best = value, power, logs
    assert best is not None
    return best[1], best[2]


def _with_call(shares: Sequence[Floats]) -> list[Floats]:
    """Effects on rows as effects on rows and the call, and the call as an effect of its own."""
    rows = len(shares[0])
    call = np.zeros((rows + 1, 1))
    call[-1] = 1
    return [*(np.vstack([share, np.zeros((1, share.shape[1]))]) for share in shares), call]
