"""Ending trainings early whose curve cannot reach the boundary any more.

What an accuracy on the way says of the final one is learned from the finished trainings of the same search. Of each, a
ratio of errors is known: that at its end by that at a look on the way (an error is 1 less the accuracy). With the k-th
smallest of n such ratios r, a training whose error is e at this look is expected to end with an error of at least r e;
k is the risk times n + 1, rounded down. If the training is one of these n + 1 like any other, the chance that it ends
better is at most the risk, whatever the curves look like (conformal prediction: Vovk, Gammerman, Shafer, Algorithmic
Learning in a Random World, 2005, chapter 2). With a risk of 5 % that takes 19 finished trainings; before, and where the
risk is shared among several looks, none is ended.

A search chooses its candidates, so they are not quite like any other; and trainings that are ended add no ratio, so
that those of bad candidates come to be missing. Therefore every tenth training that would be ended goes on, drawn by
its name. What the rule saves and how often it errs on recorded trainings stands in docs/benchmarks.md. The paper has no
such rule: it is off unless asked for.
"""

from __future__ import annotations

import hashlib
import math
from bisect import insort
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from prototxt_gen.errors import CaffeError

#: An error is taken for at least this: a ratio to none at all says nothing.
LEAST_ERROR = 1e-3


class Curves:
    """What the finished trainings of a search say: by look, the ratios of the last error to that at the look."""

    def __init__(self) -> None:
        self._ratios: defaultdict[float, list[float]] = defaultdict(list)

    def add(self, looks: Mapping[float, float], final: float) -> None:
        """Enters a finished training: its accuracy at each look, by the share of the training, and at its end."""
        for look, accuracy in looks.items():
            insort(self._ratios[look], _error(final) / _error(accuracy))

    def best(self, look: float, accuracy: float, risk: float) -> float | None:
        """The final accuracy that a training with this accuracy at a look goes beyond with that risk at most.

        None while too few trainings are finished to say so.
        """
        ratios = self._ratios[look]
        # A hair is added: 0.05 times 20 is 1.
        place = math.floor(risk * (len(ratios) + 1) + 1e-9)
        return 1 - ratios[place - 1] * _error(accuracy) if place >= 1 else None

    def expected(self, look: float, accuracy: float) -> float | None:
        """The final accuracy that as many trainings end below as above; None while none is finished."""
        ratios = self._ratios[look]
        return max(0.0, 1 - median(ratios) * _error(accuracy)) if ratios else None


@dataclass(frozen=True)
class Ending:
    """The rule: at which shares of a training it looks, and with which risk it may end one that would have got there.

    `risk`, in 0..1, is shared evenly among the `looks`. Of those that it would end one in `spared` goes on. CaffeError
    for numbers out of their range.
    """

    risk: float = 0.05
    looks: tuple[float, ...] = (0.5,)
    spared: int = 10

    def __post_init__(self) -> None:
        object.__setattr__(self, "looks", tuple(sorted(self.looks)))
        rules = {
            "risk": (0 < self.risk < 1, "more than 0, less than 1"),
            "looks": (bool(self.looks) and all(0 < look < 1 for look in self.looks), "shares between 0 and 1"),
            "spared": (self.spared >= 2, "at least 2"),
        }
        broken = {name: rule for name, (met, rule) in rules.items() if not met}
        faults = [f"{name}: found {getattr(self, name)}, expected {rule}" for name, rule in broken.items()]
        if faults:
            raise CaffeError(f"ending: {'; '.join(faults)}")

    def settings(self) -> dict[str, Any]:
        """As JSON values, as a study keeps them."""
        return asdict(self) | {"looks": list(self.looks)}

    def hopeless(self, curves: Curves, look: float, accuracy: float, needed: float | None, code: str) -> bool:
        """Whether a candidate's training may be ended at this look, having this accuracy.

        `needed` is the best accuracy of the trained networks that are no slower, which it must go beyond to be on the
        boundary; None where there is none. `code` is the candidate's: it decides whether it is spared.
        """
        if needed is None or self.spares(code):
            return False
        best = curves.best(look, accuracy, self.risk / len(self.looks))
        return best is not None and best <= needed

    def spares(self, code: str) -> bool:
        """Whether the training of this candidate goes on in any case."""
        return int.from_bytes(hashlib.sha256(code.encode()).digest()[:8], "big") % self.spared == 0


def _error(accuracy: float) -> float:
    return max(LEAST_ERROR, 1 - accuracy)
