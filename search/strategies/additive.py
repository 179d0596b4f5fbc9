"""The strategy `additive`: the candidate from which a model, monotone on the whole, expects most hypervolume.

The model is that of `model.py`. Three candidates, one from each third by cost of a sample, are trained before it
chooses. From then on each ask draws candidates, adds the neighbours of the boundary, climbs from the best of them over
single steps to where no step promises more, and takes the best that was seen. Candidates in training count as if the
model's own expectation had been told for them. The space is never listed.

The boundary is that of the model's means, so that one lucky run does not end the search around it. The reference point
of the hypervolume is the largest cost that is seen, and the accuracy that a twentieth of all candidates stay below, as
the model expects it.
"""

from __future__ import annotations

import random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from search.spaces.vectors import Vectors
from search.strategies.candidates import Candidates
from search.strategies.chooser import Chooser
from search.strategies.familiar import Familiar
from search.strategies.hypervolume import expected_gain, staircase
from search.strategies.model import Choice, Encoding, Model, Scale, chosen, fitted
from search.strategies.normal import Floats
from search.strategies.order import non_dominated
from search.strategies.spread import USUAL_SPREAD

#: So many are trained before the model chooses; so many more are at hand as long as fewer than two results are known.
START, MORE = 3, 24
#: Up to so many results the model's grid is looked at again for each, then for every fourth.
OFTEN = 24
#: Candidates that stand for all: what costs are usual, what accuracy is poor.
SAMPLED = 500
#: Candidates looked at in an ask before it climbs: spread over the space, evenly drawn, neighbours of the boundary.
SPREAD, EVEN, NEIGHBOURS = 150, 500, 150
#: Of so many boundary networks the neighbours are looked up together.
TOGETHER = 12
#: Evenly drawn ones where candidates are not listed: there neighbours lead everywhere.
EVEN_UNLISTED = 60
#: Evenly drawn ones where hardly any neighbours are candidates, as in tables of networks drawn from a larger space.
SPARSE = 1000
#: From how many candidates an ask climbs, and how many steps at most.
CLIMBERS, CLIMBERS_UNLISTED, ROUNDS = 4, 2, 12
#: The share of all candidates that are less accurate than the reference point.
POOR = 0.05


class Goal(NamedTuple):
    """What is expected of a candidate, and against what: a boundary as `staircase` gives it."""

    model: Model
    scale: Scale
    boundary: tuple[Floats, Floats]


