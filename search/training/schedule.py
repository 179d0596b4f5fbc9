"""The schedule of one training: steps, learning rate, momentum, seed.

The schedule a search trains with is not public for the paper; what stands here is ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

# Without it deep candidates come out by chance: their accuracies on the digits scatter by 2 % and not by 1.
WARM_UP = 0.15


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

    def steps(self, images: int) -> int:
        """Training steps for so many images; what does not fill a batch is left to another epoch's order."""
        return self.epochs * max(1, images // self.batch_size)


def rate(progress: float) -> float:
    """The share of `base_lr` after so much of the training, both in 0..1: a cosine, and up to it a straight rise."""
    return min(1.0, progress / WARM_UP) * (1 + math.cos(math.pi * progress)) / 2
