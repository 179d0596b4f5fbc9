"""Timing whole networks on an engine in turns, so that a busy machine slows all of them alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from converters.engines import Engine, Session
from prototxt_gen.errors import UnsupportedError
from prototxt_gen.layers import Shape
from prototxt_gen.proto import NetParameter

# In every round each network runs until it has so many samples or has used so many milliseconds, so that other work
# on a shared machine, which comes and goes in seconds, falls on all networks alike.
ROUNDS = 12
SAMPLES_PER_ROUND = 10
MS_PER_ROUND = 30.0

# The median of n normal samples has the standard error 1.2533 sigma / sqrt(n); quartiles lie 1.349 sigma apart.
_ERROR_OF_MEDIAN = 1.2533 / 1.349


class Entry(NamedTuple):
    """Milliseconds of one network or part: the median of its samples, their quartiles, and how many there were.

    `label` says in words what was measured. Where it was measured in rounds, `rounds` holds the median of each, and
    median and quartiles are those of the rounds; where these do not count alike, `weights` says how much.
    """

    ms: float
    quartiles: tuple[float, float]
    samples: int
    label: str = ""
    rounds: tuple[float, ...] = ()
    weights: tuple[float, ...] = ()

    @property
    def spread(self) -> float:
        """The standard error of the median over the median: 0.929 times the quartiles' distance, over sqrt(n) and it.

        n is the number of rounds, or of samples where no rounds are known; rounds of different weights are as good as
        (sum of weights)^2 / (sum of their squares) of one weight. Infinite where the median is 0, and for what was not
        measured at all.
        """
        low, high = self.quartiles
        count: float = len(self.rounds) or self.samples
        if self.weights:
            count = sum(self.weights) ** 2 / sum(weight**2 for weight in self.weights)
        return _ERROR_OF_MEDIAN * (high - low) / math.sqrt(count) / self.ms if self.ms > 0 and count else math.inf


def entry_of_rounds(rounds: Sequence[float], samples: int, label: str = "", weights: Sequence[float] = ()) -> Entry:
    """The entry of what was measured in rounds, given the median of each and how many samples they hold in all."""
    # No clock here is more exact than a nanosecond.
    low, middle, high = (round(quantile(rounds, share, weights), 6) for share in (0.25, 0.5, 0.75))
    exact = tuple(round(float(ms), 6) for ms in rounds)
    return Entry(middle, (low, high), samples, label, exact, tuple(float(f"{weight:.4g}") for weight in weights))


def quantile(values: Sequence[float], share: float, weights: Sequence[float] = ()) -> float:
    """The value below which this share of the weight lies, half of a value's own weight below it, between values
    linearly; without weights as numpy has it.
    """
    if not len(weights):
        return float(np.quantile(values, share))
    order = np.argsort(values, kind="stable")
    ordered, weight = np.asarray(values, np.float64)[order], np.asarray(weights, np.float64)[order]
    places = np.cumsum(weight) - weight / 2
    return float(np.interp(share * weight.sum(), places, ordered))


def measure(
    engine: Engine,
    nets: Sequence[NetParameter],
    advance: Callable[[], object] = lambda: None,
    rounds: int = ROUNDS,
) -> list[Entry]:
    """Times whole networks, all loaded at once, in interleaved rounds; `advance` is called after each of a round.

    A network runs several times in a row in each round, and the first time does not count: it finds the caches full of
    another network. The batch is the engine's. UnsupportedError for a time that is no time, and as `Engine.load`.
    """
    sessions = [load_batch(engine, net) for net in nets]
    medians: list[list[float]] = [[] for _ in sessions]
    counts = [0] * len(sessions)
    for session in sessions:
        if engine.in_process:
            session.time()
    for _ in range(rounds):
        for index, session in enumerate(sessions):
            times = in_a_row(session) if engine.in_process else session.samples(SAMPLES_PER_ROUND)
            medians[index].append(float(np.median([checked_time(ms) for ms in times])))
            counts[index] += len(times)
            advance()
    return [entry_of_rounds(found, count) for found, count in zip(medians, counts, strict=True)]


def in_a_row(session: Session) -> list[float]:
    """Milliseconds of a network that runs several times in a row, without the first: that finds other things cached."""
    session.time()
    times: list[float] = []
    while len(times) < SAMPLES_PER_ROUND and sum(times) < MS_PER_ROUND:
        times.append(checked_time(session.time()))
    return times


def load_batch(engine: Engine, net: NetParameter, outputs: Sequence[str] | None = None) -> Session:
    """A network as the engine's target says that it is timed: with as many images as its batch."""
    batch = engine.target.get("batch", 1)
    shapes = {name: (batch, *shape[1:]) for name, shape in input_shapes(net).items()} if batch != 1 else None
    return engine.load(net, outputs=outputs, input_shapes=shapes)


def input_shapes(net: NetParameter) -> dict[str, Shape]:
    """The shapes of a generated network's inputs, by name."""
    return {
        top: tuple(shape.dim)
        for layer in net.layer
        if layer.type == "Input"
        for top, shape in zip(layer.top, layer.input_param.shape, strict=True)
    }


def checked_time(ms: float) -> float:
    """A time as it is. UnsupportedError where it is not a number above 0: what ran has not been measured."""
    if not (math.isfinite(ms) and ms > 0):
        raise UnsupportedError(f"the engine gives {ms} ms, expected a number above 0")
    return ms
