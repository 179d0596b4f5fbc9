"""The energy that networks take for a run: told, as their time is, by a sum over their parts.

Nothing here measures it. A power meter or the device's own counter says what whole networks take, and a regression what
their parts do (see search/latency/fitting); or somebody has measured parts. Energies are in mJ a run, of the network
and the batch that the table's times are of. Sums are whole nanojoules, so that networks of the same parts tie exactly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prototxt_gen.architectures import Backbone, Decoder
from prototxt_gen.errors import FormatError, UnsupportedError
from prototxt_gen.generator.parts import Part
from search.latency.curves import Curve, first_whole, is_curve
from search.latency.fitting import fit_networks, fit_remarks
from search.latency.fitting.estimates import Estimates, read_estimates
from search.latency.measuring import input_shapes
from search.spaces import Space

#: An hour at a kilowatt is 3.6e9 mJ; sums are whole nanojoules of 64 bits.
MOST_MJ = 1e9


@dataclass(frozen=True)
class Energy:
    """What parts take, in mJ by key (see Part), and what a call takes that does nothing: each part's has it in it.

    `origin` says in plain JSON values where the numbers come from. `curve` and `estimates` are those of a fit.
    """

    parts: dict[str, float]
    call_mj: float = 0.0
    origin: dict[str, Any] = field(default_factory=dict)
    curve: Curve | None = None
    estimates: Estimates | None = None

    @classmethod
    def fit(
        cls,
        networks: Sequence[Backbone | Decoder | str],
        millijoules: Sequence[float],
        space: Space | None = None,
        input_shape: Sequence[int] | Sequence[Sequence[int] | None] | None = None,
    ) -> Energy:
        """From what whole networks take, by regression. Arguments, `origin` and errors as in `LatencyTable.fit`."""
        found = fit_networks(networks, millijoules, input_shape, space, unit="mj")
        told = {key: entry.ms for key, entry in found.entries.items()}
        return cls(told, found.call_ms, found.origin, found.curve, found.estimates)

    @classmethod
    def of_parts(cls, parts: Mapping[str, float], call_mj: float = 0.0) -> Energy:
        """From what parts take, by key, each with the call in it. FormatError for numbers that are no energies."""
        for key, mj in {**parts, "call": call_mj}.items():
            if not _is_energy(mj):
                raise FormatError(f"energy of {key}: found {mj!r}, expected mJ from 0 to 1e9")
        today = datetime.now(timezone.utc).isoformat(timespec="seconds")
        return cls(dict(parts), call_mj, {"method": "parts", "date": today})

    @property
    def base_nanojoules(self) -> int:
        """What every network takes beside its parts."""
        return round(self.call_mj * 1e6)

    def part_nanojoules(self, part: Part) -> int:
        """What a part adds to the sum of a network. KeyError for one of which nothing is known."""
        mj = self.parts.get(part.joined_key, self.parts.get(part.key))
        if mj is None and self.estimates is not None:
            return round(self.estimates.ms(part) * 1e6)
        return round(((self.parts[part.key] if mj is None else mj) - self.call_mj) * 1e6)

    def millijoules(self, nanojoules: ArrayLike) -> NDArray[np.float64]:
        """The predictions (n,) of networks that sum to so many nanojoules. Larger sums never have smaller ones."""
        mj = np.asarray(nanojoules, np.float64) / 1e6
        return mj if self.curve is None else self.curve.times_of(mj)

    def nanojoules(self, limit: tuple[float, float]) -> tuple[int, int]:
        """The sums, least and most, whose predictions in mJ lie in a range that holds both its ends."""
        least, most = limit
        return (
            first_whole(lambda one: float(self.millijoules(one)) >= least),
            first_whole(lambda one: float(self.millijoules(one)) > most) - 1,
        )

    def predict(self, found: Sequence[Part], subject: str) -> float:
        """The mJ of a network of these parts. UnsupportedError as `check`."""
        self.check(found, subject)
        return float(self.millijoules(self.base_nanojoules + sum(map(self.part_nanojoules, found))))

    def check(self, found: Sequence[Part], subject: str) -> None:
        """UnsupportedError lists those of these parts of which nothing is known.

        A fit estimates parts that no network had; of inputs of another size than its networks' it tells nothing.
        """
        if self.estimates is None:
            unknown = {part.key: part.label for part in found if not {part.key, part.joined_key} & self.parts.keys()}
            if unknown:
                listed = ", ".join(sorted(unknown.values()))
                raise UnsupportedError(f"{subject}: the latency table has no energy of {listed}")
            return
        known = [tuple(shape) for shape in self.origin.get("input_shapes", [])]
        images = {
            tuple(shape)
            for part in found
            if "Input" in part.makers.values()
            for shape in input_shapes(part.net).values()
        }
        if other := sorted(images - set(known)):
            raise UnsupportedError(
                f"{subject}: found inputs of {other[0]}; the energies in the latency table are of networks with inputs "
                f"of {' and '.join(map(str, known))}, and say nothing of others"
            )

    def remarks(self) -> list[str]:
        """What is wrong with it, in words: networks that fit no others, too large an error."""
        if self.origin.get("method") != "fitted":
            return []
        return [f"energy: {remark}" for remark in fit_remarks(self.origin, unit="mj")]

    def written(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "origin": self.origin,
            "call_mj": self.call_mj,
            "parts": dict(sorted(self.parts.items())),
            "curve": None if self.curve is None else self.curve._asdict(),
            "estimates": None if self.estimates is None else self.estimates.written(),
        }


def read_energy(found: Any, expect: Any) -> Energy | None:
    """What `written` gave, every field checked; `expect(holds, field, found, expected)` raises where one is wrong."""
    if found is None:
        return None
    expect(isinstance(found, dict), "energy", found, "an object")
    parts, call_mj, origin = (found.get(name) for name in ("parts", "call_mj", "origin"))
    expect(isinstance(parts, dict), "energy.parts", parts, "an object")
    for key, mj in parts.items():
        expect(_is_energy(mj), f"energy.parts.{key}", mj, "mJ from 0 to 1e9")
    expect(_is_energy(call_mj), "energy.call_mj", call_mj, "mJ from 0 to 1e9")
    expect(isinstance(origin, dict), "energy.origin", origin, "an object")
    if origin.get("method") == "fitted":
        _check_fit(origin, expect)
    curve, stated = found.get("curve"), found.get("estimates")
    expect(curve is None or is_curve(curve), "energy.curve", curve, "sums and energies, as many of both, increasing")
    estimates = None if stated is None else read_estimates(stated)
    expect(stated is None or estimates is not None, "energy.estimates", stated, "the effects that a fit has written")
    return Energy(
        {key: float(mj) for key, mj in parts.items()},
        float(call_mj),
        origin,
        None if curve is None else Curve(tuple(curve["sums"]), tuple(curve["times"])),
        estimates,
    )


def _check_fit(origin: dict[str, Any], expect: Any) -> None:
    """What of a fit's origin is read again."""
    checked, outliers, shapes = (origin.get(name) for name in ("cross_validation", "outliers", "input_shapes"))
    error = checked.get("mean_error") if isinstance(checked, dict) else None
    expect(_is_energy(error), "energy.origin.cross_validation.mean_error", error, "a share")
    told = isinstance(outliers, list) and all(
        isinstance(one, dict)
        and isinstance(one.get("network"), str)
        and all(_is_energy(one.get(name)) for name in ("mj", "predicted_mj"))
        for one in outliers
    )
    expect(told, "energy.origin.outliers", outliers, "a list of networks, each with its mj and predicted_mj")
    listed = isinstance(shapes, list) and all(
        isinstance(shape, list) and all(isinstance(size, int) for size in shape) for shape in shapes
    )
    expect(listed, "energy.origin.input_shapes", shapes, "a list of shapes")


def _is_energy(value: Any) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and 0 <= value < MOST_MJ
