"""The model against functions that are known, and its approximation against exact draws."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from search.strategies.model import (
    MOST_STEPS,
    NEAR,
    Data,
    Encoding,
    Model,
    Scale,
    Variances,
    chosen,
    fitted,
    targets_of,
)
from search.strategies.order import precedes

LEVELS, LENGTH = 4, 5
HEIGHTS = (np.linspace(0, 1, LEVELS),) * LENGTH
ALL = np.array(list(product(range(LEVELS), repeat=LENGTH)), dtype=np.uint8)
COSTS = 1 + ALL.astype(float) @ np.arange(1, LENGTH + 1)


def known(seed: int) -> np.ndarray:
    """Accuracies: the error's logarithm falls by a sum of steps, each at least 0."""
    steps = np.random.default_rng(seed).exponential(0.08, (LENGTH, LEVELS))
    steps[:, 0] = 0
    falls = np.cumsum(steps, axis=1)
    return 1 - 0.4 * np.exp(-falls[np.arange(LENGTH), ALL].sum(axis=1))


def learned(
    rows: np.ndarray, accuracies: np.ndarray, runs: np.ndarray | None = None, spread: float | None = None
) -> tuple[Model, Scale]:
    encoding = Encoding(HEIGHTS, COSTS)
    data = Data.of(encoding, ALL[rows], COSTS[rows], np.ones(len(rows), dtype=np.intp) if runs is None else runs)
    choice = chosen(encoding, data, accuracies, spread)
    return fitted(encoding, data, accuracies, choice), choice.scale


def predicted(model: Model, scale: Scale) -> np.ndarray:
    means, _ = scale.logs(*model.predict(ALL, COSTS))
    return 1 - scale.floor - model.weights @ np.exp(means)


@pytest.mark.parametrize("seed", range(3))
def test_an_additive_monotone_function_is_recovered(seed: int) -> None:
    truth = known(seed)
    rng = np.random.default_rng(seed + 10)
    rows = rng.choice(len(ALL), 60, replace=False)
    found = predicted(*learned(rows, truth[rows] + rng.normal(0, 0.002, 60)))
    assert np.abs(found - truth).mean() < 0.06 * (truth.max() - truth.min())
    assert np.corrcoef(found, truth)[0, 1] > 0.98


def test_the_order_holds_where_data_contradict_it_by_noise() -> None:
    # Accuracy falls along the order in what is told; of what is expected, next to nothing does.
    rng = np.random.default_rng(0)
    rows = rng.choice(len(ALL), 30, replace=False)
    model, _ = learned(rows, 0.8 - 0.02 * COSTS[rows] / COSTS.max() + rng.normal(0, 0.02, 30))
    smooth = Model(model.encoding, model.data, model.targets, Variances(*(np.array([v]) for v in (0.3, 0.0, 0.3, 0.0))))
    means = smooth.predict(ALL, COSTS)[0][0]
    pairs = rng.integers(len(ALL), size=(3000, 2))
    pairs = pairs[precedes(ALL[pairs[:, 0]], ALL[pairs[:, 1]])]
    assert len(pairs) > 50
    assert (means[pairs[:, 1]] <= means[pairs[:, 0]] + 1e-9).all()


def test_the_approximation_agrees_with_draws_under_the_cut() -> None:
    # Two coordinates of two levels: few enough weights to draw them by rejection from the exact distribution.
    vectors = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], dtype=np.uint8)
    costs = np.array([1.0, 2.0, 3.0, 4.0])
    encoding = Encoding((np.array([0.0, 1.0]),) * 2, costs)
    data = Data.of(encoding, vectors, costs, np.ones(4, dtype=np.intp))
    targets = np.array([1.2, 0.1, 0.4, -1.0])
    step, noise = 0.5, 0.2
    model = Model(encoding, data, targets, Variances(np.array([step]), np.array([0.0]), np.array([noise]), np.zeros(1)))
    means, deviations = model.predict(vectors, costs)

    rng = np.random.default_rng(1)
    prior = np.diag([100.0, *[step] * 4])
    gain = np.linalg.inv(np.linalg.inv(prior) + data.columns.T @ data.columns / noise)
    drawn = rng.multivariate_normal(gain @ data.columns.T @ targets / noise, gain, 400_000)
    drawn = drawn[(drawn[:, 1:] >= 0).all(axis=1)] @ data.columns.T
    assert len(drawn) > 5000
    np.testing.assert_allclose(means[0], drawn.mean(axis=0), atol=0.03)
    np.testing.assert_allclose(deviations[0], drawn.std(axis=0), rtol=0.08)


