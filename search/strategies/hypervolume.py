"""The hypervolume of a boundary, and how much a candidate of known cost and uncertain accuracy is expected to add.

The hypervolume is the area between the boundary and a reference point: the integral, over costs up to the reference's,
of the best accuracy that is had at no more than that cost, less the reference's accuracy.
"""

from __future__ import annotations

import numpy as np

from search.strategies.normal import Floats, below


def staircase(costs: Floats, accuracies: Floats, reference: tuple[float, float]) -> tuple[Floats, Floats]:
    """The best accuracy at each cost, as a staircase: (n + 1,) costs at which steps begin, and accuracies of the steps.

    `reference` is (cost, accuracy). The first step begins at -inf with the reference's accuracy; points that cost more
    than the reference are left out.
    """
    starts, levels = [-np.inf], [reference[1]]
    for place in np.lexsort((-accuracies, costs)):
        if costs[place] < reference[0] and accuracies[place] > levels[-1]:
            starts.append(float(costs[place]))
            levels.append(float(accuracies[place]))
    return np.array(starts), np.array(levels)


def hypervolume(costs: Floats, accuracies: Floats, reference: tuple[float, float]) -> float:
    """The hypervolume of points with costs (n,) and accuracies (n,); `reference` is (cost, accuracy)."""
    starts, levels = staircase(costs, accuracies, reference)
    widths = np.diff(np.append(starts[1:], reference[0]))
    return float(((levels[1:] - reference[1]) * widths).sum())


def expected_gain(
    costs: Floats, means: Floats, deviations: Floats, boundary: tuple[Floats, Floats], reference_cost: float
) -> Floats:
    """The hypervolume (n,) that candidates are expected to add to `boundary`, as `staircase` gives it.

    A candidate costs `costs` (n,), and the logarithm of its error is normal with `means` and `deviations` (..., n), so
    its accuracy is 1 - exp(normal). What it adds is the integral over costs from its own to the reference's of
    max(0, accuracy - boundary); the expectation of each step's share has a closed form.
    """
    starts, levels = boundary
    ends = np.append(starts[1:], reference_cost)
    # (n, steps): how far along each step the candidate would raise it.
    lengths = np.clip(ends - np.maximum(starts, costs[:, None]), 0, None)
    errors = np.clip(1 - levels, 1e-12, None)
    mean, deviation = means[..., None], np.maximum(deviations, 1e-9)[..., None]
    z = (np.log(errors) - mean) / deviation
    gains = errors * below(z) - np.exp(mean + deviation**2 / 2) * below(z - deviation)
    return (np.clip(gains, 0, None) * lengths).sum(axis=-1)
