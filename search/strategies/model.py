"""A model of accuracy in which the order holds on the whole: every step up in the order lowers the error, or does not.

The logarithm of the error above a floor, the target, is c - F b + r + noise. F has a column for each step of each
coordinate, one for the mean height and one for the logarithm of the cost; b >= 0 is normal before anything is known,
cut at 0. So what is assumed of pairs of networks (POP, section 3.3) is here an assumption on the sum of many, which
single networks may contradict: r is a small Gaussian process that does so, and noise is a training's.

b >= 0 makes the distribution after trainings one without closed form. It is approximated by the normal one that
expectation propagation finds (T. Minka, 2001): each cut is replaced by the normal factor that gives b's number the mean
and variance that the cut gives it. Variances of b, r and noise are averaged over a grid, weighted by how probable each
makes the results (and by wide priors); the floor is the most probable of a few.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from search.spaces.vectors import Vectors
from search.strategies.normal import Floats, above_zero

Singles = NDArray[np.float32]

#: The number of a row that goes by none.
UNKNOWN = -1

#: Variance of a step's weight; of r, in units of the first; of noise, in units of the variance of what was told.
STEPS = (0.03, 0.1, 0.3, 1.0, 3.0)
ROUGHNESS = (0.0, 0.1, 0.4)
NOISE = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
#: r's correlation falls by e over this share of the mean distance in height.
REACH = 1 / 3
#: The share of the least error that no network is rid of.
FLOORS = (0.0, 0.5, 0.9)
#: Up to so many results, so many points of the grid are kept.
KEPT = ((100, 4), (200, 2), (10**9, 1))
#: By so many results at most the grid is looked at.
LOOKED = 128
#: Results from which r is known.
NEAR = 160
#: Steps that have a column of their own, in all.
MOST_STEPS = 120
# Of a normal number cut at 0: mean in deviations, share of the variance.
_HALF_MEAN, _HALF_VARIANCE = np.sqrt(2 / np.pi), 1 - 2 / np.pi
# The variance of c, in units of the variance of what was told.
_LEVEL = 100.0
_SWEEPS = 30
_CLOSE = 1e-2


class Encoding:
    """Vectors of a space as the model's columns.

    `heights` are those of `Candidates`; `usual` are costs of any candidates: where costs lie, and how widely. Where
    there are more than MOST_STEPS steps in all, neighbouring steps of a coordinate share a column, by height.
    """

    def __init__(self, heights: Sequence[Floats], usual: Floats) -> None:
        rises = [np.diff(values) for values in _rounded(heights)]
        self.places = np.array([place for place, values in enumerate(rises) for _ in values], dtype=np.intp)
        self.levels = np.array([level + 1 for values in rises for level in range(len(values))], dtype=np.uint8)
        self.rises = np.concatenate([np.zeros(0), *rises]).astype(np.float32)
        self.coordinates = max(1, sum(len(values) > 0 for values in rises))
        parts = max(1, MOST_STEPS // self.coordinates) if len(self.rises) > MOST_STEPS else 255
        groups = [
            group for values in rises for group in np.array_split(values, min(parts, len(values) or 1)) if len(group)
        ]
        #: How many columns the steps have.
        self.shared = len(groups)
        #: For each coordinate the first of its columns, and (values, its columns) what each value says there: the
        #: steps made so far, scaled so that a coordinate's weights vary alike, however many.
        self.shares: list[tuple[int, Floats]] = []
        column = 0
        for values in rises:
            table = np.zeros((len(values) + 1, 0))
            begun, level = column, 0
            while level < len(values):
                group = groups[column]
                made = np.zeros(len(values) + 1)
                made[level + 1 :] = np.append(np.cumsum(group), np.full(len(values) - level - len(group), group.sum()))
                table = np.column_stack([table, made * 2 / np.sqrt(self.coordinates * max(float(group.sum()), 1e-12))])
                level, column = level + len(group), column + 1
            self.shares.append((begun, table))
        self.heights = [np.append(0, np.cumsum(values)) for values in rises]
        logs = np.log(np.maximum(usual, 1e-300))
        self.middle = float(logs.mean()) if len(logs) else 0.0
        self.width = float(logs.std()) if len(logs) else 0.0

    def steps(self, vectors: Vectors) -> Singles:
        """(n, steps): 1 where a vector has made a step, 0 where it has not."""
        return (vectors[:, self.places] >= self.levels).astype(np.float32)

    def columns(self, vectors: Vectors, costs: Floats) -> Floats:
        """(n, columns): 1, and -F: c and b times these are the target."""
        found = np.empty((len(vectors), 3 + self.shared))
        found[:, 0] = 1
        mean = np.zeros(len(vectors))
        for (first, shares), heights, values in zip(self.shares, self.heights, vectors.T, strict=True):
            found[:, 1 + first : 1 + first + shares.shape[1]] = shares.take(values, axis=0)
            mean += heights.take(values)
        found[:, -2] = 2 / self.coordinates * mean
        found[:, -1] = (np.log(np.maximum(costs, 1e-300)) - self.middle) / self.width if self.width > 1e-9 else 0
        np.negative(found[:, 1:], out=found[:, 1:])
        return found

    def likeness(self, steps: Singles, others: Singles) -> Floats:
        """(n, m): r's correlation of vectors and others, by the mean distance in height."""
        weighted = others * self.rises
        shared = (steps @ weighted.T).astype(np.float64)
        apart = (steps @ self.rises).astype(np.float64)[:, None] + weighted.sum(axis=1, dtype=np.float64) - 2 * shared
        return np.exp(-apart / (REACH * self.coordinates))


