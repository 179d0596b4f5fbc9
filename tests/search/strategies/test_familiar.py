"""What is kept from one ask to the next against what is computed at once."""

from __future__ import annotations

import numpy as np

from search.strategies.familiar import Familiar
from search.strategies.model import UNKNOWN, Data, Encoding

RNG = np.random.default_rng(0)
HEIGHTS = tuple(np.sort(RNG.random(5)) for _ in range(7))
VECTORS = RNG.integers(0, 5, (40, 7)).astype(np.uint8)
COSTS = 1 + RNG.random(40)
ENCODING = Encoding(HEIGHTS, COSTS)


def test_likeness_is_the_same_to_the_last_bit_whenever_it_was_computed() -> None:
    whole = Data.of(ENCODING, VECTORS, COSTS, np.ones(40, dtype=np.intp))
    familiar = Familiar(ENCODING, VECTORS[:10], COSTS[:10])
    for count in range(10, 41, 3):
        if count > 10:
            familiar.add(VECTORS[count - 3 : count], COSTS[count - 3 : count])
        places = RNG.choice(count, 6, replace=False)
        near = whole.rows(places)._replace(numbers=np.where(np.arange(6) < 4, places, UNKNOWN))
        expected = ENCODING.likeness(whole.steps[:count], whole.steps[places])
        assert (familiar.likeness(near) == expected).all()
        assert (familiar.likeness(near) == expected).all()
        assert (familiar.data.columns == whole.columns[:count]).all()


def test_likeness_is_that_of_heights() -> None:
    heights = np.column_stack([HEIGHTS[place][VECTORS[:, place]] for place in range(7)])
    distances = np.abs(heights[:, None] - heights).mean(axis=2)
    steps = ENCODING.steps(VECTORS)
    np.testing.assert_allclose(ENCODING.likeness(steps, steps), np.exp(-3 * distances), rtol=1e-4)
