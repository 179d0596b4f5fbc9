"""Other ways of choosing candidates, to compare strategies with: each a Chooser on a table's candidates.

`evolution`, regularised (E. Real and others, 2019) with parents by dominance; `nsga2`, `tpe` (multivariate) and
`gp-optuna`, Optuna's samplers on two objectives, accuracy and cost; `gp`, a Gaussian process with a length scale for
each coordinate that knows the cost, as `additive` does, and takes what promises most hypervolume of the whole table.
Optuna's samplers do not know a candidate's cost before it is trained. Where a rival offers what the table does not
have, or what it had already, it gets the nearest network that is left.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.spaces.vectors import Vectors
from search.strategies.candidates import Candidates, ListedCandidates
from search.strategies.chooser import Chooser
from search.strategies.hypervolume import expected_gain, staircase
from search.strategies.model import targets_of
from search.strategies.order import non_dominated

Floats = NDArray[np.float64]


class Listed(Chooser):
    """A chooser that may look at the whole table."""

    def __init__(self, candidates: Candidates, seed: int = 0) -> None:
        super().__init__(candidates, seed)
        if not isinstance(candidates, ListedCandidates):
            raise TypeError("rivals choose from tables")
        self.table = candidates
        self.costs = candidates.costs(candidates.vectors)
        self.points = np.column_stack([
            heights[candidates.vectors[:, place]] for place, heights in enumerate(candidates.heights)
        ])  # fmt: skip
        self.open = np.ones(len(self.costs), dtype=bool)

    def tell(self, vector: Vectors, accuracy: float | None) -> None:
        super().tell(vector, accuracy)
        self.open[self.table.places(vector[None])] = False

    def ask(self, number: int, training: Vectors) -> Vectors:
        """One at a time: the rivals are compared at that."""
        if number != 1 or len(training):
            raise ValueError("rivals choose one candidate at a time")
        if not self.open.any():
            return self.table.vectors[:0]
        return self.table.vectors[[self.place()]]

    def place(self) -> int:
        """The row of the next candidate."""
        raise NotImplementedError

    def rng(self) -> random.Random:
        return random.Random(f"{self.seed} {len(self.results.vectors)}")

    def told(self) -> NDArray[np.intp]:
        return self.table.places(self.results.vectors)

    def nearest(self, vector: NDArray[Any]) -> int:
        """The nearest row that is left, by height, to any vector."""
        point = np.array([heights[int(value)] for heights, value in zip(self.table.heights, vector, strict=True)])
        left = np.flatnonzero(self.open)
        return int(left[np.abs(self.points[left] - point).sum(axis=1).argmin()])


class Evolution(Listed):
    """Of the 20 youngest, 5 are drawn; one that no other of them beats gets a child, one step away."""

    name = "evolution"
    population, drawn = 20, 5

    def place(self) -> int:
        rng, told = self.rng(), self.told()
        if len(told) < self.population:
            return rng.choice(np.flatnonzero(self.open).tolist())
        living = np.arange(len(told))[-self.population :]
        drawn = np.array(rng.sample(living.tolist(), self.drawn))
        best = drawn[non_dominated(self.results.costs[drawn], self.results.accuracies[drawn])]
        parent = self.results.vectors[rng.choice(best.tolist())]
        places = self.table.places(self.table.neighbours(parent))
        steps = places[self.open[places]]
        if len(steps):
            return int(rng.choice(steps.tolist()))
        child = parent.copy()
        place = rng.randrange(len(child))
        child[place] = rng.randrange(len(self.table.heights[place]))
        return self.nearest(child)


class OptunaSampler(Listed):
    """A sampler of Optuna's on two objectives."""

    def __init__(self, candidates: Candidates, seed: int = 0) -> None:
        super().__init__(candidates, seed)
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        self.study = optuna.create_study(directions=["maximize", "minimize"], sampler=self.sampler(optuna.samplers))
        self.spread = {
            f"{place:03}": optuna.distributions.IntDistribution(0, len(heights) - 1)
            for place, heights in enumerate(candidates.heights)
        }
        self.trial: Any = None
        self.next = -1

    def sampler(self, samplers: Any) -> Any:
        raise NotImplementedError

    def place(self) -> int:
        """Asking again gives the same one."""
        if self.trial is None:
            self.trial = self.study.ask(self.spread)
            self.next = self.nearest(np.array([self.trial.params[name] for name in self.spread]))
        return self.next

    def tell(self, vector: Vectors, accuracy: float | None) -> None:
        """The trial is entered as the candidate that was trained in its place."""
        import optuna

        super().tell(vector, accuracy)
        if self.trial is None or accuracy is None:
            raise ValueError("Optuna's samplers are told what they asked for")
        trial = self.trial._trial_id
        storage = self.study._storage
        for (name, spread), value in zip(self.spread.items(), vector, strict=True):
            if self.trial.params[name] != int(value):
                storage.set_trial_param(trial, name, spread.to_internal_repr(int(value)), spread)
        self.study.tell(self.trial, (accuracy, float(self.results.costs[-1])), state=optuna.trial.TrialState.COMPLETE)
        self.trial = None


class Nsga2(OptunaSampler):
    name = "nsga2"

    def sampler(self, samplers: Any) -> Any:
        return samplers.NSGAIISampler(population_size=20, seed=self.seed)


