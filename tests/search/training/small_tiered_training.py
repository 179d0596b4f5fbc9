"""A TieredSpace of four layers with made-up latencies, and images that its networks learn in a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from search.latency.layer_latencies import Latencies, LayerLatencies
from search.spaces.tiered import Pick, TieredLayer, TieredSpace, TieredStage
from search.strategies.tiered import LayerChoices, Rules, TieredPruning
from search.training.dataset import Dataset
from search.training.schedule import Schedule
from search.training.stochastic import StochasticSupernet
from search.training.tiered import Tiered, train_tiered
from search.training.tiered_history import read_history
from tests.search.training.bars import SHAPE, bars

SPACE = TieredSpace(
    (
        TieredStage(8, (1, 2), 2, ("inverted", "fused"), (3,)),
        TieredStage(12, (1, 2), 2, ("inverted",), (3, 5)),
    ),
    stem=(4,),
    classes=3,
    input_shape=SHAPE,
    head=12,
    granularity=4,
    expansion=5,
)
DATA = Dataset("bars", ("0", "1", "2"), bars(172, 0, 1.0), bars(50, 1, 1.0))
SETTINGS = Tiered(
    Schedule(epochs=2, batch_size=16, base_lr=0.1),
    warm_up=0.5,
    architecture_images=0.25,
    architecture_rate=0.2,
    statistics_images=32,
)
RULES = Rules(every=2, decay=0.5)
#: ms; the fastest network of the space takes 0.095, the slowest 0.3705.
GOAL = 0.2


def _layer(number: int, layer: TieredLayer) -> LayerLatencies:
    """Fused blocks cost more than inverted ones, larger kernels more than smaller ones, sums before them a bit."""
    blocks = {
        after: tuple(
            np.array([20_000 + extra + (number + 1) * 100 * one.kernel * width for width in layer.widths])
            + (15_000 if one.kind == "fused" else 0)
            for one in layer.candidates
        )
        for after, extra in (("Convolution", 0), ("Eltwise", 500))
    }
    return LayerLatencies(layer.maker, layer.widths, blocks)


TIMES = Latencies(
    40_000,
    tuple(_layer(number, layer) for number, layer in enumerate(SPACE.layers)),
    {"Convolution": 9_000, "Eltwise": 10_000},
    None,
)


def as_new(rules: Rules = RULES, space: TieredSpace = SPACE) -> TieredPruning:
    """All that a space has, still to be searched."""
    return TieredPruning([LayerChoices(len(one.candidates), one.widths, one.optional) for one in space.layers], rules)


def picks_of(structure: TieredPruning) -> list[Pick | None]:
    """The network that a search has found."""
    return [None if pick is None else Pick(*pick) for pick in structure.picks()]


def searched(folder: Path | None = None, goal: float = GOAL, settings: Tiered = SETTINGS, **more: Any) -> Any:
    """The supernet and the structure at the end of a search."""
    structure = more.pop("structure", None) or as_new()
    asked = {"space": SPACE, "data": DATA, "times": TIMES, **more}
    space, data, times = asked.pop("space"), asked.pop("data"), asked.pop("times")
    net = train_tiered(space, data, structure, times, goal, settings, folder, **asked)
    return net, structure


def left_by(net: StochasticSupernet, structure: TieredPruning, folder: Path) -> dict[str, Any]:
    """All that a search comes to, with numbers to the last bit; times of the clock left out."""
    head, lines = read_history(folder / "history.jsonl")
    untimed = [{name: value for name, value in one.items() if name not in ("seconds", "step_ms")} for one in lines]
    tensors = {**dict(net.named_parameters()), **net.logits.state_dict()}
    return {
        "tensors": {name: (tuple(one.shape), one.detach().numpy().tobytes()) for name, one in tensors.items()},
        "structure": structure.state(),
        "picks": structure.picks(),
        "history": [head, *untimed],
    }
