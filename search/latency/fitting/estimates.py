"""Parts that no network timed had, told by what they share with those that were in some."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from prototxt_gen.generator.parts import Part
from search.latency.fitting.workload import MEASURES, Scales, deviation_effects, row_of, work_effects


class Estimates(NamedTuple):
    """The weights of all effects, `weights[effect][group]`, for a usual network of `usual` ms."""

    usual: float
    scales: Scales
    weights: dict[str, dict[str, float]]

    def ms(self, part: Part) -> float:
        """A part's time, without what a call costs; groups that no part had tell nothing."""
        row = row_of(part)
        total = 0.0
        for effect in work_effects([row], self.scales) + deviation_effects([row], self.scales):
            known = self.weights.get(effect.name, {})
            for group, share in zip(effect.groups, effect.shares[0].tolist(), strict=True):
                total += share * known.get(str(group), 0.0)
        return self.usual * max(total, 0.0)

    def written(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {"usual": self.usual, "scales": self.scales._asdict(), "weights": self.weights}


def read_estimates(found: Any) -> Estimates | None:
    """What `written` gave; None where it is something else."""
    if not isinstance(found, dict) or set(found) != {"usual", "scales", "weights"}:
        return None
    scales, weights = found["scales"], found["weights"]
    if not isinstance(scales, dict) or set(scales) != set(Scales._fields) or not isinstance(scales["rates"], dict):
        return None
    rates = scales["rates"].values()
    lists = [scales["work"], *rates]
    if "" not in scales["rates"] or not all(isinstance(one, list) and len(one) == len(MEASURES) for one in lists):
        return None
    if not isinstance(weights, dict) or not all(isinstance(one, dict) for one in weights.values()):
        return None
    numbers = [found["usual"], scales["read"], *(value for one in lists for value in one)]
    numbers += [value for one in weights.values() for value in one.values()]
    if not all(_is_number(value) for value in numbers) or found["usual"] <= 0 or scales["read"] <= 0:
        return None
    made = Scales(tuple(scales["work"]), {kind: tuple(one) for kind, one in scales["rates"].items()}, scales["read"])
    return Estimates(found["usual"], made, weights)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
