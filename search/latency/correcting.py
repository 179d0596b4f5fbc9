"""What a few whole networks tell about a table: a correction of sums of parts, of terms that sum over parts themselves.

A part that runs alone differs from the same part in a network: an engine changes layouts at its edges, and joins no
layers across them. So the sum of parts is wrong by so much a network, so much a millisecond, so much a part, or so much
a megabyte that goes from part to part. Which of these, a leave-one-out test on the networks measured decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from converters.engines import Engine
from prototxt_gen.architectures import Backbone, Decoder
from prototxt_gen.errors import UnsupportedError
from prototxt_gen.generator.networks import generate
from prototxt_gen.generator.parts import Part
from search.latency.measuring import ROUNDS, input_shapes, measure
from search.progress import progress_bar

# Terms beside the slope are tried alone and in pairs: a few networks do not tell more apart.
_MOST_TERMS = 2
# A richer correction must be so much better in the leave-one-out test.
_BETTER = 0.95
# Pulls the terms towards no correction, in squared relative errors: as much as a hundredth of a network's worth.
_RIDGE = 0.01


class Correction(NamedTuple):
    """A network takes `constant_ms` and its call, and of each part `slope` times its own time, `part_ms`, and
    `megabyte_ms` for each megabyte (10^6 bytes, float32, batch 1) that it takes in.

    `networks` are the codes of those measured whole for it; `error_before` and `error_after` are the means of their
    relative errors without it and, each network left out in turn, with it.
    """

    slope: float
    constant_ms: float
    part_ms: float
    megabyte_ms: float
    networks: tuple[str, ...]
    error_before: float
    error_after: float
    date: str

    @property
    def is_none(self) -> bool:
        """Whether plain sums were best: no term made other networks' errors smaller."""
        return (self.slope, self.constant_ms, self.part_ms, self.megabyte_ms) == (1.0, 0.0, 0.0, 0.0)

    def words(self) -> str:
        """What the whole networks told, in a sentence."""
        counted = f"{len(self.networks)} whole networks"
        if self.is_none:
            return (
                f"no correction: the plain sums of {counted} are {self.error_before:.2%} off in the mean, and no term "
                "learnt from some makes that of the others smaller"
            )
        return (
            f"corrected by {counted}: {self.error_before:.2%} off in the mean before, {self.error_after:.2%} after "
            "(each left out in turn)"
        )


class Sum(NamedTuple):
    """What a prediction is made of: the parts' own times in ms, how many there are, and the megabytes they take in."""

    ms: float
    parts: int
    megabytes: float


def megabytes(part: Part) -> float:
    """The megabytes (10^6 bytes) of what a part takes in, in float32 at batch 1."""
    return sum(float(np.prod(shape)) for shape in input_shapes(part.net).values()) * 4 / 1e6


def correct(
    engine: Engine,
    networks: Sequence[Backbone | Decoder | str],
    input_shape: Sequence[int] | None,
    sums: Sequence[Sum],
    base_ms: float,
    progress: bool = False,
) -> Correction:
    """Measures networks whole, which are predicted as `base_ms` and `sums`, and fits.

    UnsupportedError for less than two.
    """
    codes = [str(network) for network in networks]
    if len(set(codes)) < 2:
        raise UnsupportedError(f"correction: found {len(set(codes))} networks, expected at least 2 different ones")
    nets = [generate(network, input_shape=input_shape, merged=True) for network in networks]
    with progress_bar(len(nets) * ROUNDS, "measuring whole networks", "run", progress) as bar:
        measured = [entry.ms for entry in measure(engine, nets, bar.update)]
    date = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return fit_correction(sums, measured, base_ms, codes, date)


def fit_correction(
    sums: Sequence[Sum], measured: Sequence[float], base_ms: float, networks: Sequence[str], date: str
) -> Correction:
    """The correction that fits whole networks best, in ms, by their relative errors; at least two networks.

    The terms are the slope and at most two others; the leave-one-out test chooses them.
    """
    target = np.asarray(measured, np.float64)
    # What the plain sum lacks, and what each term adds, both as shares of the network's time.
    lacking = 1 - (np.array([one.ms for one in sums]) + base_ms) / target
    terms = np.array([(one.ms, 1.0, one.parts, one.megabytes) for one in sums]) / target[:, None]
    choices: list[tuple[int, ...]] = [()]
    choices += [(0, *more) for count in range(_MOST_TERMS + 1) for more in combinations((1, 2, 3), count)]
    best: tuple[int, ...] = ()
    best_error = np.inf
    for choice in choices:
        error = _left_out_error(terms[:, choice], lacking)
        if error < best_error * _BETTER:
            best, best_error = choice, error
    fitted = np.zeros(4)
    fitted[list(best)] = _solved(terms[:, best], lacking)
    slope, constant, part, megabyte = (float(term) for term in fitted)
    return Correction(
        slope=1 + slope,
        constant_ms=constant,
        part_ms=part,
        megabyte_ms=megabyte,
        networks=tuple(networks),
        error_before=float(np.abs(lacking).mean()),
        error_after=float(np.abs(_left_out(terms[:, best], lacking)).mean()),
        date=date,
    )


def _left_out_error(terms: NDArray[np.float64], lacking: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.square(_left_out(terms, lacking)).mean()))


def _left_out(terms: NDArray[np.float64], lacking: NDArray[np.float64]) -> NDArray[np.float64]:
    """The relative error of each network by the terms fitted to the others."""
    errors = np.empty(len(lacking))
    for index in range(len(lacking)):
        others = np.arange(len(lacking)) != index
        errors[index] = terms[index] @ _solved(terms[others], lacking[others]) - lacking[index]
    return errors


def _solved(terms: NDArray[np.float64], lacking: NDArray[np.float64]) -> NDArray[np.float64]:
    """Least squares, each term drawn a little towards 0 on the scale that it has in these networks."""
    scale = np.sqrt(np.square(terms).mean(axis=0)) if len(terms) else np.ones(terms.shape[1])
    scaled = terms / np.where(scale > 0, scale, 1)
    solved = np.linalg.solve(scaled.T @ scaled + _RIDGE * np.eye(scaled.shape[1]), scaled.T @ lacking)
    return solved / np.where(scale > 0, scale, 1)


def telling(sums: Sequence[Sum], count: int) -> list[int]:
    """The indices of so many networks that tell most about all terms: greedily, by the determinant (D-optimal)."""
    rows = np.array([(1.0, 1 / one.ms, one.parts / one.ms, one.megabytes / one.ms) for one in sums])
    rows /= np.sqrt(np.square(rows).mean(axis=0))
    information = np.eye(rows.shape[1]) * _RIDGE
    chosen: list[int] = []
    while len(chosen) < min(count, len(rows)):
        gains = np.einsum("ni,ij,nj->n", rows, np.linalg.inv(information), rows)
        gains[chosen] = -1.0
        chosen.append(int(gains.argmax()))
        information += np.outer(rows[chosen[-1]], rows[chosen[-1]])
    return chosen