class Additive(Chooser):
    """Needs no more than the methods of `Candidates`; what it keeps beside the results follows from them."""

    name = "additive"

    def __init__(self, candidates: Candidates, seed: int = 0) -> None:
        super().__init__(candidates, seed)
        self._usual = candidates.sample(random.Random(f"{seed} usual"), SAMPLED)
        spread = spread_out(candidates, random.Random(f"{seed} start"), SAMPLED, self._usual)
        costs = candidates.costs(spread)
        self._usual_costs = candidates.costs(self._usual)
        self._most = float(max(self._usual_costs.max(initial=0), costs.max(initial=0)))
        self._encoding = Encoding(candidates.heights, self._usual_costs)
        order = np.argsort(costs, kind="stable")
        rng = random.Random(f"{seed} first")
        self._start = [spread[part[rng.randrange(len(part))]] for part in np.array_split(order, START) if len(part)]
        more = [spread[part[rng.randrange(len(part))]] for part in np.array_split(order, MORE) if len(part)]
        rng.shuffle(self._start)
        rng.shuffle(more)
        self._more = more
        # What follows from the results, with the results that it follows from.
        self._choice: tuple[bytes, Choice] | None = None
        self._known: tuple[bytes, Model, Scale] | None = None
        # The usual candidates, and behind them what was told.
        self._familiar = Familiar(self._encoding, self._usual, self._usual_costs)

    def expected(self, vectors: Vectors) -> Floats | None:
        if len(self.results.vectors) < 2:
            return None
        model, scale = self._model()
        expected = _accuracies(model, scale, model.predict(vectors, self.candidates.costs(vectors)))
        places = self.results.places(vectors)
        trained = np.flatnonzero(places >= 0)
        if len(trained):
            expected[trained] = self._of_trained(places[trained])
        return expected

    def _of_trained(self, places: NDArray[np.intp]) -> Floats:
        """What is expected of trained candidates, rows (n,) of the results: nearer to what they came to."""
        told, (model, scale) = self.results, self._model()
        accuracies, share = told.accuracies[places], told.error_spread()
        spread = scale.spread(accuracies, USUAL_SPREAD if share is None else share * (1 - accuracies))
        predicted = model.predict(told.vectors[places], told.costs[places])
        targets, runs = scale.targets(accuracies), told.runs[places].astype(np.float64)
        return _accuracies(model, scale, model.told(predicted, targets, runs, spread))

    def ask(self, number: int, training: Vectors) -> Vectors:
        training = np.asarray(training, dtype=np.uint8).reshape(-1, self.candidates.length)
        taken = {row.tobytes() for rows in (self.results.vectors, self.results.failed, training) for row in rows}
        running = list(training)
        chosen: list[Vectors] = []
        while len(chosen) < number:
            vector = self._from_start(taken)
            if vector is None and len(self.results.vectors) >= 2:
                vector = self._promising(np.array(running, dtype=np.uint8).reshape(-1, training.shape[1]), taken)
            if vector is None:
                rows = np.frombuffer(b"".join(sorted(taken)), np.uint8).reshape(-1, self.candidates.length)
                drawn = self.candidates.draw(random.Random(f"{self.seed} {len(taken)} rest"), 1, rows)
                if not len(drawn):
                    break
                vector = drawn[0]
            taken.add(vector.tobytes())
            chosen.append(vector)
            running.append(vector)
        return np.array(chosen, dtype=np.uint8).reshape(-1, self.candidates.length)

    def _from_start(self, taken: set[bytes]) -> Vectors | None:
        start = self._start if len(self.results.vectors) >= 2 else [*self._start, *self._more]
        left = [vector for vector in start if vector.tobytes() not in taken]
        if not left:
            return None
        there = np.flatnonzero(self.candidates.contains(np.array(left)))
        return left[there[0]] if len(there) else None

    def _model(self) -> tuple[Model, Scale]:
        told, encoding = self.results, self._encoding
        accuracies, runs, spread = told.accuracies, told.runs, told.error_spread()
        key = told.vectors.tobytes() + accuracies.tobytes() + runs.tobytes()
        if self._known is None or self._known[0] != key:
            data = self._acquainted().data.rows(slice(len(self._usual), None))._replace(runs=runs.astype(np.float64))
            # The grid's points follow from the results up to the last fourth one, however they were told.
            count = len(runs) if len(runs) <= OFTEN else len(runs) - len(runs) % 4
            first = told.vectors[:count].tobytes() + accuracies[:count].tobytes() + runs[:count].tobytes()
            first += str(spread).encode()
            if self._choice is None or self._choice[0] != first:
                choice = chosen(encoding, data.rows(np.arange(count)), accuracies[:count], spread)
                self._choice = first, choice
            choice = self._choice[1]
            self._known = key, fitted(encoding, data, accuracies, choice), choice.scale
        return self._known[1], self._known[2]

    def _acquainted(self) -> Familiar:
        """The usual candidates and all that were told."""
        told, usual = self.results.vectors, len(self._usual)
        known = self._familiar.vectors[usual:]
        if not np.array_equal(known, told[: len(known)]):
            # Not what was told before, and more.
            self._familiar, known = Familiar(self._encoding, self._usual, self._usual_costs), told[:0]
        if len(known) < len(told):
            self._familiar.add(told[len(known) :], self.results.costs[len(known) :])
        return self._familiar

    def _promising(self, running: Vectors, taken: set[bytes]) -> Vectors | None:
        """The candidate with the largest gain of those that sampling and climbing find; None where they find none."""
        rng = random.Random(f"{self.seed} {len(taken)}")
        model, scale = self._model()
        familiar = self._acquainted()
        vectors, costs = np.vstack([self.results.vectors, running]), self.results.costs
        if len(running):
            model = model.extended(running, self.candidates.costs(running))
            costs = np.append(costs, self.candidates.costs(running))
        likeness = familiar.likeness(model.near) if model.process.any() else None
        means = _accuracies(model, scale, model.predicted(familiar.data.columns, likeness))
        poor = float(np.quantile(means[: len(self._usual)], POOR))
        means = means[len(self._usual) :]
        if len(running):
            means = np.append(means, _accuracies(model, scale, model.predict(running, costs[-len(running) :])))
        most = max(self._most, float(costs.max()))
        goal = Goal(model, scale, staircase(costs, means, (most, poor)))
        looked = _Looked(self.candidates, goal, most, taken)

        members = vectors[non_dominated(costs, means)]
        around = [vectors[:0]]
        places = rng.sample(range(len(members)), len(members))
        for first in range(0, len(places), TOGETHER):
            for steps in self.candidates.neighbours_of(members[places[first : first + TOGETHER]]):
                if sum(map(len, around)) < NEIGHBOURS:
                    around.append(steps)
            if sum(map(len, around)) >= NEIGHBOURS:
                break
        listed = self.candidates.listed() is not None
        number = EVEN if listed else EVEN_UNLISTED
        even = self.candidates.sample(rng, number if sum(map(len, around)) >= NEIGHBOURS // 4 else SPARSE)
        looked.at(np.vstack([*around, spread_out(self.candidates, rng, SPREAD, even), even]))
        climbers = looked.best(CLIMBERS if listed else CLIMBERS_UNLISTED)
        for _ in range(ROUNDS):
            if not climbers:
                break
            ways = self.candidates.neighbours_of(np.array([row for _, row in climbers]))
            looked.at(np.vstack(ways))
            tops = [looked.best_of(steps) for steps in ways]
            higher = [top for (gain, _), top in zip(climbers, tops, strict=True) if top is not None and top[0] > gain]
            # Those that have met go on as one.
            climbers = list({row.tobytes(): (gain, row) for gain, row in higher}.values())
        found = looked.best(1)
        return found[0][1] if found else None


def _accuracies(model: Model, scale: Scale, targets: tuple[Floats, Floats]) -> Floats:
    """The accuracies (m,) that are expected where the model says these means and deviations (k, m) of targets."""
    means, deviations = scale.logs(*targets)
    return np.asarray(1 - scale.floor - model.weights @ np.exp(means + np.square(deviations) / 2))


class _Looked:
    """The gains of candidates that were looked at in one ask, those taken left out."""

    def __init__(self, candidates: Candidates, goal: Goal, most: float, taken: set[bytes]) -> None:
        self.candidates, self.goal, self.most, self.taken = candidates, goal, most, taken
        self.gains: dict[bytes, tuple[float, Vectors]] = {}

    def at(self, vectors: Vectors) -> None:
        new = {}
        for row in vectors:
            name = row.tobytes()
            if name not in self.taken and name not in self.gains:
                new[name] = row
        if not new:
            return
        rows = np.array(list(new.values()))
        costs = self.candidates.costs(rows)
        model, scale, (starts, levels) = self.goal
        means, deviations = scale.logs(*model.predict(rows, costs))
        # Above the floor, errors are exp(normal): so everything is higher by the floor.
        gains = model.weights @ expected_gain(costs, means, deviations, (starts, levels + scale.floor), self.most)
        self.gains.update(zip(new, zip(gains.tolist(), rows, strict=True), strict=True))

    def best(self, number: int) -> list[tuple[float, Vectors]]:
        return sorted(self.gains.values(), key=lambda pair: -pair[0])[:number]

    def best_of(self, vectors: Vectors) -> tuple[float, Vectors] | None:
        there = [self.gains[name] for row in vectors if (name := row.tobytes()) in self.gains]
        return max(there, key=lambda pair: pair[0], default=None)


def spread_out(candidates: Candidates, rng: random.Random, number: int, even: Vectors) -> Vectors:
    """Up to so many candidates that lie farther out than evenly drawn ones, which crowd where most candidates are.

    They are high or low in all coordinates together. Where few of such are candidates, there are also pairs of `even`
    (m, length), evenly drawn ones, joined by the larger or the smaller of each coordinate, and these themselves.
    """
    numbers = np.random.default_rng(rng.getrandbits(64))
    levels = numbers.random(number)
    drawn = [numbers.binomial(len(values) - 1, levels) for values in candidates.heights]
    rows: Vectors = np.column_stack(drawn).astype(np.uint8)
    rows = rows[candidates.contains(rows)]
    if len(rows) >= number // 2:
        return rows
    others = np.roll(even, 1, axis=0)
    joined = np.vstack([np.maximum(even, others), np.minimum(even, others)])
    joined = joined[candidates.contains(joined)]
    return np.vstack([rows, joined[numbers.permutation(len(joined))], even])[:number]
