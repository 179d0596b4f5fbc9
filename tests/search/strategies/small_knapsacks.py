"""Knapsacks small enough to list all choices of them."""

import itertools

import numpy as np
from hypothesis import strategies as st

COSTS = {
    "any": st.integers(0, 1000),
    "few, so that many are equal": st.integers(0, 3),
    "none": st.just(0),
    "huge": st.integers(2**59, 2**60 // 6 * 7 // 2),
    "of all sizes": st.integers(0, 59).map(lambda bits: 2**bits),
    "below nothing": st.integers(-1000, 1000),
}
LOSSES = st.one_of(st.integers(0, 4).map(float), st.floats(0, 1))


@st.composite
def problems(draw):
    """Losses and costs of up to 5 rows of up to 4 candidates, 0 to 3 costs, each of a kind of its own; and limits."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3 if draw(st.booleans()) else 5))
    kinds = [COSTS[name] for name in draw(st.lists(st.sampled_from([*COSTS]), max_size=3))]
    losses = [np.array(draw(st.lists(LOSSES, min_size=size, max_size=size))) for size in sizes]
    costs = [
        np.array([[draw(kind) // len(sizes) for kind in kinds] for _ in range(size)], dtype=np.int64).reshape(size, -1)
        for size in sizes
    ]
    least, most = (sum(extreme(costs, axis=0) for costs in costs) for extreme in (np.min, np.max))
    limits = [
        draw(st.one_of(st.sampled_from([low - 1, low, high, high + 1]), st.integers(low, high)))
        for low, high in zip(least.tolist(), most.tolist(), strict=True)
    ]
    return losses, costs, limits


def all_choices(losses, costs):
    """Every choice with its loss and its costs, as Python's numbers."""
    for choice in itertools.product(*(range(len(row)) for row in losses)):
        total = [
            sum(int(row[number][cost]) for row, number in zip(costs, choice, strict=True))
            for cost in range(costs[0].shape[1])
        ]
        yield choice, sum(float(row[number]) for row, number in zip(losses, choice, strict=True)), total


def within(total, limits):
    return all(cost <= limit for cost, limit in zip(total, limits, strict=True))
