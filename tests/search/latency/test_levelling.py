"""The level that networks walked tell, where the truth is known."""

import random

import numpy as np
import pytest

from search.latency.levelling import LEAST_WALKS, Walk, fit_level, read_walks, written_walks

CALL = 0.01


def made(count, slope, constant, noise=lambda rng: 1.0, seed=0):
    """Times of 30 parts, walks of them that take slope x their sum + constant + a call, and the undisturbed totals."""
    rng = random.Random(seed)
    times = {str(index): CALL + rng.uniform(0.2, 4) for index in range(30)}
    walks, totals = [], []
    for _ in range(count):
        parts = tuple(rng.choice(list(times)) for _ in range(rng.randint(2, 20)))
        total = slope * sum(times[key] - CALL for key in parts) + constant + CALL
        totals.append(total)
        walks.append(Walk(total * noise(rng) + (len(parts) - 1) * CALL, parts))
    return times, walks, np.array(totals)


def predicted(level, times, walks):
    sums = np.array([sum(times[key] - CALL for key in walk.parts) for walk in walks])
    return level.slope * sums + level.constant_ms + CALL


@pytest.mark.parametrize(("slope", "constant"), [(1.0, 0.0), (1.05, -0.3), (0.97, 0.2)])
def test_it_finds_the_truth(slope, constant):
    times, walks, totals = made(400, slope, constant)
    level = fit_level(walks, times, CALL)
    assert predicted(level, times, walks) == pytest.approx(totals, rel=0.01)
    assert level.slope == pytest.approx(slope, abs=0.002)
    assert level.noise < 0.002


@pytest.mark.parametrize("seed", range(3))
def test_a_busy_machine_hardly_moves_it(seed):
    """Every walk is some percent off, and every seventh takes up to twice as long."""
    times, walks, totals = made(
        1500,
        1.04,
        -0.3,
        lambda rng: rng.lognormvariate(0, 0.04) * (rng.uniform(1, 2) if rng.random() < 1 / 7 else 1),
        seed,
    )
    level = fit_level(walks, times, CALL)
    errors = predicted(level, times, walks) / totals - 1
    # 4 % of noise in half of the walks and more in the rest, which only ever makes them slower.
    assert np.abs(errors).mean() < 0.015 and np.abs(errors).max() < 0.04
    assert 0.02 < level.noise < 0.06


def test_walks_of_one_network_tell_no_constant():
    times = {"a": 1.0, "b": 2.0}
    rng = random.Random(0)
    walks = [Walk(3.3 * rng.lognormvariate(0, 0.02), ("a", "b")) for _ in range(200)]
    level = fit_level(walks, times, 0.0)
    assert level.slope == pytest.approx(1.1, rel=0.01)
    assert abs(level.constant_ms) < 0.05


def test_too_few_walks_tell_nothing():
    times, walks, _ = made(LEAST_WALKS, 1.1, 0.0)
    assert fit_level(walks, times, CALL) is not None
    assert fit_level(walks[1:], times, CALL) is None
    # Those of parts that have no time do not count.
    assert fit_level(walks, {key: ms for key, ms in times.items() if key not in walks[0].parts}, CALL) is None


def test_walks_are_written_and_read():
    _, walks, _ = made(60, 1.0, 0.0)
    written = written_walks(walks)
    assert written["parts"] == sorted({key for walk in walks for key in walk.parts})
    assert read_walks(written) == [Walk(round(walk.ms, 6), walk.parts) for walk in walks]
    assert read_walks(written_walks([])) == []