def _rounded(heights: Sequence[Floats]) -> list[Floats]:
    """The heights as multiples of a power of 2, so that any sum of steps is exact in single precision.

    Then distances are the same to the last bit in whatever order and company they are computed. Of 60 coordinates, a
    height changes by less than 1e-5.
    """
    highest = sum(float(np.max(values)) for values in heights)
    unit = 2.0 ** (math.ceil(math.log2(highest + 1)) - 23)
    return [np.round(np.asarray(values, dtype=np.float64) / unit) * unit for values in heights]


class Data(NamedTuple):
    """What was told: (n, steps) and (n, columns) of the encoding, runs of each (n,), and what number each goes by (n,).

    The number is UNKNOWN where nobody gave one.
    """

    steps: Singles
    columns: Floats
    runs: Floats
    numbers: NDArray[np.intp]

    @classmethod
    def of(cls, encoding: Encoding, vectors: Vectors, costs: Floats, runs: NDArray[np.intp]) -> Data:
        """Candidates (n, length), their costs (n,) and numbers of runs (n,)."""
        steps, columns = encoding.steps(vectors), encoding.columns(vectors, costs)
        return cls(steps, columns, runs.astype(np.float64), np.full(len(vectors), UNKNOWN))

    def rows(self, places: NDArray[np.intp] | slice) -> Data:
        return Data(self.steps[places], self.columns[places], self.runs[places], self.numbers[places])

    def joined(self, more: Data) -> Data:
        """These rows, and behind them more."""
        return Data(
            np.concatenate([self.steps, more.steps]),
            np.concatenate([self.columns, more.columns]),
            np.concatenate([self.runs, more.runs]),
            np.concatenate([self.numbers, more.numbers]),
        )


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
    """What is known of the target, under each of k points of the grid, and the points' `weights` (k,).

    Of more than NEAR results, r is known from the last NEAR rows alone; for the others it is noise of their own, so
    that what an ask takes stays within bounds. b is known from all.
    """

    def __init__(
        self, encoding: Encoding, data: Data, targets: Floats, points: Variances, before: Model | None = None
    ) -> None:
        """With `before`, its sites and weights are taken over: for a few more results they stay as good as they are."""
        self.encoding, self.data, self.targets, self.points = encoding, data, targets, points
        self.process = points.step * points.rough
        noise = points.noise[:, None] / data.runs
        far = max(0, len(targets) - NEAR) if self.process.any() else len(targets)
        # The precision of r and noise: of the far rows a diagonal, of the near ones a whole matrix.
        alone = 1 / (noise[:, :far] + self.process[:, None])
        self.near = data.rows(slice(far, None))
        told = self.process[:, None, None] * encoding.likeness(self.near.steps, self.near.steps)
        places = np.arange(len(targets) - far)
        told[:, places, places] += noise[:, far:]
        self.precision = np.linalg.inv(told)
        self._weighted = self.precision @ self.near.columns
        information = data.columns[:far].T @ (alone[:, :, None] * data.columns[:far])
        information += self.near.columns.T @ self._weighted
        linear = (alone * targets[:far]) @ data.columns[:far]
        linear += np.swapaxes(self._weighted, 1, 2) @ targets[far:]
        prior = np.repeat(1 / points.step[:, None], data.columns.shape[1], axis=1)
        prior[:, 0] = 1 / _LEVEL
        places = np.arange(prior.shape[1])
        information[:, places, places] += prior
        if before is None:
            self.sites, evidence = _cut(information, linear, points.step)
            evidence += 0.5 * np.linalg.slogdet(self.precision)[1] + 0.5 * np.log(alone).sum(axis=1)
            evidence -= 0.5 * ((self.precision @ targets[far:]) @ targets[far:] + alone @ np.square(targets[:far]))
            evidence += 0.5 * np.log(prior).sum(axis=1) + points.prior
            weights = np.exp(evidence - evidence.max())
            self.weights = weights / weights.sum()
        else:
            self.sites, self.weights = before.sites, before.weights
        self.covariance, self.means = _with_sites(information, linear, self.sites)
        rest = targets[far:] - self.means @ self.near.columns.T
        self._residual = np.einsum("knm,km->kn", self.precision, rest)

    def predict(self, vectors: Vectors, costs: Floats) -> tuple[Floats, Floats]:
        """Means (k, m) and deviations (k, m) of the targets of candidates, a training's noise left out."""
        likeness = None
        if self.process.any():
            likeness = self.encoding.likeness(self.encoding.steps(vectors), self.near.steps)
        return self.predicted(self.encoding.columns(vectors, costs), likeness)

    def predicted(self, columns: Floats, likeness: Floats | None) -> tuple[Floats, Floats]:
        """As `predict`, of columns (m, columns) and the correlation with the near rows (m, near); None where r is 0."""
        means = self.means @ columns.T
        if likeness is None:
            variances = ((columns @ self.covariance) * columns).sum(axis=-1)
            return means, np.sqrt(np.maximum(variances, 1e-12))
        likeness = self.process[:, None, None] * likeness
        means = means + np.einsum("kmn,kn->km", likeness, self._residual)
        rest = columns - likeness @ self._weighted
        variances = self.process[:, None] - ((likeness @ self.precision) * likeness).sum(axis=-1)
        variances += ((rest @ self.covariance) * rest).sum(axis=-1)
        return means, np.sqrt(np.maximum(variances, 1e-12))

    def told(
        self, predicted: tuple[Floats, Floats], targets: Floats, runs: Floats, spread: Floats
    ) -> tuple[Floats, Floats]:
        """Means (k, n) and deviations (k, n) of the targets that trained candidates have, given what they were told.

        `predicted` is what `predict` says of them, `targets` (n,) are the means of their `runs` (n,), `spread` (n,) is
        a run's deviation. The noise of the grid is all that sets a result apart from F b and r. What of its variance a
        run's spread does not account for, is a difference of the candidate's own, which its next run would show again;
        by its share of the variance the candidate follows what was told of it.
        """
        means, deviations = predicted
        run = np.square(spread)
        own = np.maximum(0, self.points.noise[:, None] - run) * float(np.mean(1 / self.data.runs))
        share = own / np.maximum(own + run / runs, 1e-12)
        variances = np.square((1 - share) * deviations) + share * run / runs
        return means + share * (targets - means), np.sqrt(variances)

    def extended(self, vectors: Vectors, costs: Floats) -> Model:
        """What this model were, had it been told its own means of more candidates: less is to be learned near them."""
        more = Data.of(self.encoding, vectors, costs, np.ones(len(vectors), dtype=np.intp))
        targets = np.append(self.targets, self.weights @ self.predict(vectors, costs)[0])
        return Model(self.encoding, self.data.joined(more), targets, self.points, self)


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


