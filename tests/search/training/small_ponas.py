"""A PONAS space of three rows and images that its networks learn in seconds, and a rule that asks for a few of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.spaces.ponas import PonasLayer, PonasSpace, candidates_of
from search.training.dataset import Dataset, Split
from search.training.one_shot import OneShot
from search.training.schedule import Schedule
from tests.search.training.bars import SHAPE
from tests.search.training.bars import bars as bars_of

TWO = candidates_of((3,), (3, 5), (False,))
SPACE = PonasSpace(
    (
        PonasLayer(8, 1, candidates_of((1,), (3,), (False,))),
        PonasLayer(8, 1, TWO),
        PonasLayer(16, 2, candidates_of((2,), (3,), (False, True))),
        PonasLayer(16, 1, TWO),
    ),
    stem=(8,),
    classes=3,
    input_shape=SHAPE,
    head=None,
)
SETTINGS = OneShot(
    Schedule(epochs=2, batch_size=16), row_epochs=1, row_lr=0.02, suffixes=2, table_images=40, statistics_images=32
)


def bars(count: int, seed: int) -> Split:
    """So noisy that networks of the space differ; see bars.py."""
    return bars_of(count, seed, 1.5)


DATA = Dataset("bars", ("0", "1", "2"), bars(136, 0), bars(50, 1))


@dataclass
class Rows:
    """Asks for each candidate of a row with two suffixes, and keeps the best; the simplest rule there is."""

    counts: Sequence[int] = tuple(len(SPACE.layers[layer].candidates) for layer in SPACE.rows)
    prefix: tuple[int, ...] = ()
    told: dict[tuple[int, ...], float] = field(default_factory=dict)

    @property
    def row(self) -> int:
        return len(self.prefix)

    @property
    def done(self) -> bool:
        return self.row == len(self.counts)

    def ask(self) -> NDArray[np.int64]:
        wanted = [] if self.done else [one for one in self._wanted() if one not in self.told]
        return np.array(list(dict.fromkeys(wanted)), dtype=np.int64).reshape(-1, len(self.counts))

    def tell(self, choices: NDArray[Any], accuracies: Sequence[float]) -> None:
        for choice, accuracy in zip(choices.tolist(), accuracies, strict=True):
            if tuple(choice) not in self._wanted():
                raise ValueError(f"row {self.row}: found {choice}, expected one that was asked for")
            self.told[tuple(choice)] = accuracy
        while not self.done and not len(self.ask()):
            best = max(self._wanted(), key=lambda one: self.told[one])
            self.prefix = (*self.prefix, best[self.row])

    def _wanted(self) -> list[tuple[int, ...]]:
        behind = len(self.counts) - self.row - 1
        return [
            (*self.prefix, candidate, *((suffix,) * behind))
            for candidate in range(self.counts[self.row])
            for suffix in range(2 if behind else 1)
        ]
