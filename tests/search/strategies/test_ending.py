"""Ending early: as rarely wrong as stated, whatever the curves; nothing is ended before enough is known."""

import random
from math import floor

import numpy as np
import pytest

from prototxt_gen.errors import CaffeError
from search.strategies.ending import Curves, Ending


def made_up(count: int, seed: int) -> list[tuple[float, float]]:
    """Accuracies halfway and at the end, of trainings that go on in very different ways."""
    rng = np.random.default_rng(seed)
    halfway = rng.uniform(0.2, 0.9, count)
    final = 1 - (1 - halfway) * rng.lognormal(-0.7, 0.5, count).clip(0.02, 1.2)
    return list(zip(halfway.tolist(), final.tolist(), strict=True))


@pytest.mark.parametrize("risk", [0.05, 0.1, 0.3])
@pytest.mark.parametrize("count", [19, 40])
def test_finals_go_beyond_the_best_expected_as_often_as_the_risk_says(risk, count):
    beyond = trials = 0
    for seed in range(3000):
        *finished, (halfway, final) = made_up(count + 1, seed)
        curves = Curves()
        for look, end in finished:
            curves.add({0.5: look}, end)
        best = curves.best(0.5, halfway, risk)
        assert best is not None
        beyond, trials = beyond + (final > best), trials + 1
    # By the theory exactly k / (n + 1), k being the risk times n + 1 rounded down; within four standard deviations.
    exact = floor(risk * (count + 1) + 1e-9) / (count + 1)
    assert exact <= risk
    assert beyond / trials == pytest.approx(exact, abs=4 * (exact * (1 - exact) / trials) ** 0.5)


def test_nothing_is_ended_before_enough_is_known():
    ending, curves = Ending(risk=0.05), Curves()
    code = next(str(n) for n in range(100) if not ending.spares(str(n)))
    for number in range(19):
        assert curves.best(0.5, 0.1, 0.05) is None
        assert not ending.hopeless(curves, 0.5, 0.1, 0.99, code), number
        curves.add({0.5: 0.8}, 0.9)
    assert ending.hopeless(curves, 0.5, 0.1, 0.99, code)
    # Two looks share the risk: twice as many are needed.
    assert not Ending(risk=0.05, looks=(0.5, 0.8)).hopeless(curves, 0.5, 0.1, 0.99, code)
    # No other look says anything of this one, and where nothing is faster nothing is needed.
    assert curves.best(0.8, 0.1, 0.05) is None
    assert not ending.hopeless(curves, 0.5, 0.1, None, code)


def test_the_best_and_the_expected_follow_from_the_ratios():
    curves = Curves()
    assert curves.expected(0.5, 0.8) is None
    for ratio in np.linspace(0.1, 1.0, 19):
        curves.add({0.5: 0.6}, 1 - 0.4 * ratio)
    assert curves.best(0.5, 0.8, 0.05) == pytest.approx(1 - 0.1 * 0.2)
    assert curves.best(0.5, 0.8, 0.10) == pytest.approx(1 - 0.15 * 0.2)
    assert curves.expected(0.5, 0.8) == pytest.approx(1 - 0.55 * 0.2)
    ending = Ending()
    code = next(str(n) for n in range(100) if not ending.spares(str(n)))
    assert ending.hopeless(curves, 0.5, 0.8, 0.98, code) and not ending.hopeless(curves, 0.5, 0.8, 0.979, code)


def test_one_in_ten_goes_on_the_same_ones_every_time():
    ending = Ending()
    spared = [code for code in map(str, range(5000)) if ending.spares(code)]
    assert len(spared) == pytest.approx(500, abs=85)
    curves = Curves()
    for _ in range(19):
        curves.add({0.5: 0.8}, 0.9)
    assert not ending.hopeless(curves, 0.5, 0.1, 0.99, spared[0])


def test_perfect_accuracies_are_no_trouble():
    curves = Curves()
    for _ in range(19):
        curves.add({0.5: 1.0}, 1.0)
    assert curves.best(0.5, 1.0, 0.05) == pytest.approx(0.999)
    assert 0 <= curves.expected(0.5, 0.0) <= 1


def test_what_is_learned_does_not_depend_on_the_order():
    finished = made_up(30, 1)
    bests = set()
    for seed in range(5):
        curves = Curves()
        for look, end in random.Random(seed).sample(finished, len(finished)):
            curves.add({0.5: look}, end)
        bests.add(curves.best(0.5, 0.7, 0.05))
    assert len(bests) == 1


@pytest.mark.parametrize("change", [{"risk": 0.0}, {"risk": 1.0}, {"looks": ()}, {"looks": (1.0,)}, {"spared": 1}])
def test_numbers_out_of_their_range_are_named(change):
    with pytest.raises(CaffeError, match=rf"ending: {next(iter(change))}: found .*, expected"):
        Ending(**change)


def test_settings_are_plain():
    assert Ending(looks=(0.8, 0.5)).settings() == {"risk": 0.05, "looks": [0.5, 0.8], "spared": 10}
