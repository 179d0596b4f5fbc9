"""The spread of a run: how far the runs of one candidate lie apart, as the standard deviation of a run.

It is measured where candidates were run several times, by the median of the absolute differences between two runs of
one candidate. For normal runs that is 0.954 standard deviations (M. Shamos, Geometry and statistics, 1976; P. Bickel
and E. Lehmann, Descriptive statistics for nonparametric models IV, 1979). Runs that come out far off hardly move it as
long as less than half of the differences are theirs. The root of the mean square, which is usual for runs that are
normal, would take one run of 3 % beside others of 90 % for a spread of tens of points everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

#: What is taken for a spread of accuracy where it is not measured: that of the tables of docs/search.md.
USUAL_SPREAD = 0.0016

#: From so many differences on they tell the spread: two that are far off are less than half of them.
FEWEST = 5

# The median of |x - y| in standard deviations of normal x and y: the root of 2 times the upper quartile of one.
_MEDIAN = 0.9538726

# The least error whose logarithm is taken.
_LEAST_ERROR = 1e-6


def spread_of(runs: Iterable[Sequence[float]]) -> float | None:
    """The standard deviation of a run, from the accuracies of each candidate's runs; None of fewer than FEWEST.

    Of n runs come n - 1 differences that do not follow from each other: so much weight all n (n - 1) / 2 have.
    """
    apart: list[float] = []
    weights: list[float] = []
    for accuracies in runs:
        pairs = [abs(one - other) for place, one in enumerate(accuracies) for other in accuracies[:place]]
        apart += pairs
        weights += [2 / len(accuracies)] * len(pairs)
    if sum(weights) < FEWEST - 1e-9:
        return None
    order = np.argsort(apart, kind="stable")
    ascending, below = np.array(apart)[order], np.cumsum(np.array(weights)[order])
    # The middle one, or the mean of the two beside the middle.
    middle = np.searchsorted(below, [below[-1] / 2 - 1e-9, below[-1] / 2 + 1e-9])
    return float(ascending[middle].mean()) / _MEDIAN


def share_of(runs: Iterable[Sequence[float]]) -> float | None:
    """The same of the logarithm of the error, 1 less the accuracy: a run's spread as a share of the error.

    Where trainings differ much, those of bad networks differ most, and this share changes least between them.
    """
    return spread_of(np.log(np.maximum(1 - np.array(accuracies), _LEAST_ERROR)).tolist() for accuracies in runs)
