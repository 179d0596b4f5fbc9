"""Regression by effects whose sizes are learned: a linear model with Gaussian priors, one variance for each effect.

Times t of networks (n,) are C f + noise, where C (n, rows) counts the parts of each network and f (rows,) are the times
of the parts. f is a sum of effects B w, w with mean 0 and a variance of its own for each effect; these variances and
the noise's are those that make the times likeliest (marginal likelihood). The variances are found by the average
information algorithm of Gilmour, Thompson and Cullis (Biometrics 51, 1995), damped where a step does not help.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Logarithms of variances are drawn this weakly to their centre, so that what no time tells of stays there.
_PULL = 0.02
_STEPS = 60
_LARGEST_STEP = 2.0
_LEAST, _MOST = -30.0, 8.0
# No time is more exact than a ten thousandth; nor could these matrices tell it.
_LEAST_NOISE = 2 * np.log(1e-4)
# A step that makes the times this little likelier is the last.
_ENOUGH = 1e-3


class Sums(NamedTuple):
    """All that the likelihood needs of n networks: at most as many as there are rows, turned so that the rest is noise.

    `rest` is the squared length of what no times of parts can explain, in `spare` dimensions.
    """

    counts: Floats
    times: Floats
    rest: float
    spare: int


def sums(counts: Floats, times: Floats, weights: Floats) -> Sums:
    """Of networks (n, rows) with times (n,), whose noise has the variance noise / weight."""
    roots = np.sqrt(weights)
    weighted, target = counts * roots[:, None], times * roots
    if len(target) <= counts.shape[1]:
        return Sums(weighted, target, 0.0, 0)
    turn, triangle = np.linalg.qr(weighted)
    turned = turn.T @ target
    return Sums(triangle, turned, max(float(target @ target - turned @ turned), 0.0), len(target) - len(turned))


def learn(found: Sums, effects: Sequence[Floats], centre: Floats, start: Floats) -> tuple[Floats, float]:
    """Logarithms of the variances, the noise's first, and minus the logarithm of the times' likelihood.

    `effects` are (rows, groups) each; the search begins at `start` (1 + effects,), and what no time tells of is drawn
    to `centre`.
    """
    made = [found.counts @ effect for effect in effects]
    squares = [part @ part.T for part in made]
    logs, damping = start.copy(), 1e-3
    value, slope, curve = _likelihood(found, squares, logs, centre)
    for _ in range(_STEPS):
        step = -np.linalg.solve(curve + damping * np.eye(len(logs)), slope)
        step *= min(1.0, _LARGEST_STEP / float(np.abs(step).max()))
        tried = np.clip(logs + step, _LEAST, _MOST)
        tried[0] = max(tried[0], _LEAST_NOISE)
        new = _likelihood(found, squares, tried, centre)
        if not new[0] < value:
            if damping > 1e4:
                break
            damping *= 8
            continue
        gain = value - new[0]
        logs, (value, slope, curve), damping = tried, new, max(damping / 4, 1e-3)
        if gain < _ENOUGH:
            break
    return logs, value


def _likelihood(found: Sums, squares: Sequence[Floats], logs: Floats, centre: Floats) -> tuple[float, Floats, Floats]:
    """Minus the logarithm of the likelihood (with the pull to the centre), its slope, and its average information."""
    variances = np.exp(logs)
    total = variances[0] * np.eye(len(found.times))
    for variance, square in zip(variances[1:], squares, strict=True):
        total += variance * square
    try:
        factor = np.linalg.cholesky(total)
    except np.linalg.LinAlgError:
        return np.inf, np.zeros_like(logs), np.eye(len(logs))
    inverse = np.linalg.inv(total)
    solved = inverse @ found.times
    away = logs - centre
    value = 0.5 * (found.times @ solved) + np.log(np.diag(factor)).sum()
    value += 0.5 * (found.rest / variances[0] + found.spare * logs[0]) + 0.5 * _PULL * (away @ away)
    moved = np.stack([solved, *(square @ solved for square in squares)])
    traces = np.array([np.trace(inverse), *((inverse * square).sum() for square in squares)])
    slope = 0.5 * variances * (traces - moved @ solved)
    slope[0] += 0.5 * (found.spare - found.rest / variances[0])
    curve = 0.5 * np.outer(variances, variances) * (moved @ inverse @ moved.T)
    curve[0, 0] += 0.5 * found.rest / variances[0]
    return float(value), slope + _PULL * away, curve + _PULL * np.eye(len(logs))


class Posterior(NamedTuple):
    """The times of the parts: their means (rows,) and covariances (rows, rows)."""

    mean: Floats
    covariance: Floats


def posterior(found: Sums, effects: Sequence[Floats], logs: Floats) -> Posterior:
    """The times of the parts as the times of networks tell them, under variances as `learn` gives them."""
    variances = np.exp(logs)
    prior = sum(variance * (effect @ effect.T) for variance, effect in zip(variances[1:], effects, strict=True))
    reached = found.counts @ prior
    total = reached @ found.counts.T + variances[0] * np.eye(len(found.times))
    gain = np.linalg.solve(total, reached).T
    return Posterior(gain @ found.times, prior - gain @ reached)


def effect_weights(found: Sums, effects: Sequence[Floats], logs: Floats) -> list[Floats]:
    """The mean weight of every group of every effect."""
    variances = np.exp(logs)
    made = [found.counts @ effect for effect in effects]
    total = variances[0] * np.eye(len(found.times))
    for variance, part in zip(variances[1:], made, strict=True):
        total += variance * (part @ part.T)
    solved = np.linalg.solve(total, found.times)
    return [variance * (part.T @ solved) for variance, part in zip(variances[1:], made, strict=True)]


def not_negative(found: Posterior) -> Posterior:
    """The likeliest times of parts of which none is below 0: non-negative least squares in the posterior's metric.

    Parts are held at 0 one set after the other, as in Lawson and Hanson's active sets; the rest follows by the
    covariances. Written here because numpy has none, and scipy is no dependency.
    """
    held = np.zeros(len(found.mean), dtype=bool)
    mean = found.mean
    for _ in range(3 * len(mean)):
        below = (mean < 0) & ~held
        if held.any():
            pushes = -np.linalg.solve(_steady(found.covariance[np.ix_(held, held)]), found.mean[held])
            loose = np.flatnonzero(held)[pushes < 0]
            if len(loose) and not below.any():
                held[loose] = False
        elif not below.any():
            break
        before = held.copy()
        held |= below
        if held.any():
            gain = np.linalg.solve(_steady(found.covariance[np.ix_(held, held)]), found.covariance[held]).T
            mean = found.mean - gain @ found.mean[held]
            mean[held] = 0.0
        else:
            mean = found.mean
        if (held == before).all() and not (mean < 0).any():
            break
    return Posterior(np.maximum(mean, 0.0), found.covariance)


def _steady(square: Floats) -> Floats:
    return square + 1e-9 * max(float(np.trace(square)) / len(square), 1e-30) * np.eye(len(square))
