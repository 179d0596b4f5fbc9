"""Shares of paths: probabilities and draws, of what is left, with their gradients."""

from __future__ import annotations

import math

import pytest
import torch

from prototxt_gen.errors import CaffeError
from search.training.shares import Logits, Places, layer_probabilities

# Three layers: two candidates with two widths each; one block frozen, and a bypass; gone.
PLACES = Places(({0: (0, 3), 2: (1, 2)}, {1: (2, 2)}, {}), (False, True, False), 3)
STATE = {
    "candidates": torch.tensor([[1.0, 5.0, 0.0], [3.0, 1.0, 2.0], [1.0, 2.0, 3.0]], dtype=torch.float64),
    "large": torch.arange(18, dtype=torch.float64).reshape(3, 3, 2) ** 0.5,
    "bypass": torch.tensor([[0.0, 1.0], [0.5, 0.0], [0.0, 0.0]], dtype=torch.float64),
}


def logits() -> Logits:
    made = Logits(3, 3)
    made.load_state_dict(STATE)
    return made


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def test_probabilities_are_a_softmax_over_what_is_left():
    shares = logits().probabilities(PLACES)
    first = sigmoid(1.0)
    assert torch.allclose(
        shares.candidates, torch.tensor([[first, 0, 1 - first], [0, 1, 0], [0, 0, 0]], dtype=torch.float64)
    )
    widths = [[sigmoid(1.0), 1, sigmoid(math.sqrt(5) - 2)], [1, 1, 1], [1, 1, 1]]
    assert torch.allclose(shares.large, torch.tensor(widths, dtype=torch.float64))
    assert torch.allclose(shares.bypass, torch.tensor([0, sigmoid(-0.5), 1], dtype=torch.float64))
    one, two, three = layer_probabilities(PLACES, shares)
    assert (set(one.candidates), set(one.large), one.bypass) == ({0, 2}, {0, 2}, None)
    assert (two.candidates, two.large, two.bypass) == ({1: 1.0}, {}, pytest.approx(sigmoid(-0.5)))
    assert three == ({}, {}, None)


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("temperature", [0.1, 1.0, 5.0])
def test_draws_are_shares_of_what_is_left_whose_hard_ones_are_one_path(hard, temperature):
    for seed in range(10):
        shares = logits().draw(PLACES, str(seed), temperature, hard)
        assert torch.allclose(shares.candidates.sum(1), torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64))
        assert (shares.candidates[0, 1], shares.candidates[1, 0], shares.bypass[0], shares.bypass[2]) == (0, 0, 0, 1)
        if hard:
            assert all(bool(((tensor == 0) | (tensor == 1)).all()) for tensor in shares)


def test_hard_draws_are_as_frequent_as_probabilities():
    """The Gumbel-max property, whatever the temperature."""
    made, count = logits(), 4000
    with torch.no_grad():
        draws = [made.draw(PLACES, str(number), 0.5 + number % 3, True) for number in range(count)]
        expected = made.probabilities(PLACES)
    for tensors, probability in zip(zip(*draws, strict=True), expected, strict=True):
        deviation = (probability * (1 - probability) / count).sqrt()
        assert bool(((torch.stack(tensors).mean(0) - probability).abs() <= 4 * deviation + 1e-12).all())


def test_the_lower_the_temperature_the_nearer_to_one_path():
    hot, cold = (
        [logits().draw(PLACES, str(seed), temperature).large for seed in range(20)] for temperature in (5, 0.1)
    )
    for warm, cool in zip(hot, cold, strict=True):
        assert bool(((cool - 0.5).abs() >= (warm - 0.5).abs() - 1e-12).all())


def test_noise_follows_from_the_seed_and_from_a_paths_place():
    one, again, other = (logits().draw(PLACES, seed) for seed in ("1 7", "1 7", "1 8"))
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
    assert not torch.equal(one.candidates, other.candidates)
    fewer = Places(({0: (0, 3)}, {}, {}), (False, False, False), 3)
    assert torch.equal(logits().draw(fewer, "1 7").large[0, 0], one.large[0, 0])


def test_gradients_are_those_of_the_softmax_and_reach_nothing_that_is_decided():
    made = logits()

    def drawn(candidates: torch.Tensor, large: torch.Tensor, bypass: torch.Tensor) -> tuple[torch.Tensor, ...]:
        made._values.update({"candidates": candidates, "large": large, "bypass": bypass})  # type: ignore[dict-item]
        return made.draw(PLACES, "seed", 0.7)

    assert torch.autograd.gradcheck(drawn, [value.clone().requires_grad_() for value in STATE.values()])
    gradients = []
    for hard in (False, True):
        made = logits()
        weights = torch.arange(1.0, 4.0, dtype=torch.float64)
        shares = made.draw(PLACES, "seed", 0.7, hard)
        assert shares.trained
        (
            (shares.candidates * weights).sum() + (shares.large * weights).sum() + (shares.bypass * weights).sum()
        ).backward()
        gradients.append([parameter.grad for parameter in made.parameters()])
    candidates, large, bypass = gradients[0]
    assert all(torch.allclose(one, two) for one, two in zip(*gradients, strict=True))
    assert bool((candidates[0, [0, 2]] != 0).all() and (large[0, [0, 2]] != 0).all() and (bypass[1] != 0).all())
    assert not (
        candidates[0, 1] or candidates[1:].any() or large[0, 1].any() or large[1:].any() or bypass[[0, 2]].any()
    )


def test_a_contest_begins_anew_with_equal_probabilities():
    made = logits()
    made.forget(0, 2)
    large = made.probabilities(PLACES).large.detach()
    assert (float(large[0, 2]), float(large[0, 0])) == (0.5, pytest.approx(sigmoid(1.0)))


def test_logits_are_kept_whole():
    again = Logits(3, 3)
    again.load_state_dict(logits().state_dict())
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), logits().parameters(), strict=True))
    with pytest.raises(CaffeError, match=r"logits: found .*\(3, 3\).*, expected .*\(2, 3\)"):
        Logits(2, 3).load_state_dict(logits().state_dict())


def test_no_temperature():
    with pytest.raises(CaffeError, match="temperature: found 0, expected more than 0"):
        logits().draw(PLACES, "seed", 0)
