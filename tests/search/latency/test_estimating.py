"""Estimates of parts from the layers of others."""

import numpy as np
import pytest

from prototxt_gen import parts
from prototxt_gen.trace import trace
from search.latency.estimating import Estimator, Timed

SHAPE = (1, 3, 64, 64)


def timed(part, cost, joined=True):
    """A part whose convolutions ran with what is behind them, each group as long as `cost` says of its layers' rows."""
    groups, group = {}, []
    rows = [row for row in trace(part.net) if row.type != "Input"]
    for row in rows:
        if group and not (joined and row.type in ("ReLU", "Eltwise")):
            groups[frozenset(one.name for one in group)] = cost(group)
            group = []
        group.append(row)
    groups[frozenset(one.name for one in group)] = cost(group)
    return Timed(part, groups)


def total(part, cost):
    return sum(timed(part, cost).groups.values())


def by_work(rows):
    """A fixed cost for each kernel, and multiply-adds."""
    return 0.01 + sum(row.multiply_adds for row in rows) / 1e6


@pytest.fixture(scope="module")
def known():
    return parts("s4-8_b8x2-16-32x2_b64_c10", SHAPE)


def test_where_times_follow_the_work_estimates_are_exact(known):
    estimator = Estimator([timed(part, by_work) for part in known])
    others = {part.key: part for part in parts("s4-8_b24x2-48_b96_c10", SHAPE)} | {
        part.key: part for part in parts("s6-12_b16_c7", SHAPE)
    }
    for part in others.values():
        expected = total(part, by_work)
        # Of the head's layers there is one each: a multiple of the only one that is known.
        close = 1.0 if part.label.startswith("head") else 1e-3
        assert estimator.estimate(part) == pytest.approx(expected, rel=close), part.label


def test_equal_layers_take_the_time_of_equal_ones(known):
    """Layers whose time follows nothing: where a part has those of others alone, it takes just as long."""
    numbers = iter(np.random.default_rng(0).uniform(1, 2, 1000))
    cost = {}

    def anyhow(rows):
        key = tuple((row.type, row.bottom_shapes, row.top_shapes) for row in rows)
        return cost.setdefault(key, next(numbers))

    estimator = Estimator([timed(part, anyhow) for part in known])
    for part in known:
        assert estimator.estimate(part) == pytest.approx(total(part, anyhow))


def test_kernels_that_start_are_counted_by_groups():
    """A device that runs the groups of a convolution one after another, as TensorRT 3 does."""
    code = "s4-8_b8_b16_b32_p8-16_d{}_u2_c19"

    def cost(rows):
        return max(max(row.layer.convolution_param.group, 1) for row in rows) * 0.5

    estimator = Estimator([timed(part, cost) for part in parts(code.format("8-6-19"), (1, 3, 64, 128))])
    other = next(part for part in parts(code.format("8-12-19"), (1, 3, 64, 128)) if "fusion" in part.label)
    assert estimator.estimate(other) == pytest.approx(total(other, cost), rel=1e-3)


def test_parts_of_another_form_have_no_estimate(known):
    estimator = Estimator([timed(part, by_work) for part in known])
    bottleneck = next(part for part in parts("s4-8_n8_c10", SHAPE) if "bottleneck" in part.label)
    assert estimator.estimate(bottleneck) is None


def test_no_estimate_is_below_zero(known):
    def less_for_more(rows):
        return 1 / (1 + sum(row.multiply_adds for row in rows))

    estimator = Estimator([timed(part, less_for_more) for part in known])
    for part in parts("s4-8_b24x2-48_b512_c10", SHAPE):
        assert estimator.estimate(part) > 0