@pytest.mark.parametrize(
    "accuracies",
    [
        [0.5] * 6,
        [1.0] * 6,
        [0.0] * 6,
        [0.0, 1.0, 0.5, 1.0, 0.0, 1.0],
        [0.9999, 0.99999, 1.0, 0.99, 0.5, 0.999],
        [0.5, 0.5 + 1e-12] * 3,
    ],
    ids=["equal", "ones", "zeros", "both ends", "near one", "nearly equal"],
)
def test_any_accuracies_give_finite_expectations(accuracies: list[float]) -> None:
    model, scale = learned(np.arange(6) * 30, np.array(accuracies))
    means, deviations = model.predict(ALL, COSTS)
    assert np.isfinite(means).all() and (deviations > 0).all() and np.isfinite(deviations).all()
    assert np.isfinite(predicted(model, scale)).all()


def test_two_results_are_enough() -> None:
    assert np.isfinite(predicted(*learned(np.array([0, 500]), np.array([0.6, 0.8])))).all()


def test_more_runs_weigh_more() -> None:
    truth = known(0)
    rows = np.arange(0, len(ALL), 25)
    told = truth[rows].copy()
    told[10] += 0.05
    off = []
    for number in (1, 50):
        runs = np.ones(len(rows), dtype=np.intp)
        runs[10] = number
        off.append(predicted(*learned(rows, told, runs))[rows[10]] - truth[rows[10]])
    assert off[1] > off[0]


def test_a_measured_spread_decides_what_is_noise() -> None:
    truth = known(1)
    rng = np.random.default_rng(2)
    rows = rng.choice(len(ALL), 40, replace=False)
    runs = np.full(40, 2, dtype=np.intp)
    told = truth[rows] + rng.normal(0, 0.01, 40)
    noises = [learned(rows, told, runs, spread)[0].points.noise[0] for spread in (0.0005, 0.05)]
    assert noises[0] < noises[1]


@pytest.mark.parametrize(("spread", "followed"), [(0.0, 1.0), (1e-3, 0.99), (10.0, 0.0)])
def test_a_candidate_follows_what_was_told_of_it_as_far_as_runs_are_alike(spread: float, followed: float) -> None:
    rows = np.arange(0, len(ALL), 60)
    told = known(0)[rows]
    told[7] -= 0.06
    model, scale = learned(rows, told)
    targets = scale.targets(told)
    predicted = model.predict(ALL[rows], COSTS[rows])
    means, deviations = model.told(predicted, targets, np.ones(len(rows)), np.full(len(rows), spread))
    apart = (targets - predicted[0])[:, 7]
    assert (np.abs(apart) > 0.1).all()
    np.testing.assert_allclose((means - predicted[0])[:, 7] / apart, followed, atol=0.03)
    assert (deviations <= np.maximum(predicted[1], spread) + 1e-12).all()


def test_more_runs_are_followed_farther() -> None:
    rows = np.arange(0, len(ALL), 60)
    model, scale = learned(rows, known(0)[rows])
    targets, spread = scale.targets(known(0)[rows]), np.full(len(rows), np.sqrt(model.points.noise.min() / 2))
    predicted = np.zeros((len(model.weights), len(rows))), np.ones((len(model.weights), len(rows)))
    one, nine = (model.told(predicted, targets, np.full(len(rows), runs), spread) for runs in (1.0, 9.0))
    assert (np.abs(nine[0]) > np.abs(one[0])).all()
    assert (nine[1] < one[1]).all()


def test_what_is_in_training_makes_its_surroundings_known() -> None:
    truth = known(0)
    rows = np.arange(0, len(ALL), 60)
    model, _ = learned(rows, truth[rows])
    extended = model.extended(ALL[333:334], COSTS[333:334])
    before, after = (each.weights @ each.predict(ALL[333:334], COSTS[333:334])[1] for each in (model, extended))
    assert after < before
    np.testing.assert_allclose(
        extended.weights @ extended.predict(ALL, COSTS)[0], model.weights @ model.predict(ALL, COSTS)[0], atol=0.05
    )


def test_more_results_than_the_process_holds_are_all_learned_from() -> None:
    truth = known(2)
    rows = np.random.default_rng(3).choice(len(ALL), NEAR + 200, replace=False)
    assert np.abs(predicted(*learned(rows, truth[rows])) - truth).mean() < 0.02 * (truth.max() - truth.min())


def test_many_steps_share_columns_and_stay_monotone() -> None:
    heights = (np.linspace(0, 1, 40),) * 10
    encoding = Encoding(heights, np.array([1.0, 2.0]))
    low, high = np.full((1, 10), 3, dtype=np.uint8), np.full((1, 10), 25, dtype=np.uint8)
    costs = np.array([1.0])
    lower, higher = (encoding.columns(vector, costs)[0] for vector in (low, high))
    assert len(lower) == MOST_STEPS + 3
    assert (higher[1:] <= lower[1:]).all()


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_targets_lead_back_to_accuracies(share: float) -> None:
    accuracies = np.array([0.3, 0.8, 0.93, 0.95])
    targets, scale, _ = targets_of(accuracies, share)
    logs, _ = scale.logs(targets, targets)
    np.testing.assert_allclose(1 - scale.floor - np.exp(logs), accuracies)
