"""The learning rate over a training."""

import pytest

from search.training.schedule import WARM_UP, rate


def test_the_rate_rises_then_falls_along_a_cosine():
    assert [rate(0), rate(0.5), rate(1)] == pytest.approx([0, 0.5, 0])
    rates = [rate(step / 100) for step in range(101)]
    highest = rates.index(max(rates))
    assert highest == round(WARM_UP * 100)
    assert rates[: highest + 1] == sorted(rates[: highest + 1])
    assert rates[highest:] == sorted(rates[highest:], reverse=True)
