"""Effects of candidates that add up over the rows, fitted to accuracies of whole networks.

Errors of networks are neither sums over their layers nor products: of an accurate network a better block takes a
smaller share of the errors than of another. But some power of the errors is nearly a sum. It is found as Box and Cox
found theirs (An analysis of transformations, 1964): of the powers from 0, the logarithm, to -2, the end of the usual
ladder, by the likelihood of normal residuals. With a power above 0 a sum could be an error below none.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from search.strategies.accuracy_table import LEAST_ERROR, added, unadded

#: The powers that are tried. Finer steps change nothing that can be seen.
POWERS = (0.0, -0.5, -1.0, -1.5, -2.0)

# Residuals of this share of all squares are rounding.
_ROUNDING = 1e-20


class Entries(NamedTuple):
    """What a table is made of: accuracies in 0..1 by row, and `best` and `power` as in `AccuracyTable`."""

    rows: list[list[float]]
    best: float
    power: float


def fit_rows(
    rows: Sequence[int],
    choices: NDArray[np.int64],
    accuracies: NDArray[np.float64],
    powers: Sequence[float] = POWERS,
    stages: NDArray[np.int64] | None = None,
) -> Entries:
    """The entries of rows of so many candidates each that explain accuracies in 0..1 (n,) of networks (n, rows).

    An entry is what is expected of a network with this candidate and otherwise the best ones. Where the networks are
    too few to tell powers apart, it is the first of `powers`.

    Networks of one supernet become more accurate while it is trained. `stages` (n,) tells when each was seen, counted
    from 0: what was seen at the same time has an effect in common, and entries are those of the last stage.
    """
    given = choices if stages is None else np.column_stack([choices, stages])
    counts = rows if stages is None else [*rows, int(stages.max()) + 1]
    starts = np.cumsum([0, *counts])
    has = np.zeros((len(given), starts[-1]))
    for row, start in enumerate(starts[:-1]):
        has[np.arange(len(has)), start + given[:, row]] = 1
    errors = np.maximum(1 - accuracies, LEAST_ERROR)
    # Divided by their geometric mean, errors leave residuals that are compared as they are: the likelihood of a power
    # is the higher the smaller their squares.
    middle = float(np.exp(np.log(errors).mean()))
    least, power, level, effects = np.inf, powers[0], 0.0, np.zeros(starts[-1])
    for one in powers:
        values = added(errors / middle, one)
        mean = float(values.mean())
        # By how much the rows' means differ does not follow, nor does it matter: of all solutions this is the smallest.
        found, _, rank, _ = np.linalg.lstsq(has, values - mean, rcond=None)
        squares = float(np.square(values - mean - has @ found).sum())
        rest = max(squares, _ROUNDING * float(np.square(values - mean).sum())) if rank < len(has) else 0.0
        if rest < least:
            least, power, level, effects = rest, one, mean, found
    if stages is not None:
        level += float(effects[-1])
    cut = [effects[start:end] for start, end in pairwise(starts[: len(rows) + 1])]
    best = middle * unadded(np.array([level + sum(float(one.min()) for one in cut)]), power)[0]
    error = float(np.clip(best, LEAST_ERROR, 1.0))
    # In units of the best network's errors; see `AccuracyTable.losses`.
    unit = (middle / error) ** power
    return Entries([_accuracies(error * unadded(unit * (one - one.min()), power)) for one in cut], 1 - error, power)


def _accuracies(errors: NDArray[Any]) -> list[float]:
    found: list[float] = (1 - np.clip(errors, LEAST_ERROR, 1.0)).tolist()
    return found
