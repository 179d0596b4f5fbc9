"""What each block of each layer of a TieredSpace takes, as arrays: for latencies expected by probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.errors import UnsupportedError
from search.latency.curves import Curve, first_whole
from search.latency.predicting import placed_parts
from search.spaces.backbones import Stem
from search.spaces.tiered import Pick, Picks, TieredHead, TieredSpace
from search.spaces.ways import Integers

if TYPE_CHECKING:
    from search.latency.table import LatencyTable


class LayerLatencies(NamedTuple):
    """Nanoseconds of a layer's blocks.

    `blocks` has, by what made the layer's input, "Convolution" or "Eltwise", as far as that may be, for each candidate
    an array (widths,) in the order of the layer's inner `widths`, which are (0,) for convolutions. `maker` is what
    makes the map behind the layer where it is there; behind a layer left out it is what made the layer's input.
    """

    maker: str
    widths: tuple[int, ...]
    blocks: Mapping[str, tuple[Integers, ...]]


@dataclass(frozen=True)
class Latencies:
    """The nanoseconds of which every network of a TieredSpace is a sum, and how a sum becomes milliseconds.

    A network takes `base`, which has the engine's call and the stem; of each layer that is there what its block takes,
    by what made its input; and of `heads` that of what made the last map. The input of the first layer is made by a
    "Convolution". All are whole numbers, so sums in float64 are exact, whatever their order.
    """

    base: int
    layers: tuple[LayerLatencies, ...]
    heads: Mapping[str, int]
    curve: Curve | None

    def nanoseconds(self, picks: Picks) -> int:
        """The sum of a network by its picks, one for each layer."""
        total, after = self.base, "Convolution"
        for layer, pick in zip(self.layers, picks, strict=True):
            if pick is not None:
                total += int(layer.blocks[after][pick.candidate][layer.widths.index(pick.inner)])
                after = layer.maker
        return total + self.heads[after]

    def milliseconds(self, nanoseconds: Any) -> NDArray[np.float64]:
        """The predictions of sums (n,): the same in ms, or by the table's curve; they ascend with the sums."""
        ms = np.asarray(nanoseconds, np.float64) / 1e6
        return ms if self.curve is None else self.curve.times_of(ms)

    def predict(self, picks: Picks) -> float:
        """The milliseconds of a network, as the table predicts them."""
        return float(self.milliseconds(self.nanoseconds(picks)))

    def interval(self, least: float, most: float) -> tuple[int, int]:
        """The least and the most whole nanoseconds whose prediction lies in an interval of milliseconds, ends included.

        The first is the larger one where there are none.
        """
        return (
            first_whole(lambda one: float(self.milliseconds(one)) >= least),
            first_whole(lambda one: float(self.milliseconds(one)) > most) - 1,
        )


def layer_latencies(space: TieredSpace, table: LatencyTable) -> Latencies:
    """The latencies of a space by a table: `Latencies.predict` of any picks is exactly `table.predict` of the network.

    Whatever the table has, a level, a correction, a curve, is in them. UnsupportedError lists the parts of the space
    that are not in the table.
    """
    parts = placed_parts(space)
    if missing := table.missing(parts.values()):
        raise UnsupportedError(f"{space}: not in the latency table: {', '.join(missing)}")
    known: dict[str, int] = {}

    def nanoseconds(piece: Any) -> int:
        part = parts[piece]
        if part.joined_key not in known:
            known[part.joined_key] = table.part_nanoseconds(part)
        return known[part.joined_key]

    makers, found = {"Convolution"}, []
    for number, layer in enumerate(space.layers):
        widths = layer.widths or (0,)
        blocks = {
            after: tuple(
                np.array([nanoseconds(space.block(number, Pick(candidate, inner), after)) for inner in widths])
                for candidate in range(len(layer.candidates))
            )
            for after in sorted(makers)
        }
        found.append(LayerLatencies(layer.maker, widths, blocks))
        makers = {layer.maker} | (makers if layer.optional else set())
    return Latencies(
        table.base_nanoseconds + nanoseconds(Stem()),
        tuple(found),
        {after: nanoseconds(TieredHead(after)) for after in sorted(makers)},
        table.curve,
    )
