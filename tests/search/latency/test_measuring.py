"""Whole networks in rounds: fair to all of them, and only of what is a time."""

import itertools
import math

import numpy as np
import pytest

from prototxt_gen import generate
from prototxt_gen.errors import UnsupportedError
from search.latency import Entry, measure
from search.latency.measuring import quantile
from tests.search.latency.fake_engines import FakeEngine

NET = generate("s4-8_b8_c10", input_shape=(1, 3, 32, 32))


def test_drift_of_the_machine_falls_on_all_networks_alike():
    # A clock on which everything becomes four times slower after five of twelve rounds.
    calls = itertools.count()
    entries = measure(FakeEngine(lambda net: 1.0 if next(calls) < 560 else 4.0), [NET] * 10)
    assert {entry.ms for entry in entries} == {4.0}
    assert {entry.quartiles for entry in entries} == {(1.0, 4.0)}


def test_the_first_run_of_each_round_does_not_count():
    calls = itertools.count()
    # One run before all rounds, then eleven in each.
    (entry,) = measure(FakeEngine(lambda net: 9.0 if (next(calls) - 1) % 11 == 0 else 1.0), [NET])
    assert entry == Entry(1.0, (1.0, 1.0), 120, "", (1.0,) * 12)


def test_slow_networks_run_less_often():
    assert [entry.samples for entry in measure(FakeEngine(lambda net: 31.0), [NET], rounds=3)] == [3]


def test_networks_run_at_the_batch_of_the_target():
    engine = FakeEngine(target={"batch": 5})
    shapes = []
    load = engine._load
    engine._load = lambda net, weights, outputs, given: shapes.append(given) or load(net, weights, outputs, given)
    measure(engine, [NET], rounds=1)
    assert shapes == [{"data": (5, 3, 32, 32)}]


def test_programs_are_run_by_samples():
    engine = FakeEngine(lambda net: 2.0, in_process=False)
    (entry,) = measure(engine, [NET], rounds=3)
    assert (entry.ms, entry.samples, engine.runs) == (2.0, 30, [])


@pytest.mark.parametrize("ms", [0.0, -1.0, math.nan, math.inf])
def test_what_is_no_time_is_refused(ms):
    with pytest.raises(UnsupportedError, match="ms, expected a number above 0"):
        measure(FakeEngine(lambda net: ms), [NET])


@pytest.mark.parametrize(
    ("entry", "spread"),
    [
        # 1.2533 sigma / sqrt(n) with sigma a 1.349th of the quartiles' distance: 0.92906.
        (Entry(2.0, (1.9, 2.1), 400), 0.92906 * 0.2 / 20 / 2),
        (Entry(2.0, (1.9, 2.1), 400, "", (2.0,) * 16), 0.92906 * 0.2 / 4 / 2),
        # Weights 3, 1, 1, 1 are as good as 36 / 12 rounds of one weight.
        (Entry(2.0, (1.9, 2.1), 9, "", (2.0,) * 4, (3.0, 1.0, 1.0, 1.0)), 0.92906 * 0.2 / 3**0.5 / 2),
        (Entry(0.0, (0.0, 0.0), 1), math.inf),
    ],
)
def test_the_spread_is_the_standard_error_of_the_median(entry, spread):
    assert entry.spread == pytest.approx(spread, rel=1e-4)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.9])
def test_quantiles_by_weight_are_those_of_values_repeated(share):
    rng = np.random.default_rng(0)
    values, weights = rng.normal(10, 1, 400), rng.integers(1, 9, 400)
    repeated = np.repeat(values, weights)
    if share > 0:
        assert quantile(values, share, weights) == pytest.approx(np.quantile(repeated, share), abs=0.05)
    assert quantile(values, share) == np.quantile(values, share)
    assert quantile(values, 0.5, [1] * 400) == pytest.approx(np.median(values))
    assert quantile([4.0], share, [7.0]) == 4.0
