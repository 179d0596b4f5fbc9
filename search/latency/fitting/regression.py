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
from search.latency.curves import Curve
from search.latency.fitting.bending import KNOTS, Bend, bend_of
from search.latency.fitting.estimates import Estimates
from search.latency.fitting.variances import Posterior, effect_weights, learn, not_negative, posterior, sums
from search.latency.fitting.workload import (
    Row,
    deviation_effects,
    learned_scales,
    plain_scales,
    row_of,
    work_effects,
)

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
# ... and, under a curve, no sum of parts.
_STILL_SUMS = 1e-3
# The curve's effects begin at this share of a time; a curve that moves no network by more than this share is left out.
_BEND_START, _LEAST_BEND = 0.003, 0.001
# Times that differ by less than this factor tell no curve.
_LEAST_RANGE = 1.05
# From so many networks on, cross-validation keeps the variances learned from all: thousands of times barely move them.
_MANY = 400

# Before any time is known, effects have this standard deviation; larger what all layers of a kind share on a map.
_UNKNOWN, _UNKNOWN_KIND = 0.1, 0.3
# No network is taken to be quicker than this share of a usual one.
_LEAST_LEVEL = 0.01

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
    how much each time counted, from near 0 for one that is far off to 1.25. `curve` leads from the sum of a network's
    parts to its time, in ms, where the two differ by how large the sum is.
    """

    usual: float
    parts: Posterior
    logs: Floats
    power: float
    weights: Floats
    estimates: Estimates
    curve: Curve | None

    def predict(self, counts: Floats) -> Floats:
        """The times of networks (n,) in ms."""
        ms = self.usual * (counts @ self.parts.mean)
        return ms if self.curve is None else self.curve.times_of(ms)

    def bends_by(self, counts: Floats) -> float:
        """The largest share by which the curve moves one of the networks."""
        plain = self.usual * self.level(counts)
        return 0.0 if self.curve is None else float(np.abs(self.curve.times_of(plain) / plain - 1).max())

    def level(self, counts: Floats) -> Floats:
        """The sums of the parts of networks (n,), of which none is next to nothing."""
        return np.maximum(counts @ self.parts.mean, _LEAST_LEVEL)

    def noise(self, counts: Floats) -> Floats:
        """The variance of a measurement of networks (n,)."""
        return np.exp(self.logs[0]) * self.level(counts) ** (2 * self.power)


def expectation(rows: Sequence[Row], counts: Floats) -> tuple[Floats, Floats, float]:
    """What is thought before any time is known: means (rows + 1,) and covariances, and the noise as a share of a time.

    Each measure of work has the same share of a usual network of `counts` (networks, rows + 1), whose time is 1.
    """
    scales = plain_scales(rows, counts[:, :-1])
    named = work_effects(rows, scales) + deviation_effects(rows, scales)
    effects = _with_call(
        [effect.shares * (_UNKNOWN_KIND if effect.name.startswith("kind") else _UNKNOWN) for effect in named]
    )
    effects[-1] *= _UNKNOWN
    amounts = np.array([np.sum([unit.work for unit in row.units], axis=0) for row in rows])
    mean = np.append(amounts @ scales.rates[""], 0.0)
    return mean, sum(effect @ effect.T for effect in effects), _NOISE_START


def regress(rows: Sequence[Row], counts: Floats, ms: Floats, known: Regression | None = None) -> Regression:
    """Learns the times of rows from networks (n, rows + 1) and their times (n,) in ms.

    `known`: the regression of a larger set, whose variances are kept.
    """
    usual = float(np.median(ms))
    times = ms / usual
    scales = plain_scales(rows, counts[:, :-1])
    work = work_effects(rows, scales)
    work_shares = _with_call([effect.shares for effect in work])
    start = 2 * np.log([_NOISE_START, *[_WORK_START] * len(work_shares)])
    rough = _learn(counts, times, work_shares, np.ones(len(times)), start, start, rounds=_ROUGH_ROUNDS)
    level = _level(counts, times, rough.parts)
    found = sums(counts, times, rough.weights)
    scales = learned_scales(scales, work, effect_weights(found, work_shares, rough.logs)[:-1])
    deviations = deviation_effects(rows, scales)
    named = [*work, *deviations]
    effects = _with_call([effect.shares for effect in named])

    def regression(power: float, bend: Bend | None, found: _Learned) -> Regression:
        curve = None if bend is None else bend.curve(found.bends, usual)
        groups = {
            effect.name: {str(group): float(weight) for group, weight in zip(effect.groups, own, strict=True)}
            for effect, own in zip(named, found.groups, strict=False)
        }
        estimates = Estimates(usual, scales, groups)
        return Regression(usual, not_negative(found.parts), found.logs, power, found.weights, estimates, curve)

    if known is not None:
        trust = level ** (-2 * known.power)
        bend = bend_of(level, trust) if known.curve is not None else None
        return regression(
            known.power,
            bend,
            _learn(counts, times, effects, trust, known.logs, None, rough.weights, bend, level),
        )
    start = np.concatenate([rough.logs[:-1], [2 * np.log(_DEVIATION_START)] * len(deviations), rough.logs[-1:]])
    start[0] -= 2.0
    power, logs = _choose_power(counts, times, level, rough.weights, effects, start)
    trust = level ** (-2 * power)
    straight = _learn(counts, times, effects, trust, logs, start, rough.weights)
    reached = counts @ straight.parts.mean
    if reached.min() <= 0 or reached.max() < _LEAST_RANGE * reached.min():
        return regression(power, None, straight)
    bend = bend_of(reached, trust)
    more = [2 * np.log(_BEND_START)] * len(bend.effects)
    centre = np.concatenate([start, more])
    bent = _learn(
        counts, times, effects, trust, np.concatenate([straight.logs, more]), centre, straight.weights, bend, reached
    )
    curved = regression(power, bend, bent)
    if _unlikeliness(bent) < _unlikeliness(straight) and curved.bends_by(counts) > _LEAST_BEND:
        return curved
    return regression(power, None, straight)


class _Learned(NamedTuple):
    """Times of the parts; variances; how much each time counts; r at the knots of a bend; the weights of the effects'
    groups; minus the logarithm of the likelihood.
    """

    parts: Posterior
    logs: Floats
    weights: Floats
    bends: Floats
    groups: list[Floats]
    value: float


def _unlikeliness(found: _Learned) -> float:
    """Minus the logarithm of how likely times and weights are together; weights are as Student's t has them."""
    half, weights = _FREEDOM / 2, found.weights
    return (
        found.value - 0.5 * float(np.log(weights).sum()) + float((half * weights - (half - 1) * np.log(weights)).sum())
    )


