"""The space of PONAS: layers whose widths and strides are given, and for each one the inverted blocks it may be.

PONAS: Progressive One-shot Neural Architecture Search (arXiv 2003.05112). The space of the authors' released networks
is what `PonasSpace()` is: 19 layers of 12 candidates each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, product
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.architectures import Backbone, Stage, Unit, sizes_of
from prototxt_gen.errors import ArchitectureError
from search.spaces.space import Space
from search.spaces.vectors import Vectors, least_first
from search.spaces.ways import NONE, Integers  # noqa: F401

#: What a layer's candidates differ in, in the order of their columns.
Feature: TypeAlias = Literal["inner", "kernel", "squeeze"]
FEATURES: tuple[Feature, ...] = ("inner", "kernel", "squeeze")


def candidates_of(
    expansions: Sequence[int] = (3, 6), kernels: Sequence[int] = (3, 5, 7), squeezes: Sequence[bool] = (False, True)
) -> tuple[Unit, ...]:
    """The inverted blocks of all combinations; as they stand here, the paper's twelve."""
    return tuple(
        Unit(kernel, expansion, 0, squeeze) for expansion, kernel, squeeze in product(expansions, kernels, squeezes)
    )


class PonasLayer(NamedTuple):
    """One layer: its output channels, its stride (1 or 2), the inverted blocks that it may be."""

    width: int
    stride: int = 1
    candidates: tuple[Unit, ...] = candidates_of()


def _paper() -> tuple[PonasLayer, ...]:
    widths = {32: 2, 40: 4, 80: 4, 96: 4, 192: 4, 320: 1}
    begin_at_stride_2 = {32, 40, 80, 192}
    searched = (
        PonasLayer(width, 2 if place == 0 and width in begin_at_stride_2 else 1)
        for width, layers in widths.items()
        for place in range(layers)
    )
    return (PonasLayer(16, 1, (Unit(3, 1),)), *searched)


@dataclass(frozen=True, order=True)
class Stem:
    """What stands before the first layer, in every network."""


@dataclass(frozen=True, order=True)
class Block:
    """A layer, counted from 0, as its candidate of that number."""

    layer: int
    candidate: int


@dataclass(frozen=True, order=True)
class Head:
    """What follows the last layer, in every network."""


class Column(NamedTuple):
    """A coordinate: what it says of which layer."""

    layer: int
    feature: Feature


