"""Networks to time next: new ones, the same every time, and worth more than random ones."""

from __future__ import annotations

import numpy as np
import pytest

from prototxt_gen import parts
from prototxt_gen.errors import UnsupportedError
from search import next_networks
from search.latency.agreement import agreement
from search.latency.fitting.regression import Layout, regress
from search.latency.predicting import space_parts
from tests.search.latency.fitting.made_up import SPACE, device_ms, drawn, scattered


def error_of(networks, others):
    cut, rest = ([parts(one, SPACE.input_shape) for one in some] for some in (networks, others))
    layout = Layout([*cut, *rest])
    found = regress(layout.rows, layout.count(cut), np.array([device_ms(one, scattered) for one in networks]))
    return agreement(found.predict(layout.count(rest)), [device_ms(one, scattered) for one in others]).mean_error


def test_chosen_networks_tell_more_than_random_ones():
    pool, others = drawn(200, seed=8), drawn(60, seed=9)
    chosen = []
    for _ in range(3):
        times = [device_ms(one, scattered) for one in chosen]
        chosen += next_networks(pool, 8, chosen, times, SPACE.input_shape)
    assert len(set(chosen)) == 24
    random_errors = sorted(error_of(drawn(24, seed), others) for seed in range(5))
    assert error_of(chosen, others) < 0.8 * random_errors[2]


def test_few_networks_have_most_parts():
    """Random networks of a space have the parts of narrow ones again and again, and others never."""
    chosen = next_networks(SPACE, 16)
    assert chosen[:5] == next_networks(SPACE, 5)

    def met(networks):
        return len({part.key for one in networks for part in parts(one, SPACE.input_shape)})

    assert met(chosen) > np.mean([met(drawn(16, seed)) for seed in range(20)]) + 1
    assert met(chosen) > 0.5 * len(space_parts(SPACE))


def test_a_list_of_networks_is_a_space_too():
    listed = drawn(12)
    assert set(next_networks(listed, 7, listed[:5], [1.0, 2.0, 3.0, 4.0, 5.0], SPACE.input_shape)) == set(listed[5:])
    with pytest.raises(UnsupportedError, match="found 7 that are not timed yet, expected 8"):
        next_networks(listed, 8, listed[:5], [1.0, 2.0, 3.0, 4.0, 5.0], SPACE.input_shape)
