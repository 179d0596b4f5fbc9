"""The schedule of one training: steps, learning rate, what is done to images and to weights, seed.

The paper does not publish its schedule; this one is our own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from prototxt_gen.errors import CaffeError
from search.training.augmentation import Augmentation

# The share of the training in which the rate rises. Without it the accuracies of deep candidates scatter more: on the
# digits by 2 % instead of 1 %.
WARM_UP = 0.15

# Every study's settings have these. The others are there where they are not the defaults, so that a study begun before
# they existed goes on.
ALWAYS = {"epochs", "batch_size", "base_lr", "momentum", "weight_decay", "seed"}


@dataclass(frozen=True)
class Schedule:
    """SGD with momentum; the rate falls from `base_lr` to 0 along a cosine, step by step (see `rate`).

    Weight decay 1e-4 is the DF authors' advice. `label_smoothing` spreads this share of a label evenly over all
    classes. `precision` is `float32`, or `mixed`: convolutions in bfloat16 on a CPU, in float16 with a scaled loss on a
    GPU; weights and accuracy stay float32. `channels_last` lays maps out with channels together, which GPUs' float16
    and most CPUs run faster. `ema` is the decay of a moving average of the weights, which takes their place (see
    averaging.py); 0 for none. `least_area`, `jitter`, `mirror` and `scales` are the augmentation (see augmentation.py).

    CaffeError lists all fields that are out of their range.
    """

    epochs: int = 8
    batch_size: int = 32
    base_lr: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 1e-4
    seed: int = 0
    label_smoothing: float = 0.0
    precision: Literal["float32", "mixed"] = "float32"
    channels_last: bool = False
    ema: float = 0.0
    least_area: float | None = None
    jitter: float = 0.0
    mirror: bool = True
    scales: tuple[float, float] = (0.5, 2.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "scales", tuple(self.scales))
        share = "0 to less than 1"
        rules = {
            "epochs": (self.epochs >= 1, "at least 1"),
            "batch_size": (self.batch_size >= 1, "at least 1"),
            "base_lr": (0 < self.base_lr < math.inf, "more than 0"),
            "momentum": (0 <= self.momentum < 1, share),
            "weight_decay": (0 <= self.weight_decay < math.inf, "0 or more"),
            "label_smoothing": (0 <= self.label_smoothing < 1, share),
            "precision": (self.precision in ("float32", "mixed"), "float32 or mixed"),
            "ema": (0 <= self.ema < 1, share),
            "least_area": (self.least_area is None or 0 < self.least_area <= 1, "more than 0, at most 1, or None"),
            "jitter": (0 <= self.jitter < 1, share),
            "scales": (len(self.scales) == 2 and 0 < self.scales[0] <= self.scales[-1] < math.inf, "(least, most)"),
        }
        faults = out_of_range(self, rules)
        if faults:
            raise CaffeError(f"schedule: {'; '.join(faults)}")

    @property
    def augmentation(self) -> Augmentation:
        """What may happen to an image."""
        return Augmentation(self.least_area, self.jitter, self.mirror, self.scales)

    def settings(self) -> dict[str, Any]:
        """The fields by name as JSON values, as a study keeps them."""
        values = {field.name: (getattr(self, field.name), field.default) for field in fields(self)}
        kept = {name: value for name, (value, default) in values.items() if name in ALWAYS or value != default}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in kept.items()}

    def steps(self, images: int) -> int:
        """Training steps for this many images. Each epoch leaves out the few that do not fill its last batch."""
        return self.epochs * max(1, images // self.batch_size)


def out_of_range(settings: object, rules: Mapping[str, tuple[bool, str]]) -> list[str]:
    """What is wrong with settings: the fields whose rule is not met, each with what was found and what was expected."""
    return [
        f"{name}: found {getattr(settings, name)}, expected {rule}" for name, (met, rule) in rules.items() if not met
    ]


def rate(progress: float) -> float:
    """The factor on `base_lr` after this share of the training, both in 0..1: a cosine, times a linear warm-up."""
    return min(1.0, progress / WARM_UP) * (1 + math.cos(math.pi * progress)) / 2
