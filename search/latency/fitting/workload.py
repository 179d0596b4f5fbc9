"""What the time of a part may depend on: the work of its layers, by kind and by size of map, and what made its inputs.

Parts that were never timed alone share layers, kinds of layers and sizes of maps with others. An effect says what they
share: the times of the parts are sums of effects, each with a size of its own (see variances.py).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.generator.parts import Part
from prototxt_gen.layers import LAYERS
from prototxt_gen.trace import LayerSummary, trace

Floats = NDArray[np.float64]

#: What a layer's work is counted in: 1 a layer, multiply-adds, numbers read, numbers written, weights.
MEASURES = ("layers", "multiply-adds", "read", "written", "weights")

# About the share of a network's time that a part has: what is no share of the part's own time is counted in it.
_USUAL_SHARE = 1 / 30
# No layer is taken to be quicker than this share of a network: deviations are shares of what a layer should take.
_LEAST_SHARE = 1e-3


class Unit(NamedTuple):
    """A layer of a part. `map` is the size of what it reads, () where that is no map; `work` is in MEASURES."""

    kind: str
    kernel: tuple[int, ...]
    map: tuple[int, ...]
    channels: int
    outputs: int
    shapes: Hashable
    work: tuple[float, ...]


class Row(NamedTuple):
    """A part as it is told apart here: by its joined key, which holds the layers that made what it takes."""

    part: Part
    units: tuple[Unit, ...]

    @property
    def joint(self) -> tuple[Hashable, ...]:
        """What hands over to what: the layers that made the inputs, and the part's first layer."""
        return (*self.part.makers.values(), self.units[0].kind)


class Effect(NamedTuple):
    """One way in which parts resemble each other: (rows, groups), how much of each group's time a part has."""

    name: str
    groups: tuple[Hashable, ...]
    shares: Floats


class Scales(NamedTuple):
    """What makes shares of work. The time of a usual network is 1, here and below.

    `work` has for each measure 1 over its sum in a usual network, so that with a weight of 1 all time goes into it.
    `rates` say what layers of each kind are thought to take for a unit of each measure, those of no other kind by "";
    `read` is how many numbers the first layer of a part usually reads.
    """

    work: tuple[float, ...]
    rates: dict[str, tuple[float, ...]]
    read: float


def row_of(part: Part) -> Row:
    """A part with its layers."""
    return Row(part, tuple(_unit(row) for row in trace(part.net) if not LAYERS[row.type].is_input))


def plain_scales(rows: Sequence[Row], counts: Floats) -> Scales:
    """Scales of the networks of `counts` (networks, rows) where each measure takes as much of the time as another."""
    amounts = np.array([np.sum([unit.work for unit in row.units], axis=0) for row in rows])
    work = tuple((1 / np.maximum((counts @ amounts).mean(0), 1e-12)).tolist())
    read = float(np.mean([row.units[0].work[2] for row in rows]))
    return Scales(work, {"": tuple(scale / len(MEASURES) for scale in work)}, read)


def learned_scales(before: Scales, effects: Sequence[Effect], weights: Sequence[Floats]) -> Scales:
    """Scales with the rates that the weights of `work_effects` say."""
    shared = [float(found[0]) for found in weights[::2]]
    kinds = effects[1].groups
    rates = {"": tuple(scale * all_ for scale, all_ in zip(before.work, shared, strict=True))}
    for index, kind in enumerate(kinds):
        own = [float(found[index]) for found in weights[1::2]]
        rates[str(kind)] = tuple(
            scale * (all_ + one) for scale, all_, one in zip(before.work, shared, own, strict=True)
        )
    return before._replace(rates=rates)


def work_effects(rows: Sequence[Row], scales: Scales) -> list[Effect]:
    """Time in proportion to work: for each measure the same for all layers, then of each kind of layer its own."""
    found = []
    for place, measure in enumerate(MEASURES):

        def share(unit: Unit, place: int = place) -> float:
            return unit.work[place] * scales.work[place]

        found.append(_of_units(measure, rows, lambda unit: "all", share))
        found.append(_of_units(f"{measure}, kind", rows, lambda unit: unit.kind, share))
    return found


def _unit_times(rows: Sequence[Row], scales: Scales) -> list[list[float]]:
    """What each layer of each part is thought to take; at least a thousandth."""
    other = scales.rates[""]
    return [
        [max(float(np.dot(unit.work, scales.rates.get(unit.kind, other))), _LEAST_SHARE) for unit in row.units]
        for row in rows
    ]


