"""The curve from sums of parts to times, learned beside the parts: one more effect of the same regression.

A network whose parts sum to z takes z (1 + r(log z)), where r is straight between knots. What r does at the data is
kept free of a constant time and of a constant factor, which call and parts have already: so they are told apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search.latency.curves import Curve

Floats = NDArray[np.float64]

KNOTS = 24
# How smooth r is: two effects, of bends this wide, as shares of the range of logarithms.
_WIDTHS = (0.08, 0.3)
# A curve is written as so many points.
_POINTS = 64


@dataclass(frozen=True)
class Bend:
    """The knots, logarithms of sums (knots,), and r's effects, (knots, knots) each."""

    knots: Floats
    effects: tuple[Floats, ...]

    def shares(self, sums: Floats) -> Floats:
        """(networks, knots): what r at each knot adds to networks whose parts sum to `sums` (n,)."""
        place = np.interp(np.log(np.maximum(sums, 1e-9)), self.knots, np.arange(len(self.knots)))
        left = np.minimum(place.astype(np.intp), len(self.knots) - 2)
        found = np.zeros((len(sums), len(self.knots)))
        index = np.arange(len(sums))
        found[index, left] = (1 - (place - left)) * sums
        found[index, left + 1] = (place - left) * sums
        return found

    def curve(self, bends: Floats, usual: float) -> Curve:
        """As sums and times in ms, of which the usual network has `usual`; never falling."""
        sums = np.exp(np.linspace(self.knots[0], self.knots[-1], _POINTS))
        times = sums + self.shares(sums) @ bends
        times = np.maximum.accumulate(times)
        # A level stretch would make different sums tie: it climbs a millionth of the way.
        times = times + 1e-6 * (sums - sums[0])
        return Curve(tuple((usual * sums).tolist()), tuple((usual * times).tolist()))


def bend_of(sums: Floats, trust: Floats) -> Bend:
    """Knots and effects for networks of these sums (n,), which count as much as `trust` (n,) says."""
    ends = np.log(sums.min()), np.log(sums.max())
    knots = np.linspace(*ends, KNOTS)
    met = (np.square(Bend(knots, ()).shares(sums)) * trust[:, None]).sum(0) + 1e-9
    plain = np.stack([np.ones(KNOTS), np.exp(-knots)], axis=1)
    weighted = plain * met[:, None]
    free = np.eye(KNOTS) - plain @ np.linalg.solve(weighted.T @ plain, weighted.T)
    gaps = (knots[:, None] - knots) / (knots[-1] - knots[0])
    roots = (np.linalg.cholesky(np.exp(-0.5 * (gaps / width) ** 2) + 1e-8 * np.eye(KNOTS)) for width in _WIDTHS)
    return Bend(knots, tuple(free @ root for root in roots))
