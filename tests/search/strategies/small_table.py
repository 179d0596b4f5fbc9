"""A PONAS space of 96 networks with tables for it: made up, but of every kind that there is."""

from __future__ import annotations

import random

import numpy as np

from prototxt_gen import Unit
from search.latency import LatencyTable
from search.latency.correcting import Correction
from search.latency.curves import Curve
from search.latency.energy import Energy
from search.latency.levelling import Level
from search.latency.measuring import Entry
from search.latency.predicting import space_parts
from search.spaces.ponas import PonasLayer, PonasSpace, candidates_of
from search.strategies.accuracy_table import AccuracyTable, named_rows

SPACE = PonasSpace(
    (
        PonasLayer(8, 1, (Unit(3, 1),)),
        PonasLayer(8, 2, candidates_of((2, 4), (3, 5), (False,))),
        PonasLayer(8, 1, candidates_of((1, 3), (3,), (False, True))),
        PonasLayer(16, 2, candidates_of((1, 2, 6), (3, 7), (False,))),
    ),
    stem=(8,),
    classes=5,
    input_shape=(1, 3, 24, 24),
    head=None,
)
CODES = [[str(unit) for unit in SPACE.layers[layer].candidates] for layer in SPACE.rows]


def accuracy_table(seed: int = 0, **changed: object) -> AccuracyTable:
    """Accuracies in hundredths, so that many networks lose equally much; larger candidates are better, mostly."""
    rng = np.random.default_rng(seed)
    accuracies = [np.round(rng.uniform(0.5, 0.6, len(codes)) + 0.03 * np.arange(len(codes)), 2) for codes in CODES]
    rows = named_rows([f"layer {layer}" for layer in SPACE.rows], CODES, accuracies)
    return AccuracyTable(**{"space": str(SPACE), "rows": rows, "best": 0.75, **changed})


def latency_table(seed: int = 0, **more: object) -> LatencyTable:
    """A table whose parts take what chance says; some less than a call of the engine, so that they take time away."""
    rng = random.Random(seed)
    entries = {
        key: Entry(round(rng.uniform(0.009, 0.3), 6), (0.0, 1.0), 10, part.label)
        for key, part in space_parts(SPACE).items()
    }
    return LatencyTable({"device": "none"}, entries, call_ms=0.01, **more)


def energies(seed: int = 0, curve: Curve | None = None) -> Energy:
    rng = random.Random(f"{seed} energies")
    return Energy({key: round(rng.uniform(0.1, 2), 6) for key in space_parts(SPACE)}, 0.1, curve=curve)


LATENCY_TABLES = {
    "plain": {},
    "corrected": {"correction": Correction(1.1, 0.05, 0.01, 0.2, ("one", "two"), 0.1, 0.05, "2026-01-01")},
    "levelled": {"level": Level(0.9, 0.02, 0.01)},
    "with a curve": {"curve": Curve((0.2, 0.5, 1.0), (0.4, 0.6, 2.0))},
    "with energies": {"energy": energies()},
    "with energies on a curve": {"energy": energies(curve=Curve((1.0, 2.0, 4.0), (2.0, 3.0, 8.0)))},
}
