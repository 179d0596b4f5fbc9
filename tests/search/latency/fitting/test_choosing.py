"""Networks to time next: new ones, the same every time, and worth more than random ones."""

from __future__ import annotations

import pytest

from prototxt_gen import parts
from prototxt_gen.errors import UnsupportedError
from search import LatencyTable, next_networks
from search.latency.agreement import agreement
from search.latency.predicting import space_parts
from tests.search.latency.fitting.made_up import SPACE, device_ms, drawn, uneven


def error_of(networks, others):
    table = LatencyTable.fit(networks, [device_ms(one, uneven) for one in networks], space=SPACE)
    predicted = [table.predict(one, SPACE.input_shape) for one in others]
    return agreement(predicted, [device_ms(one, uneven) for one in others]).mean_error


def test_chosen_networks_tell_more_than_random_ones():
    others = drawn(100, seed=9)
    chosen = next_networks(SPACE, 8)
    chosen += next_networks(SPACE, 8, chosen, [device_ms(one, uneven) for one in chosen])
    assert len(set(chosen)) == 16
    random_errors = sorted(error_of(drawn(16, seed), others) for seed in range(5))
    assert error_of(chosen, others) < random_errors[2]


def test_few_networks_have_most_parts():
    """Random networks of a space have the parts of narrow ones again and again, and others never."""
    chosen = next_networks(SPACE, 16)
    assert next_networks(SPACE, 16) == chosen
    assert chosen[:5] == next_networks(SPACE, 5)

    def met(networks):
        return len({part.key for one in networks for part in parts(one, SPACE.input_shape)})

    assert met(chosen) > max(met(drawn(16, seed)) for seed in range(5))
    assert met(chosen) > 0.5 * len(space_parts(SPACE))


def test_a_list_of_networks_is_a_space_too():
    listed = drawn(12)
    assert set(next_networks(listed, 7, listed[:5], [1.0, 2.0, 3.0, 4.0, 5.0], SPACE.input_shape)) == set(listed[5:])
    with pytest.raises(UnsupportedError, match="found 7 that are not timed yet, expected 8"):
        next_networks(listed, 8, listed[:5], [1.0, 2.0, 3.0, 4.0, 5.0], SPACE.input_shape)