def deviation_effects(rows: Sequence[Row], scales: Scales) -> list[Effect]:
    """How layers and parts may differ from what their work says: as shares of what they are thought to take.

    Layers on the same map differ alike, layers of the same kernel, the same channels, the same shapes, and so on; then
    the part as a whole, and what the joint between its inputs' makers and its first layer adds.
    """
    times = _unit_times(rows, scales)

    def units(name: str, group: Callable[[Unit], Hashable], flat: bool = False) -> Effect:
        return _grouped(
            name,
            [
                [(group(unit), _USUAL_SHARE if flat else time) for unit, time in zip(row.units, found, strict=True)]
                for row, found in zip(rows, times, strict=True)
            ],
        )

    def whole(name: str, group: Callable[[Row], Hashable], share: Callable[[int], float]) -> Effect:
        return _grouped(name, [[(group(row), share(index))] for index, row in enumerate(rows)])

    def handed(index: int) -> float:
        return _USUAL_SHARE * rows[index].units[0].work[2] / scales.read

    return [
        units("kind, map", lambda unit: (unit.kind, unit.map)),
        units("kind, kernel", lambda unit: (unit.kind, unit.kernel)),
        units("kind, map, kernel", lambda unit: (unit.kind, unit.map, unit.kernel)),
        units("kind, map, channels", lambda unit: (unit.kind, unit.map, unit.channels)),
        units("kind, map, outputs", lambda unit: (unit.kind, unit.map, unit.outputs)),
        units("layer", lambda unit: unit.shapes),
        units("layer, any size", lambda unit: unit.shapes, flat=True),
        whole("part", lambda row: row.part.key, lambda index: sum(times[index])),
        whole("part, any size", lambda row: row.part.key, lambda index: _USUAL_SHARE),
        whole("joint", lambda row: row.joint, lambda index: _USUAL_SHARE),
        whole("joint, size", lambda row: row.joint, handed),
        whole("joint, map", lambda row: (row.joint, row.units[0].map), lambda index: _USUAL_SHARE),
        whole("joint, part", lambda row: row.part.joined_key, lambda index: _USUAL_SHARE),
    ]


def _unit(row: LayerSummary) -> Unit:
    read = row.bottom_shapes[0]
    size = tuple(read[2:])
    kind = row.type
    kernel: tuple[int, ...] = ()
    if row.type in ("Convolution", "Deconvolution"):
        outputs, inputs, *kernel_size = row.blob_shapes[0]
        kernel = tuple(kernel_size)
        if row.type == "Convolution":
            if inputs == 1 < read[1]:
                kind = "depthwise Convolution"
            elif inputs < read[1]:
                kind = "grouped Convolution"
            elif max(kernel) == 1:
                # On a map of one number it is a matrix times a vector.
                kind = "1x1 Convolution" if max(size) > 1 else "InnerProduct"
    elif row.type == "Pooling" and set(row.top_shapes[0][2:]) == {1}:
        kind = "global Pooling"
    work = (
        1.0,
        float(row.multiply_adds),
        float(sum(map(_numbers, row.bottom_shapes))),
        float(sum(map(_numbers, row.top_shapes))),
        float(row.parameters),
    )
    channels, outputs = (shape[1] if len(shape) > 1 else 1 for shape in (read, row.top_shapes[0]))
    stride = tuple(row.layer.convolution_param.stride) if kernel else ()
    shapes = (row.type, kernel, stride, row.bottom_shapes, row.top_shapes, row.blob_shapes)
    return Unit(kind, kernel, size, channels, outputs, shapes, work)


def _numbers(shape: Iterable[int]) -> int:
    return int(np.prod(tuple(shape)))


def _of_units(
    name: str, rows: Sequence[Row], group: Callable[[Unit], Hashable], share: Callable[[Unit], float]
) -> Effect:
    return _grouped(name, [[(group(unit), share(unit)) for unit in row.units] for row in rows])


def _grouped(name: str, items: Sequence[Sequence[tuple[Hashable, float]]]) -> Effect:
    """(group, share) pairs of each row as a matrix; groups in the order in which they are met."""
    groups: dict[Hashable, int] = {}
    for row in items:
        for group, _ in row:
            groups.setdefault(group, len(groups))
    shares = np.zeros((len(items), len(groups)))
    for index, row in enumerate(items):
        for group, share in row:
            shares[index, groups[group]] += share
    return Effect(name, tuple(groups), shares)