def _learn(
    counts: Floats,
    times: Floats,
    effects: Sequence[Floats],
    trust: Floats,
    logs: Floats,
    centre: Floats | None,
    weights: Floats | None = None,
    bend: Bend | None = None,
    reached: Floats | None = None,
    rounds: int = _ROBUST_ROUNDS,
) -> _Learned:
    """Variances, parts, curve, and how far each time counts, in turns, until they stay: the noise is Student's t.

    Noise has the variance noise / trust. Without a `centre` the variances are `logs` and stay so. With a `bend`,
    `reached` are the sums of the networks' parts to begin with.
    """
    rows = counts.shape[1]
    weights = np.ones(len(times)) if weights is None else weights
    design, value = counts, np.inf
    if bend is not None:
        effects = [_padded(effect, 0, KNOTS) for effect in effects]
        effects += [_padded(effect, rows, 0) for effect in bend.effects]
    for _ in range(rounds):
        if bend is not None and reached is not None:
            design = np.hstack([counts, bend.shares(reached)])
        found = sums(design, times, trust * weights)
        if centre is not None:
            logs, value = learn(found, effects, centre, logs)
        every = posterior(found, effects, logs)
        spread = np.maximum(((design @ every.covariance) * design).sum(1), 0.0)
        off = trust * ((times - design @ every.mean) ** 2 + spread) / np.exp(logs[0])
        new = (_FREEDOM + 1) / (_FREEDOM + off)
        moved = float(np.abs(np.log(new / weights)).max())
        if reached is not None:
            before, reached = reached, np.maximum(counts @ every.mean[:rows], 1e-6)
            moved = max(moved, _STILL / _STILL_SUMS * float(np.abs(reached / before - 1).max()))
        weights = new
        if moved < _STILL:
            break
    parts = Posterior(every.mean[:rows], every.covariance[:rows, :rows])
    return _Learned(parts, logs, weights, every.mean[rows:], effect_weights(found, effects, logs), value)


def _padded(effect: Floats, above: int, below: int) -> Floats:
    return np.pad(effect, ((above, below), (0, 0)))


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
