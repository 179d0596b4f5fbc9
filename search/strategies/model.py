"""A model of accuracy in which the order holds on the whole: every step up in the order lowers the error, or does not.

The logarithm of the error is c - F b + r + noise. F has a column for each step of each coordinate, one for the mean
height and one for the logarithm of the cost; b >= 0 is normal before anything is known, cut at 0. So what is assumed of
pairs of networks (POP, section 3.3) is here an assumption on the sum of many, which single networks may contradict: r
is a small Gaussian process that does so, and noise is a training's.

b >= 0 makes the distribution after trainings one without closed form. It is approximated by the normal one that
expectation propagation finds (T. Minka, 2001): each cut is replaced by the normal factor that gives b's number the mean
and variance that the cut gives it. Variances of b, r and noise are averaged over a grid, weighted by how probable each
makes the results (and by wide priors).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from search.spaces.vectors import Vectors
from search.strategies.candidates import Candidates
from search.strategies.normal import Floats, above_zero

#: Variance of a step's weight; of r, in units of the first; of noise, in units of the variance of what was told.
STEPS = (0.03, 0.1, 0.3, 1.0, 3.0)
ROUGHNESS = (0.0, 0.1, 0.4)
NOISE = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
#: r's correlation falls by e over this share of the mean distance in height.
REACH = 1 / 3
#: So many points of the grid are kept.
KEPT = 4
# Of a normal number cut at 0: mean in deviations, share of the variance.
_HALF_MEAN, _HALF_VARIANCE = np.sqrt(2 / np.pi), 1 - 2 / np.pi
# The variance of c, in units of the variance of what was told.
_LEVEL = 100.0
_SWEEPS = 30
_CLOSE = 1e-2


class Encoding:
    """Vectors of a space as the model's columns.

    `typical` are costs, of any candidates, that say where and how widely costs lie.
    """

    def __init__(self, candidates: Candidates, typical: Floats) -> None:
        heights = [np.asarray(values, dtype=np.float64) for values in candidates.heights]
        self.places = np.array([place for place, values in enumerate(heights) for _ in values[1:]], dtype=np.intp)
        self.levels = np.array([level for values in heights for level in range(1, len(values))], dtype=np.uint8)
        self.rises = np.concatenate([np.zeros(0), *(np.diff(values) for values in heights)])
        self.coordinates = max(1, len(set(self.places.tolist())))
        self.scales = 2 / np.sqrt(self.coordinates) * np.sqrt(self.rises)
        logs = np.log(np.maximum(typical, 1e-300))
        self.middle = float(logs.mean())
        self.width = float(logs.std())

    def steps(self, vectors: Vectors) -> Floats:
        """(n, steps): 1 where a vector has made a step, 0 where it has not."""
        return (vectors[:, self.places] >= self.levels).astype(np.float64)

    def columns(self, steps: Floats, costs: Floats) -> Floats:
        """(n, steps + 3): 1, and F less the sign: c and b times these are the error's logarithm."""
        spread = (np.log(np.maximum(costs, 1e-300)) - self.middle) / self.width if self.width > 1e-9 else 0 * costs
        mean = 2 / self.coordinates * (steps @ self.rises)
        return np.column_stack([np.ones(len(steps)), -steps * self.scales, -mean, -spread])

    def likeness(self, steps: Floats, others: Floats) -> Floats:
        """(n, m): r's correlation of vectors and others, by the mean distance in height."""
        weighted = others * self.rises
        apart = (steps @ self.rises)[:, None] + weighted.sum(axis=1) - 2 * (steps @ weighted.T)
        return np.exp(-np.maximum(apart, 0) / (REACH * self.coordinates))


class Data(NamedTuple):
    """What was told: (n, steps) and (n, columns) of the encoding, targets (n,), runs of each (n,)."""

    steps: Floats
    columns: Floats
    targets: Floats
    runs: Floats


class Variances(NamedTuple):
    """Points of the grid, each (k,), with the logarithms of their weights before anything is known."""

    step: Floats
    rough: Floats
    noise: Floats
    prior: Floats


class Sites(NamedTuple):
    """The normal factors that stand for b >= 0: exp(linear b - precision b^2 / 2), each (k, columns - 1)."""

    precision: Floats
    linear: Floats


