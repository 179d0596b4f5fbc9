"""The schedule of one training: steps, learning rate, momentum, seed.

The paper does not publish its schedule; this one is our own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

# The share of the training in which the rate rises. Without it the accuracies of deep candidates scatter more: on the
# digits by 2 % instead of 1 %.
WARM_UP = 0.15


# Every study's settings have these. The others are there where they are not the defaults, so that a study begun before
# they existed goes on.
ALWAYS = {"epochs", "batch_size", "base_lr", "momentum", "weight_decay", "seed"}


@dataclass(frozen=True)
class Schedule:
    """SGD with momentum; the rate falls from `base_lr` to 0 along a cosine, step by step (see `rate`).

    Weight decay 1e-4 is the DF authors' advice.
    """

    epochs: int = 8
    batch_size: int = 32
    base_lr: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 1e-4
    seed: int = 0

    def settings(self) -> dict[str, Any]:
        """The fields by name as JSON values, as a study keeps them."""
        values = {field.name: (getattr(self, field.name), field.default) for field in fields(self)}
        return {name: value for name, (value, default) in values.items() if name in ALWAYS or value != default}

    def steps(self, images: int) -> int:
        """Training steps for this many images. Each epoch leaves out the few that do not fill its last batch."""
        return self.epochs * max(1, images // self.batch_size)


def rate(progress: float) -> float:
    """The factor on `base_lr` after this share of the training, both in 0..1: a cosine, times a linear warm-up."""
    return min(1.0, progress / WARM_UP) * (1 + math.cos(math.pi * progress)) / 2
