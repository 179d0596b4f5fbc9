"""The latency that is expected of a network when its paths are drawn, with gradients for their probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from search.latency.curves import Curve
from search.training.shares import Places, Shares


class LayerTimes(Protocol):
    """Nanoseconds of a layer's blocks; see LayerLatencies."""

    @property
    def maker(self) -> str: ...

    @property
    def blocks(self) -> Mapping[str, Sequence[Any]]: ...


class Times(Protocol):
    """Nanoseconds of all that networks of a space are made of; see Latencies."""

    @property
    def base(self) -> int: ...

    @property
    def layers(self) -> Sequence[LayerTimes]: ...

    @property
    def heads(self) -> Mapping[str, int]: ...

    @property
    def curve(self) -> Curve | None: ...


def expected_latency(times: Times, places: Places, shares: Shares) -> Tensor:
    """The latency in ms (), in double precision, of the mean network: each layer, candidate and width by its share.

    What made the input of a block decides what it takes, too; that, and with it the whole sum, is an expectation over
    layers drawn independently of each other. The table's curve, if it has one, is that of the expected sum. Shares of
    one network give what the table predicts of it.
    """
    blocks = _blocks(times, places, shares)
    after: dict[str, Any] = {"Convolution": 1.0}
    total: Any = float(times.base)
    for layer, left in enumerate(places.widths):
        if not left:
            continue
        there = 1 - shares.bypass[layer] if places.bypass[layer] else 1.0
        for maker, probability in after.items():
            total = total + there * probability * blocks[maker][layer]
        made = {times.layers[layer].maker: there}
        if places.bypass[layer]:
            for maker, probability in after.items():
                made[maker] = made.get(maker, 0.0) + probability * shares.bypass[layer]
        after = made
    for maker, probability in after.items():
        total = total + probability * float(times.heads[maker])
    return _along(times.curve, torch.as_tensor(total, dtype=torch.float64) / 1e6)


def _blocks(times: Times, places: Places, shares: Shares) -> dict[str, Sequence[Tensor]]:
    """What is expected of each layer's block, in nanoseconds (), by what made its input."""
    found = {}
    for maker in sorted({maker for layer in times.layers for maker in layer.blocks}):
        both = np.zeros((2, *shares.candidates.shape))
        for layer, left in enumerate(places.widths):
            for candidate, widths in left.items() if maker in times.layers[layer].blocks else ():
                both[:, layer, candidate] = times.layers[layer].blocks[maker][candidate][list(widths)]
        small, large = torch.from_numpy(both)
        taken = shares.candidates * ((1 - shares.large) * small + shares.large * large)
        found[maker] = taken.sum(1).unbind()
    return found


def latency_range(times: Times, optional: Sequence[bool]) -> tuple[float, float]:
    """The latencies in ms of the fastest network and of the slowest one; `optional` are layers that may be left out."""
    found = []
    for extreme in (min, max):
        # The sum up to here, by what made the map: that decides what the next layer takes.
        sums = {"Convolution": float(times.base)}
        for layer, may_go in zip(times.layers, optional, strict=True):
            there = extreme(
                total + float(extreme(np.concatenate([np.ravel(taken) for taken in layer.blocks[maker]])))
                for maker, total in sums.items()
            )
            sums = dict(sums) if may_go else {}
            sums[layer.maker] = extreme(there, sums.get(layer.maker, there))
        found.append(extreme(total + float(times.heads[maker]) for maker, total in sums.items()))
    least, most = (float(_along(times.curve, torch.tensor(total / 1e6, dtype=torch.float64))) for total in found)
    return least, most


def _along(curve: Curve | None, total: Tensor) -> Tensor:
    """The time of a sum by a curve, as Curve.times_of has it."""
    if curve is None:
        return total
    sums, value = np.asarray(curve.sums), float(total.detach())
    if value < sums[0]:
        return total * (curve.times[0] / curve.sums[0])
    if value > sums[-1]:
        return total * (curve.times[-1] / curve.sums[-1])
    place = int(np.clip(np.searchsorted(sums, value, side="right") - 1, 0, len(sums) - 2))
    slope = (curve.times[place + 1] - curve.times[place]) / (curve.sums[place + 1] - curve.sums[place])
    return curve.times[place] + (total - curve.sums[place]) * slope