class Model:
    """What is known of the error's logarithm, under each of k points of the grid, and the points' `weights` (k,)."""

    def __init__(self, encoding: Encoding, data: Data, points: Variances, fitted: Model | None = None) -> None:
        """With `fitted`, its sites and weights are taken over: for a few more results they stay as good as they are."""
        self.encoding, self.data, self.points = encoding, data, points
        self.process = points.step * points.rough
        noise = points.noise[:, None] / data.runs
        places = np.arange(len(data.runs))
        told = np.zeros((len(noise), len(places), len(places)))
        if self.process.any():
            told += self.process[:, None, None] * encoding.likeness(data.steps, data.steps)
        told[:, places, places] += noise
        self.precision = np.linalg.inv(told)
        self._weighted = self.precision @ data.columns
        information = data.columns.T @ self._weighted
        linear = np.swapaxes(self._weighted, 1, 2) @ data.targets
        prior = np.repeat(1 / points.step[:, None], data.columns.shape[1], axis=1)
        prior[:, 0] = 1 / _LEVEL
        places = np.arange(prior.shape[1])
        information[:, places, places] += prior
        if fitted is None:
            self.sites, evidence = _cut(information, linear, points.step)
            evidence += 0.5 * np.linalg.slogdet(self.precision)[1]
            evidence -= 0.5 * ((self.precision @ data.targets) @ data.targets)
            evidence += 0.5 * np.log(prior).sum(axis=1) + points.prior
            weights = np.exp(evidence - evidence.max())
            self.weights = weights / weights.sum()
        else:
            self.sites, self.weights = fitted.sites, fitted.weights
        self.covariance, self.means = _with_sites(information, linear, self.sites)
        rest = data.targets - self.means @ data.columns.T
        self._residual = np.einsum("knm,km->kn", self.precision, rest)

    def predict(self, vectors: Vectors, costs: Floats) -> tuple[Floats, Floats]:
        """Means (k, m) and deviations (k, m) of the targets of candidates, a training's noise left out."""
        steps = self.encoding.steps(vectors)
        columns = self.encoding.columns(steps, costs)
        means = self.means @ columns.T
        if not self.process.any():
            variances = ((columns @ self.covariance) * columns).sum(axis=-1)
            return means, np.sqrt(np.maximum(variances, 1e-12))
        likeness = self.process[:, None, None] * self.encoding.likeness(steps, self.data.steps)
        means = means + np.einsum("kmn,kn->km", likeness, self._residual)
        rest = columns - likeness @ self._weighted
        variances = self.process[:, None] - ((likeness @ self.precision) * likeness).sum(axis=-1)
        variances += ((rest @ self.covariance) * rest).sum(axis=-1)
        return means, np.sqrt(np.maximum(variances, 1e-12))

    def extended(self, vectors: Vectors, costs: Floats) -> Model:
        """What this model were, had it been told its own means of more candidates: less is to be learned near them."""
        steps = self.encoding.steps(vectors)
        data = Data(
            np.vstack([self.data.steps, steps]),
            np.vstack([self.data.columns, self.encoding.columns(steps, costs)]),
            np.append(self.data.targets, self.weights @ self.predict(vectors, costs)[0]),
            np.append(self.data.runs, np.ones(len(steps))),
        )
        return Model(self.encoding, data, self.points, self)


def _with_sites(information: Floats, linear: Floats, sites: Sites) -> tuple[Floats, Floats]:
    """Covariances (k, p, p) and means (k, p) of c and b."""
    cut = information.copy()
    places = np.arange(1, linear.shape[1])
    cut[:, places, places] += sites.precision
    full = linear.copy()
    full[:, 1:] += sites.linear
    covariance = np.linalg.inv(cut)
    return covariance, (covariance @ full[:, :, None])[:, :, 0]


