"""Spaces and made-up tables for tests that compare with the costs of every network, computed one by one."""

from __future__ import annotations

import random

import numpy as np

from prototxt_gen import parts
from search.latency.predicting import space_graph
from search.spaces import BackboneSpace


def small_space(rng: random.Random) -> BackboneSpace:
    """A space of at most two thousand networks, seldom of very few."""
    few = rng.random() < 0.1
    while True:
        stages = rng.randint(1, 3)
        least = [rng.randint(1, 2) for _ in range(stages)]
        space = BackboneSpace(
            depths=tuple((fewest, fewest + rng.randint(0, 3)) for fewest in least),
            widths=tuple(sorted(rng.sample((4, 8, 12, 16, 20), rng.randint(1, 5)))),
            stem=(4,),
            classes=2,
            input_shape=(1, 1, 8, 8),
        )
        if few == (space.count() < 30) and space.count() < 2000:
            return space


def made_up_costs(rng: random.Random, least: int, most: int, step: int = 1):
    """A cost for every part, drawn when it is asked for: multiples of `step` in least..most."""
    known: dict[str, int] = {}
    return lambda part: known.setdefault(part.key, rng.randrange(least, most + 1) // step * step)


def all_vectors(space: BackboneSpace) -> np.ndarray:
    """Every network of a space, (n, length)."""
    return np.concatenate(list(space.vectors()))


def brute_force(space: BackboneSpace, cost, base: int = 0) -> np.ndarray:
    """The sums of every network's parts in the order of `all_vectors`, without any graph."""
    return np.array(
        [base + sum(map(cost, parts(space.decode(vector), space.input_shape))) for vector in all_vectors(space)]
    )


def drawn(seed: int, least: int = -50, most: int = 1000, step: int = 1):
    """A random space, its graph with random costs, and the sorted costs of all its networks."""
    rng = random.Random(seed)
    space, cost = small_space(rng), made_up_costs(rng, least, most, step)
    base = rng.randrange(1000)
    return space, space_graph(space, cost, base), np.sort(brute_force(space, cost, base))
