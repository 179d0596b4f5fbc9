"""A knapsack solved quickly and not exactly: by an evolution, which the authors of PONAS name, and greedily.

They are here to be held against the exact solution (see knapsack.py), which takes no longer.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from search.strategies.knapsack import Knapsack, Solution

# Of the evolution: networks in a generation, those that have children, generations; the chance that a row changes.
POPULATION, PARENTS, GENERATIONS, MUTATION = 64, 16, 60, 0.1


def evolved(knapsack: Knapsack, limits: Sequence[int], rng: random.Random) -> Solution | None:
    """The best that generations of choices within the limits come to, by crossing and mutation.

    Those of the least loss have children; each row of a child is one of its parents', or, by chance, any candidate.
    None where no choice is found.
    """
    cheapest = knapsack.cheapest(limits)
    if cheapest is None:
        return None
    rows = [len(losses) for losses in knapsack.losses]
    people = {cheapest: knapsack.loss(cheapest)}
    for _ in range(20 * POPULATION):
        # Of choices drawn evenly few are within tight limits; of mixtures with the cheapest one, more.
        share = rng.random()
        one = tuple(
            rng.randrange(row) if rng.random() < share else own for row, own in zip(rows, cheapest, strict=True)
        )
        if knapsack.fits(one, limits):
            people[one] = knapsack.loss(one)
        if len(people) >= POPULATION:
            break
    for _ in range(GENERATIONS):
        parents = sorted(people, key=lambda one: (people[one], one))[:PARENTS]
        people = {one: people[one] for one in parents}
        for _ in range(4 * POPULATION):
            child = tuple(
                rng.randrange(row) if rng.random() < MUTATION else rng.choice(pair)
                for row, *pair in zip(rows, rng.choice(parents), rng.choice(parents), strict=True)
            )
            if child not in people and knapsack.fits(child, limits):
                people[child] = knapsack.loss(child)
            if len(people) >= POPULATION:
                break
    best = min(people, key=lambda one: (people[one], one))
    return Solution(best, people[best], None)


def greedy(knapsack: Knapsack, limits: Sequence[int]) -> Solution | None:
    """From the cheapest choice on, always the one change that takes most loss away for its share of the limits.

    None where no choice is found.
    """
    found = knapsack.cheapest(limits)
    if found is None:
        return None
    room = np.maximum(np.asarray(limits, dtype=np.float64) - knapsack.least, 1.0)
    while True:
        steps = []
        for row, (losses, costs) in enumerate(zip(knapsack.losses, knapsack.costs, strict=True)):
            gains = losses[found[row]] - losses
            # A change that costs nothing more comes first.
            shares = np.maximum(((costs - costs[found[row]]) / room).sum(axis=1), 1e-9)
            for candidate in np.flatnonzero(gains > 0).tolist():
                changed = (*found[:row], candidate, *found[row + 1 :])
                if knapsack.fits(changed, limits):
                    steps.append((float(gains[candidate] / shares[candidate]), changed))
        if not steps:
            return Solution(found, knapsack.loss(found), None)
        found = max(steps)[1]