def _cut(information: Floats, linear: Floats, step: Floats) -> tuple[Sites, Floats]:
    """Expectation propagation: what stands for b >= 0, and the logarithm of the results' probability, up to a constant.

    `information` (k, p, p) and `linear` (k, p) are c and b's distribution without the cut: exp(linear b -
    b' information b / 2).
    """
    # To begin with, the factors that give b the mean and variance that it has before anything is known.
    shape = (linear.shape[0], linear.shape[1] - 1)
    tau = np.broadcast_to((1 / _HALF_VARIANCE - 1) / step[:, None], shape)
    eta = np.broadcast_to(_HALF_MEAN / _HALF_VARIANCE / np.sqrt(step)[:, None], shape)
    damping = 1.0
    for sweep in range(_SWEEPS):
        covariance, means = _with_sites(information, linear, Sites(tau, eta))
        variance, mean = np.diagonal(covariance, axis1=1, axis2=2)[:, 1:], means[:, 1:]
        outside = 1 / np.maximum(1 / variance - tau, 1e-9)
        center = outside * (mean / variance - eta)
        logs, cut_mean, cut_variance = above_zero(center, outside)
        new_tau = np.maximum(1 / cut_variance - 1 / outside, 0)
        new_eta = cut_mean / cut_variance - center / outside
        change = float((np.abs(new_tau - tau) * cut_variance).max(initial=0))
        if change < _CLOSE or sweep + 1 == _SWEEPS:
            break
        damping = 0.9 if sweep < 8 else 0.5
        tau = tau + damping * (new_tau - tau)
        eta = eta + damping * (new_eta - eta)
    full = linear.copy()
    full[:, 1:] += eta
    # The normal integral with the factors, and each factor's own scale: the cut's share of the rest, over the factor's.
    evidence = 0.5 * np.linalg.slogdet(covariance)[1] + 0.5 * (full * means).sum(axis=1)
    evidence += (logs + np.log(2) + 0.5 * np.log1p(outside * tau)).sum(axis=1)
    evidence += 0.5 * (center**2 / outside - (center / outside + eta) ** 2 / (1 / outside + tau)).sum(axis=1)
    return Sites(tau, eta), evidence


def grid(encoding: Encoding, data: Data, noise: tuple[float, float] | None = None, kept: int = KEPT) -> Variances:
    """The most probable points of the grid. `noise`: a measured variance of a run's noise, and from how many more runs.

    A first look takes the cut distribution of b as the normal one with its mean and variance: all of the grid then
    follows from one eigenvalue problem for each roughness.
    """
    roots = np.sqrt(data.runs)
    total = data.columns[:, 1:].sum(axis=1)
    likeness = encoding.likeness(data.steps, data.steps)
    linear = data.columns[:, 1:] @ data.columns[:, 1:].T
    # A reflection that leaves c in the first row: without that row, c is gone.
    mirror = roots.copy()
    mirror[0] += np.linalg.norm(roots)
    mirror /= np.linalg.norm(mirror)

    def reflected(rows: Floats) -> Floats:
        return (rows - 2 * mirror[:, None] * (mirror @ rows))[1:]

    pair = reflected(np.column_stack([data.targets, total]) * roots[:, None])
    points: list[tuple[float, ...]] = []
    for rough in ROUGHNESS:
        joint = (_HALF_VARIANCE * linear + rough * likeness) * np.outer(roots, roots)
        values, vectors = np.linalg.eigh(reflected(reflected(joint).T))
        told, drift = (vectors.T @ pair).T
        values = np.maximum(values, 0)
        for step in STEPS:
            rest = np.square(told - drift * _HALF_MEAN * np.sqrt(step))
            for level in NOISE:
                spread = step * values + level
                fit = -0.5 * float((np.log(spread) + rest / spread).sum())
                prior = -0.5 * (np.log(step / 0.5) / 1.5) ** 2 - 0.5 * (np.log(level / 0.05) / 1.5) ** 2
                points.append((fit + prior, step, rough, level, prior))
    points.sort(key=lambda point: -point[0])
    return Variances(*np.array(points[:kept]).T[1:])


def targets_of(accuracies: Floats) -> tuple[Floats, float, float]:
    """The error's logarithm, standardised, with its mean and deviation: 1 - accuracy = exp(mean + deviation * target).

    Errors of nothing at all are taken as a tenth of the least other error.
    """
    errors = np.clip(1 - accuracies, 0, 1)
    least = errors[errors > 0].min(initial=1.0)
    logs = np.log(np.maximum(errors, max(1e-6, least / 10)))
    deviation = float(logs.std())
    middle = float(logs.mean())
    return (logs - middle) / (deviation if deviation > 1e-9 else 1.0), middle, deviation if deviation > 1e-9 else 1.0