class Grid:
    """The grid by some of the results: all that does not depend on what accuracies these have.

    A first look takes the cut distribution of b as the normal one with its mean and variance: all of the grid then
    follows from one eigenvalue problem for each roughness.
    """

    def __init__(self, encoding: Encoding, data: Data) -> None:
        self._roots = np.sqrt(data.runs)
        self._total = data.columns[:, 1:].sum(axis=1)
        likeness = encoding.likeness(data.steps, data.steps)
        linear = data.columns[:, 1:] @ data.columns[:, 1:].T
        # A reflection that leaves c in the first row: without that row, c is gone.
        self._mirror = self._roots.copy()
        self._mirror[0] += np.linalg.norm(self._roots)
        self._mirror /= np.linalg.norm(self._mirror)
        outer = np.outer(self._roots, self._roots)
        joint = [(_HALF_VARIANCE * linear + rough * likeness) * outer for rough in ROUGHNESS]
        self._eigen = [np.linalg.eigh(self._reflected(self._reflected(each).T)) for each in joint]

    def _reflected(self, rows: Floats) -> Floats:
        return (rows - 2 * self._mirror[:, None] * (self._mirror @ rows))[1:]

    def best(self, targets: Floats, kept: int, measured: Measured) -> tuple[float, Variances]:
        """The most probable points, so many, and the logarithm of the best one's probability, up to a constant."""
        pair = self._reflected(np.column_stack([targets, self._total]) * self._roots[:, None])
        step, noise = (values.ravel() for values in np.meshgrid(STEPS, NOISE, indexing="ij"))
        prior = -0.5 * np.square(np.log(step / 0.5) / 1.5) - 0.5 * np.square(np.log(noise / 0.05) / 1.5)
        if measured.freedom:
            apart = np.log(noise / max(measured.variance, NOISE[0]))
            prior -= 0.5 * np.square(apart) / (2 / measured.freedom + 0.25)
        fits = []
        for values, vectors in self._eigen:
            told, drift = (vectors.T @ pair).T
            rest = np.square(told - drift * _HALF_MEAN * np.sqrt(step)[:, None])
            spread = step[:, None] * np.maximum(values, 0) + noise[:, None]
            fits.append(prior - 0.5 * (np.log(spread) + rest / spread).sum(axis=1))
        found = np.concatenate(fits)
        best = np.argsort(-found, kind="stable")[:kept]
        one = best % len(step)
        rough = np.array(ROUGHNESS)[best // len(step)]
        return float(found[best[0]]), Variances(step[one], rough, noise[one], prior[one])


class Measured(NamedTuple):
    """A run's noise as variance of targets, from so many more runs than candidates; nothing is known of 0."""

    variance: float
    freedom: int


class Choice(NamedTuple):
    """Points of the grid, and how accuracies become targets."""

    points: Variances
    scale: Scale


def chosen(encoding: Encoding, data: Data, accuracies: Floats, spread: float | None) -> Choice:
    """The most probable points of the grid and the most probable floor, by at most LOOKED of the results (n >= 2).

    `spread` is a run's standard deviation as a share of the error, where it was measured. Of the points KEPT stay,
    fewer of them the more results there are: then the best one has nearly all of the weight.
    """
    kept = next(number for most, number in KEPT if len(accuracies) <= most)
    places = np.unique(np.linspace(0, len(accuracies) - 1, min(len(accuracies), LOOKED)).astype(np.intp))
    part = data.rows(places)
    grid, looked = Grid(encoding, part), []
    for floor in FLOORS:
        targets, scale, density = targets_of(accuracies[places], floor)
        spreads = (spread or 0.0) * (1 - accuracies[places])
        deviation = float(np.median(scale.spread(accuracies[places], spreads)))
        measured = Measured(deviation**2, 0 if spread is None else int((part.runs - 1).sum()))
        fit, points = grid.best(targets, kept, measured)
        looked.append((fit + density, Choice(points, scale)))
    return max(looked, key=lambda one: one[0])[1]


def fitted(encoding: Encoding, data: Data, accuracies: Floats, choice: Choice) -> Model:
    """The model of accuracies (n,)."""
    targets = choice.scale.targets(accuracies)
    # What is near the boundary comes last: there r is known from.
    order = np.argsort(-targets, kind="stable") if len(targets) > NEAR else np.arange(len(targets))
    return Model(encoding, data.rows(order), targets[order], choice.points)


class Scale(NamedTuple):
    """How accuracies become targets: 1 - accuracy = floor + exp(middle + width * target)."""

    floor: float
    least: float
    middle: float
    width: float

    def above(self, accuracies: Floats) -> Floats:
        """Errors above the floor; at least `least`."""
        return np.maximum(1 - accuracies - self.floor, self.least)

    def targets(self, accuracies: Floats) -> Floats:
        return np.asarray((np.log(self.above(accuracies)) - self.middle) / self.width)

    def spread(self, accuracies: Floats, spread: Floats | float) -> Floats:
        """Deviations of targets where those of accuracies are `spread`."""
        return np.asarray(spread / self.above(accuracies) / self.width)

    def logs(self, means: Floats, deviations: Floats) -> tuple[Floats, Floats]:
        """Of targets, the means and deviations of the logarithm of the error above the floor."""
        return self.middle + self.width * means, self.width * deviations


def targets_of(accuracies: Floats, share: float = 0.0) -> tuple[Floats, Scale, float]:
    """The standardised logarithm of the error above a floor, its scale, and the logarithm of the targets' density.

    The floor is a share of the least error that was told: so much of the error no network of the space is rid of.
    Errors of nothing at all are taken as a tenth of the least other error.
    """
    errors = np.clip(1 - accuracies, 0, 1)
    errors = np.maximum(errors, max(1e-6, float(errors[errors > 0].min(initial=1.0)) / 10))
    floor = share * float(errors.min())
    above = errors - floor
    logs = np.log(above)
    deviation, middle = float(logs.std()), float(logs.mean())
    deviation = deviation if deviation > 1e-9 else 1.0
    scale = Scale(floor, float(above.min()), middle, deviation)
    return (logs - middle) / deviation, scale, -float((logs + np.log(deviation)).sum())