class Tpe(OptunaSampler):
    name = "tpe"

    def sampler(self, samplers: Any) -> Any:
        return samplers.TPESampler(multivariate=True, seed=self.seed)


class OptunaGp(OptunaSampler):
    name = "gp-optuna"

    def sampler(self, samplers: Any) -> Any:
        return samplers.GPSampler(seed=self.seed, deterministic_objective=False)


class KnownCostGp(Listed):
    """A Gaussian process on the logarithm of the error, with a length scale for each coordinate; needs scipy.

    Its start is that of `additive`, one of each sixth by cost; the marginal likelihood is maximised at every ask up to
    24 results, then at every fourth; the gain is computed for every network of the table.
    """

    name = "gp"
    start = 6

    def __init__(self, candidates: Candidates, seed: int = 0) -> None:
        super().__init__(candidates, seed)
        rng = random.Random(f"{seed} first")
        parts = np.array_split(np.argsort(self.costs, kind="stable"), self.start)
        self.first = [int(part[rng.randrange(len(part))]) for part in parts]
        self.scales: Floats | None = None
        self.fitted = 0
        self.reference = (float(self.costs.max()), 0.0)

    def place(self) -> int:
        told = self.told()
        for place in self.first:
            if self.open[place]:
                return place
        _, (_, _, middle, width), _ = targets_of(self.results.accuracies)
        means, deviations = self.posterior(self.points)
        expected = 1 - np.exp(middle + width * means + np.square(width * deviations) / 2)
        reference = (float(self.costs.max()), float(np.quantile(expected, 0.05)))
        boundary = staircase(self.costs[told], expected[told], reference)
        left = np.flatnonzero(self.open)
        gains = expected_gain(
            self.costs[left], middle + width * means[left], width * deviations[left], boundary, reference[0]
        )
        return int(left[gains.argmax()])

    def expected(self, vectors: Vectors) -> Floats | None:
        if len(self.results.vectors) < self.start:
            return None
        _, (_, _, middle, width), _ = targets_of(self.results.accuracies)
        means, deviations = self.posterior(self.points[self.table.places(vectors)])
        return 1 - np.exp(middle + width * means + np.square(width * deviations) / 2)

    def posterior(self, points: Floats) -> tuple[Floats, Floats]:
        told = self.points[self.told()]
        targets, _, _ = targets_of(self.results.accuracies)
        if self.scales is None or (len(told) != self.fitted and (len(told) <= 24 or len(told) % 4 == 0)):
            self.scales, self.fitted = self.fit(told, targets), len(told)
        signal, noise, *inverse = np.exp(self.scales)
        inverse = np.array(inverse)
        kernel = signal * _likeness(told * inverse, told * inverse) + noise * np.eye(len(told))
        precision = np.linalg.inv(kernel)
        across = signal * _likeness(points * inverse, told * inverse)
        means = across @ (precision @ targets)
        variances = signal - ((across @ precision) * across).sum(axis=1)
        return means, np.sqrt(np.maximum(variances, 1e-10))

    def fit(self, told: Floats, targets: Floats) -> Floats:
        """Logarithms of signal, noise and inverse length scales at the maximum of likelihood times wide priors."""
        from scipy.optimize import minimize

        count, length = told.shape
        apart = np.square(told[:, None] - told[None])
        middles = np.concatenate([[0.0, np.log(0.05)], np.full(length, np.log(1.5 / np.sqrt(length)))])
        wide = np.concatenate([[1.0, 1.5], np.full(length, 1.0)])

        def loss(logs: Floats) -> tuple[float, Floats]:
            signal, noise = np.exp(logs[:2])
            squares = np.exp(2 * logs[2:])
            kernel = signal * np.exp(-0.5 * (apart @ squares))
            precision = np.linalg.inv(kernel + noise * np.eye(count))
            alpha = precision @ targets
            value = 0.5 * targets @ alpha - 0.5 * np.linalg.slogdet(precision)[1]
            slope = 0.5 * (precision - np.outer(alpha, alpha))
            weighted = slope * kernel
            gradient = np.concatenate([
                [weighted.sum(), noise * np.trace(slope)],
                -squares * np.einsum("nm,nml->l", weighted, apart),
            ])  # fmt: skip
            z = (logs - middles) / wide
            return float(value + 0.5 * z @ z), gradient + z / wide

        begins = [middles] if self.scales is None else [middles, self.scales]
        bounds = [(np.log(0.05), np.log(20)), (np.log(1e-3), np.log(2)), *[(np.log(1e-3), np.log(20))] * length]
        found = [minimize(loss, begin, jac=True, method="L-BFGS-B", bounds=bounds) for begin in begins]
        return np.asarray(min(found, key=lambda each: each.fun).x)


def _likeness(points: Floats, others: Floats) -> Floats:
    squares = np.square(points).sum(axis=1)[:, None] + np.square(others).sum(axis=1) - 2 * points @ others.T
    return np.exp(-0.5 * np.maximum(squares, 0))


RIVALS: dict[str, Callable[[Candidates, int], Chooser]] = {
    kind.name: kind for kind in (Evolution, Nsga2, Tpe, OptunaGp, KnownCostGp)
}
