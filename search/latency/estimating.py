"""Times of parts that no log has, estimated from the layers that it has: an approximation, and marked as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from math import prod
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.generator.parts import Part
from prototxt_gen.trace import LayerSummary, trace

_Kind: TypeAlias = tuple[object, ...]

# Keeps the system of equations solvable where two features say the same; the others decide.
_RIDGE = 1e-6


class Timed(NamedTuple):
    """A part of a network in a log, and what groups of its layers took: the layers' names in `part.net`, and ms."""

    part: Part
    groups: Mapping[frozenset[str], float]


class _Group(NamedTuple):
    """Layers that ran as one: what they are, what they cost, what they took where that is known.

    `kind` is the type and the kernel of the first layer with weights; `exact` tells equal groups. `work` is how many
    kernels a device starts for them (one, or one for each group of a grouped convolution), multiply-adds, and numbers
    read and written.
    """

    kind: _Kind
    exact: _Kind
    work: tuple[float, float, float]
    ms: float = 0.0


class Estimator:
    """Estimates parts from those of a log.

    1. A part is likened to one in the log with the same types of layers in the same order, whose rows tell which of
       them run as one.
    2. Such a group takes the mean of equal ones in the log: same types, options and shapes.
    3. Without an equal one it takes so much for each kernel that starts, each multiply-add and each number moved. These
       three are at least 0, and are those that fit the groups of its kind in the log best: least squares of the
       relative errors.
    """

    def __init__(self, timed: Sequence[Timed]) -> None:
        self._forms = {_form(one.part): _places(one) for one in timed}
        self._groups = [group for one in timed for group in _groups(one.part, _places(one), one.groups)]

    def estimate(self, part: Part) -> float | None:
        """Milliseconds of a part, or None where the log has no part of its form."""
        places = self._forms.get(_form(part))
        if places is None:
            return None
        times = [self._time(group) for group in _groups(part, places)]
        return None if None in times or not times else float(sum(time for time in times if time is not None))

    def _time(self, group: _Group) -> float | None:
        equal = [one.ms for one in self._groups if one.exact == group.exact]
        if equal:
            return float(np.mean(equal))
        alike = [one for one in self._groups if one.kind == group.kind]
        if not alike:
            return None
        return float(np.dot(_fitted(alike), group.work))


def _form(part: Part) -> _Kind:
    return tuple(layer.type for layer in part.net.layer)


def _places(timed: Timed) -> list[list[int]]:
    """The groups as indices of the part's layers."""
    index = {layer.name: place for place, layer in enumerate(timed.part.net.layer)}
    return [sorted(index[name] for name in group) for group in timed.groups]


def _groups(
    part: Part, places: Iterable[Sequence[int]], times: Mapping[frozenset[str], float] | None = None
) -> list[_Group]:
    rows = trace(part.net)
    made = []
    for group in places:
        chosen = [rows[place] for place in group]
        ms = times[frozenset(row.name for row in chosen)] if times is not None else 0.0
        made.append(_group(chosen, ms))
    return made


def _group(rows: Sequence[LayerSummary], ms: float) -> _Group:
    main = next((row for row in rows if row.blob_shapes), rows[0])
    kernel = main.blob_shapes[0][2:] if main.blob_shapes else ()
    exact = tuple((row.type, row.bottom_shapes, row.top_shapes, row.blob_shapes, _options(row)) for row in rows)
    own = {top for row in rows for top in row.tops}
    moved = 0
    written: dict[str, int] = {}
    for row in rows:
        moved += sum(prod(shape) for shape in row.blob_shapes)
        moved += sum(prod(shape) for name, shape in zip(row.bottoms, row.bottom_shapes, strict=True) if name not in own)
        written.update(zip(row.tops, map(prod, row.top_shapes), strict=True))
    moved += sum(written.values())
    starts = max(max(row.layer.convolution_param.group, 1) for row in rows)
    work = (float(starts), float(sum(row.multiply_adds for row in rows)), float(moved))
    return _Group((main.type, kernel), exact, work, ms)


def _options(row: LayerSummary) -> bytes:
    layer = type(row.layer)()
    layer.CopyFrom(row.layer)
    for field in ("name", "bottom", "top"):
        layer.ClearField(field)
    return layer.SerializeToString()


def _fitted(groups: Sequence[_Group]) -> NDArray[np.float64]:
    """The best factors of work, none below 0, by the squares of relative errors."""
    work = np.array([group.work for group in groups]) / np.array([[group.ms] for group in groups])
    scale = np.maximum(work.mean(axis=0), 1e-300)
    work = work / scale
    best, error = np.zeros(3), np.inf
    for count in (1, 2, 3):
        for chosen in combinations(range(3), count):
            system = np.vstack([work[:, chosen], np.eye(count) * _RIDGE])
            found = np.linalg.lstsq(system, np.concatenate([np.ones(len(work)), np.zeros(count)]), rcond=None)[0]
            factors = np.zeros(3)
            factors[list(chosen)] = found
            left = float(np.sum((work @ factors - 1) ** 2))
            if (found >= 0).all() and left < error - 1e-12:
                best, error = factors, left
    return best / scale
