"""A TieredSpace that computes in milliseconds, and what may be left of it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import NamedTuple

from search.spaces.tiered import Pick, TieredSpace, TieredStage

SPACE = TieredSpace(
    (
        TieredStage(8, (1, 1), 2, ("convolution",)),
        TieredStage(8, (0, 2), 1, ("inverted", "fused"), (3,)),
        TieredStage(16, (1, 2), 2, ("inverted", "fused")),
        TieredStage(16, (1, 1), 2, ("inverted",), (5,)),
    ),
    stem=(8,),
    classes=5,
    input_shape=(1, 3, 16, 16),
    head=16,
    granularity=4,
    expansion=4,
)


class Widths(NamedTuple):
    small: int
    large: int


@dataclass
class State:
    """What is left of a layer."""

    prunodes: dict[int, Widths]
    bypass: bool
    gone: bool = False


def all_of(space: TieredSpace) -> list[State]:
    """Everything, each block at its two largest widths."""
    found = []
    for layer in space.layers:
        last = max(0, len(layer.widths) - 1)
        found.append(State(dict.fromkeys(range(len(layer.candidates)), Widths(max(0, last - 1), last)), layer.optional))
    return found


def some_of(space: TieredSpace, rng: random.Random) -> list[State]:
    """Some of it: layers, blocks and bypasses gone, widths anywhere, frozen ones among them."""
    found = []
    for layer in space.layers:
        if layer.optional and rng.random() < 0.2:
            found.append(State({}, False, True))
            continue
        numbers = range(len(layer.candidates))
        kept = sorted(rng.sample(numbers, rng.randint(1, len(numbers))))
        widths = range(max(1, len(layer.widths)))
        prunodes = {number: Widths(*sorted(rng.choices(widths, k=2))) for number in kept}
        found.append(State(prunodes, layer.optional and rng.random() < 0.7))
    return found


def picks_of(space: TieredSpace, layers: list[State], rng: random.Random) -> list[Pick | None]:
    """A network of what is left."""
    picks: list[Pick | None] = []
    for layer, state in zip(space.layers, layers, strict=True):
        if state.gone or (state.bypass and rng.random() < 0.3):
            picks.append(None)
            continue
        number = rng.choice(sorted(state.prunodes))
        picks.append(Pick(number, layer.widths[rng.choice(state.prunodes[number])] if layer.widths else 0))
    return picks
