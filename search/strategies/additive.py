"""The strategy `additive`: the candidate from which a model, monotone on the whole, expects most hypervolume.

The model is that of `model.py`. A start of six candidates, one from each sixth by cost of a sample, is trained without
it. From then on each ask samples candidates, adds the neighbours of the boundary, climbs from the best of them over
single steps to where no step promises more, and takes the best that was seen. Candidates in training count as if the
model's own expectation had been told for them. The space is never listed.

The boundary is that of the model's means, so that one lucky run does not end the search around it. The reference point
of the hypervolume is the largest cost of the sample, and the accuracy that a twentieth of it stays below, as the model
expects it.
"""

from __future__ import annotations

import random

import numpy as np

from search.spaces.vectors import Vectors
from search.strategies.candidates import Candidates
from search.strategies.chooser import Chooser
from search.strategies.hypervolume import expected_gain, staircase
from search.strategies.model import Data, Encoding, Model, grid, targets_of
from search.strategies.normal import Floats
from search.strategies.order import non_dominated

#: Candidates trained before the model chooses.
START = 3
TYPICAL = "even"
TIMES = 1.0
SAMPLED = 500
SAMPLED_EACH = 150
EVEN_EACH = 500
MIX = 0
CLIMBED = 4
ROUNDS = 20


class Additive(Chooser):
    name = "additive"

    def __init__(self, candidates: Candidates, seed: int = 0) -> None:
        super().__init__(candidates, seed)
        self._pool = skewed(candidates, random.Random(f"{seed} start"), SAMPLED)
        costs = candidates.costs(self._pool)
        self._even = candidates.sample(random.Random(f"{seed} even"), SAMPLED)
        self._even_costs = candidates.costs(self._even)
        self._encoding = Encoding(candidates, self._even_costs if TYPICAL == "even" else costs)
        self._encoding.width /= TIMES
        self._most = float(max(costs.max(), self._even_costs.max()))
        self._start = self._first()
        self._fitted: tuple[bytes, Model] | None = None

    def _first(self) -> Vectors:
        if MIX:
            self._pool = np.vstack(
                [self._pool, self.candidates.sample(random.Random(f"{self.seed} mix"), int(SAMPLED * MIX))]
            )
        order = np.argsort(self.candidates.costs(self._pool), kind="stable")
        rng = random.Random(f"{self.seed} first")
        chosen = [part[rng.randrange(len(part))] for part in np.array_split(order, START) if len(part)]
        rng.shuffle(chosen)
        return self._pool[chosen]

    def _model(self) -> Model:
        told = self.results
        accuracies, runs = told.accuracies, told.runs
        key = told.vectors.tobytes() + accuracies.tobytes() + runs.tobytes()
        if self._fitted is None or self._fitted[0] != key:
            targets, _, _ = targets_of(accuracies)
            steps = self._encoding.steps(told.vectors)
            data = Data(steps, self._encoding.columns(steps, told.costs), targets, runs.astype(np.float64))
            self._fitted = key, Model(self._encoding, data, grid(self._encoding, data))
        return self._fitted[1]

    def _means(self, model: Model, vectors: Vectors, costs: Floats) -> Floats:
        _, middle, width = targets_of(self.results.accuracies)
        means, deviations = model.predict(vectors, costs)
        return 1 - model.weights @ np.exp(middle + width * means + np.square(width * deviations) / 2)

    def expected(self, vectors: Vectors) -> Floats | None:
        if len(self.results.vectors) < 2:
            return None
        return self._means(self._model(), vectors, self.candidates.costs(vectors))

    def ask(self, number: int, training: Vectors) -> Vectors:
        taken = {row.tobytes() for rows in (self.results.vectors, self.results.failed, training) for row in rows}
        chosen: list[Vectors] = []
        for vector in self._start:
            if len(chosen) < number and vector.tobytes() not in taken:
                taken.add(vector.tobytes())
                chosen.append(vector)
        while len(chosen) < number:
            vector = self._next(np.vstack([training, *(c[None] for c in chosen)]), taken)
            if vector is None:
                break
            taken.add(vector.tobytes())
            chosen.append(vector)
        return np.array(chosen, dtype=np.uint8).reshape(-1, self.candidates.length)

    def _next(self, training: Vectors, taken: set[bytes]) -> Vectors | None:
        told = self.results
        rng = random.Random(f"{self.seed} {len(taken)}")
        model = self._model()
        _, middle, width = targets_of(told.accuracies)
        trained, costs = told.vectors, told.costs
        if len(training):
            more = self.candidates.costs(training)
            model = model.extended(training, more)
            trained, costs = np.vstack([trained, training]), np.append(costs, more)
        means = self._means(model, trained, costs)
        worst = float(np.quantile(self._means(model, self._even, self._even_costs), 0.05))
        boundary = staircase(costs, means, (self._most, worst))

        seen: dict[bytes, tuple[float, Vectors]] = {}

        def gains(vectors: Vectors) -> None:
            new = {row.tobytes(): row for row in vectors if row.tobytes() not in taken and row.tobytes() not in seen}
            if not new:
                return
            rows = np.array(list(new.values()))
            their = self.candidates.costs(rows)
            at, spread = model.predict(rows, their)
            gain = model.weights @ expected_gain(their, middle + width * at, width * spread, boundary, self._most)
            for row, value in zip(rows, gain, strict=True):
                seen[row.tobytes()] = float(value), row

        best = trained[non_dominated(costs, means)]
        around = [self.candidates.neighbours(row) for row in best]
        rows = np.vstack(around) if around else trained[:0]
        if len(rows) > SAMPLED_EACH:
            rows = rows[sorted(rng.sample(range(len(rows)), SAMPLED_EACH))]
        gains(np.vstack([skewed(self.candidates, rng, SAMPLED_EACH), rows, self.candidates.sample(rng, EVEN_EACH)]))
        if not seen:
            gains(self.candidates.sample(rng, 20 * SAMPLED))
            if not seen:
                return None
        climbers = sorted(seen.values(), key=lambda pair: -pair[0])[:CLIMBED]
        for _ in range(ROUNDS):
            ways = [self.candidates.neighbours(row) for _, row in climbers]
            if not ways:
                break
            gains(np.vstack(ways))
            higher = []
            for (value, row), steps in zip(climbers, ways, strict=True):
                better = [seen[step.tobytes()] for step in steps if step.tobytes() in seen]
                top = max(better, key=lambda pair: pair[0], default=(value, row))
                if top[0] > value:
                    higher.append(top)
            climbers = higher
        return max(seen.values(), key=lambda pair: pair[0])[1]


def skewed(candidates: Candidates, rng: random.Random, number: int) -> Vectors:
    """Candidates that are spread more widely over costs than evenly drawn ones, whose costs crowd in the middle."""
    heights = candidates.heights
    numbers = np.random.default_rng(rng.getrandbits(64))
    levels = numbers.random(number)
    rows = np.column_stack([numbers.binomial(len(values) - 1, levels) for values in heights]).astype(np.uint8)
    inside = rows[candidates.contains(rows)]
    if len(inside) >= number // 2:
        return inside
    return np.vstack([inside, candidates.sample(rng, number - len(inside))])