@dataclass(frozen=True)
class PonasSpace(Space):
    """All networks that have one candidate for each of `layers`; widths never decrease.

    `stem`, `head` (None for none), `classes`, `family` and `input_shape` (1, channels, height, width) are the same for
    all, as in `Backbone`. Without arguments it is the space of the paper's networks, 12^19 of them. A layer of one
    candidate leaves no choice; `rows` are the others.

    A vector has up to three coordinates for a layer: which of the layer's inner widths, kernels and squeezes, each
    ascending; those of which the layer has only one are left out. More of any is taken to cost more and to be no less
    accurate, as `Space` has it.

    ArchitectureError names the field, what was found and what was expected.
    """

    layers: tuple[PonasLayer, ...] = _paper()
    stem: tuple[int, ...] = (32,)
    classes: int = 1000
    input_shape: tuple[int, int, int, int] = (1, 3, 224, 224)
    family: str = "ponas"
    head: int | None = 1280

    def __post_init__(self) -> None:
        for number, layer in enumerate(self.layers, 1):
            if not layer.candidates or len(set(layer.candidates)) != len(layer.candidates):
                raise ArchitectureError(
                    f"PonasSpace layers: layer {number} has candidates {layer.candidates}, expected different ones"
                )
        if not self.rows:
            raise ArchitectureError("PonasSpace layers: no layer has two candidates, expected a choice")
        # The rules of stages, blocks and whole networks are their own: every candidate stands in one of these.
        for number in range(max(len(layer.candidates) for layer in self.layers)):
            made = self.of_choices([number % len(self.layers[layer].candidates) for layer in self.rows])
        sizes_of(made, *self.input_shape[2:])

    @cached_property
    def rows(self) -> tuple[int, ...]:
        """The layers, counted from 0, that leave a choice: a table of accuracies has a row for each."""
        return tuple(number for number, layer in enumerate(self.layers) if len(layer.candidates) > 1)

    def of_choices(self, choices: Sequence[int]) -> Backbone:
        """The architecture of a candidate's number for each of `rows`."""
        numbers = [0] * len(self.layers)
        for layer, number in zip(self.rows, choices, strict=True):
            numbers[layer] = int(number)
        units = [layer.candidates[number] for layer, number in zip(self.layers, numbers, strict=True)]
        return self._backbone(units)

    def choices_of(self, architecture: object) -> tuple[int, ...]:
        """The number of the candidate in each of `rows`: `of_choices` backwards. ArchitectureError outside the space."""
        units = self._units(architecture)
        return tuple(self.layers[layer].candidates.index(units[layer]) for layer in self.rows)

    def vectors_of(self, choices: NDArray[np.integer[Any]]) -> Vectors:
        """The vectors (n, length) of candidates' numbers (n, rows)."""
        found = [self._places[layer][choices[:, row]] for row, layer in enumerate(self.rows)]
        return np.concatenate(found, axis=1)

    @cached_property
    def heights(self) -> tuple[NDArray[np.float64], ...]:
        """As in `Space`: inner widths and kernels by their logarithms, squeeze-and-excitation 0 or 1."""
        return tuple(
            np.array([0.0, 1.0]) if feature == "squeeze" else least_first(self._values[layer][feature])
            for layer, feature in self.columns
        )

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """As in `Space`: what differs among the candidates, layer by layer."""
        return tuple(
            Column(layer, feature)
            for layer in self.rows
            for feature in FEATURES
            if len(self._values[layer][feature]) > 1
        )

    @cached_property
    def _values(self) -> tuple[dict[Feature, tuple[int, ...]], ...]:
        """For each layer the values of each feature that some candidate has, ascending."""
        found, channels = [], self.stem[-1]
        for layer in self.layers:
            has = [self._features(unit, channels) for unit in layer.candidates]
            found.append({feature: tuple(sorted({one[feature] for one in has})) for feature in FEATURES})
            channels = layer.width
        return tuple(found)

    @staticmethod
    def _features(unit: Unit, channels: int) -> dict[Feature, int]:
        return {"inner": unit.inner or unit.expansion * channels, "kernel": unit.kernel, "squeeze": int(unit.squeeze)}

    @cached_property
    def _places(self) -> tuple[Vectors, ...]:
        """For each layer the coordinates (candidates, columns of the layer) of its candidates."""
        found, channels = [], self.stem[-1]
        for number, layer in enumerate(self.layers):
            features = [column.feature for column in self.columns if column.layer == number]
            values = self._values[number]
            rows = [
                [values[feature].index(self._features(unit, channels)[feature]) for feature in features]
                for unit in layer.candidates
            ]
            found.append(np.array(rows, dtype=np.uint8).reshape(len(layer.candidates), len(features)))
            channels = layer.width
        return tuple(found)

    # TODO(space): steps, pieces, common, index_of, encode, decode, __str__, validation of equal features, codes, YAML.

    def _units(self, architecture: object) -> tuple[Unit, ...]:
        """The units of an architecture's blocks. ArchitectureError when it is not in the space."""
        if not isinstance(architecture, Backbone):
            raise ArchitectureError(f"architecture: found {architecture!r}, expected a Backbone")
        raise NotImplementedError

    def _backbone(self, units: Sequence[Unit]) -> Backbone:
        stages, begun = [], -1
        starts = []
        before = None
        for layer in self.layers:
            begun += layer.stride == 2 or layer.width != before
            starts.append(begun)
            before = layer.width
        for _, run in groupby(range(len(self.layers)), key=starts.__getitem__):
            places = list(run)
            widths = tuple(self.layers[place].width for place in places)
            stages.append(
                Stage("inverted", widths, tuple(units[place] for place in places), self.layers[places[0]].stride)
            )
        return Backbone(tuple(stages), self.stem, self.classes, self.family, self.head)
