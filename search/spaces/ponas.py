"""The space of PONAS: layers whose widths and strides are given, and for each one the inverted blocks it may be.

PONAS: Progressive One-shot Neural Architecture Search (arXiv 2003.05112). The space of the authors' released networks
is what `PonasSpace()` is: 19 layers of 12 candidates each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, permutations, product
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.architectures import BLOCK_KINDS, FAMILIES, MAX_BLOCKS, Backbone, Stage, Unit, sizes_of
from prototxt_gen.architectures.limits import short
from prototxt_gen.errors import ArchitectureError
from search.spaces.backbones import Stem
from search.spaces.space import Space
from search.spaces.vectors import Vectors, least_first
from search.spaces.ways import NONE, Integers

# A layer's candidates are numbered by bytes.
MOST_CANDIDATES = 255
# As many as a network may have blocks.
MOST_LAYERS = MAX_BLOCKS

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


def spell_candidates(candidates: Sequence[Unit]) -> str:
    """Candidates in a code, which `parse_candidates` reads: `e3-6k3-5-7q0-1` for all combinations, else `e3.k5e6q`.

    In combinations the last letter's values change first. A single candidate is spelled as the Unit is.
    """
    values = [list(dict.fromkeys(field)) for field in zip(*candidates, strict=True)]
    for order in permutations(range(len(values))):
        combined = [dict(zip(order, chosen, strict=True)) for chosen in product(*(values[field] for field in order))]
        if [Unit(*(chosen[field] for field in range(len(order)))) for chosen in combined] == list(candidates):
            return "".join(_spell_field(Unit._fields[field], values[field]) for field in order)
    return ".".join(map(str, candidates))


def _spell_field(name: str, values: Sequence[int]) -> str:
    if values == [getattr(Unit(), name)]:
        return ""
    if name == "squeeze":
        return "q" if values == [True] else f"q{'-'.join(str(int(value)) for value in values)}"
    return f"{_LETTERS[name]}{'-'.join(map(str, values))}"


_LETTERS = {"kernel": "k", "expansion": "e", "inner": "h"}


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
        object.__setattr__(self, "layers", _checked(self.layers))
        if not self.rows:
            raise ArchitectureError("PonasSpace layers: no layer has two candidates, expected a choice")
        if not (len(self.input_shape) == 4 and self.input_shape[0] == 1 and min(self.input_shape) >= 1):
            raise ArchitectureError(
                f"PonasSpace input_shape: found {self.input_shape}, expected (1, channels, height, width): "
                "latency is at batch 1"
            )
        # The rules of whole networks are their own: every candidate stands in one of these.
        for number in range(max(len(layer.candidates) for layer in self.layers)):
            made = self.of_choices([number % len(self.layers[layer].candidates) for layer in self.rows])
        sizes_of(made, *self.input_shape[2:])
        object.__setattr__(self, "stem", made.stem)
        self._check_twins()
        try:
            # Most that are too long are told by this one, at once.
            self._backbone(self._changing())
            self._backbone(self._longest())
        except ArchitectureError as fault:
            raise ArchitectureError(f"PonasSpace layers: {fault}") from None

    def _check_twins(self) -> None:
        """ArchitectureError where two candidates of a layer, however they are written, are one block."""
        faults = []
        channels = self.stem[-1]
        for number, layer in enumerate(self.layers, 1):
            met: dict[tuple[int, ...], Unit] = {}
            for unit in layer.candidates:
                other = met.setdefault(_features(unit, channels), unit)
                if other is not unit:
                    faults.append(f"layer {number}: {other} and {unit} are the same on {channels} channels")
            channels = layer.width
        if faults:
            raise ArchitectureError(f"PonasSpace layers: {'; '.join(faults)}; expected different candidates")

    def _changing(self) -> list[Unit]:
        """The units of a network in which no layer with a choice has that of the layer before."""
        units: list[Unit] = []
        for layer in self.layers:
            others = [unit for unit in layer.candidates if not units or unit != units[-1]]
            units.append((others or layer.candidates)[0])
        return units

    def _longest(self) -> list[Unit]:
        """The units of the network with the longest code: if it may have that, all may.

        Codes run equal units together, so the longest one changes units wherever it can.
        """
        # By the last layer's unit and how many layers have had it in a row: the length of the code, and the units, the
        # last one beside those before it.
        best: dict[tuple[Unit | None, int], tuple[int, Any]] = {(None, 0): (0, None)}
        for layer, begins in zip(self.layers, self._begins, strict=True):
            found: dict[tuple[Unit | None, int], tuple[int, Any]] = {}
            ranked = sorted(best.items(), key=lambda item: -item[1][0])
            first = ranked[0]
            other = next((item for item in ranked if item[0][0] != first[0][0]), None)
            for unit in layer.candidates:
                before = first if begins or unit != first[0][0] else other
                if before is not None:
                    length, units = before[1]
                    found[unit, 1] = length + 1 + len(str(unit)), (unit, units)
            if not begins:
                for (last, times), (length, units) in best.items():
                    if last is not None and last in layer.candidates:
                        more = len(f"x{times + 1}") - (len(f"x{times}") if times > 1 else 0)
                        found[last, times + 1] = length + more, (last, units)
            best = found
        _, units = max(best.values(), key=lambda found: found[0])
        turned = []
        while units:
            unit, units = units
            turned.append(unit)
        return turned[::-1]

    def __str__(self) -> str:
        """The space's code, which `parse_space` reads: stem, layers with their candidates, head, classes, input."""
        words = [f"{FAMILIES[self.family].letter}{'-'.join(map(str, self.stem))}"]
        for layer, times in runs_of(self.layers):
            stride = "" if layer.stride == 2 else f"{layer.stride}."
            words.append(
                f"{BLOCK_KINDS['inverted'].letter}{stride}{layer.width}{spell_candidates(layer.candidates)}"
                f"{f'x{times}' if times > 1 else ''}"
            )
        words += [] if self.head is None else [f"h{self.head}"]
        return "_".join([*words, f"c{self.classes}", f"i{'x'.join(map(str, self.input_shape[1:]))}"])

    @cached_property
    def rows(self) -> tuple[int, ...]:
        """The layers, counted from 0, that leave a choice: a table of accuracies has a row for each."""
        return tuple(number for number, layer in enumerate(self.layers) if len(layer.candidates) > 1)

    def of_choices(self, choices: Sequence[int]) -> Backbone:
        """The architecture of a candidate's number for each of `rows`.

        ArchitectureError for another number of choices, or a number that a layer has no candidate of.
        """
        if len(choices) != len(self.rows):
            raise ArchitectureError(f"choices: found {len(choices)}, expected {len(self.rows)}, one for each row")
        numbers = [0] * len(self.layers)
        for row, (layer, number) in enumerate(zip(self.rows, choices, strict=True)):
            if not 0 <= number < len(self.layers[layer].candidates):
                raise ArchitectureError(
                    f"choices: row {row}: found {number}, expected 0 to {len(self.layers[layer].candidates) - 1}"
                )
            numbers[layer] = int(number)
        return self._backbone([layer.candidates[number] for layer, number in zip(self.layers, numbers, strict=True)])

    def choices_of(self, architecture: object) -> tuple[int, ...]:
        """The number of the candidate in each of `rows`: `of_choices` backwards.

        ArchitectureError when the architecture is not in the space.
        """
        if not isinstance(architecture, Backbone):
            raise ArchitectureError(f"architecture: found {architecture!r}, expected a Backbone")
        units = [unit for stage in architecture.stages for unit in stage.units]
        own = [layer.candidates[0] for layer in self.layers]
        if len(units) != len(own) or not self._alike(architecture, self._backbone(own)):
            raise ArchitectureError(
                f"{architecture}: this space has networks such as {self._backbone(own)}, with other candidates"
            )
        for number, (unit, layer) in enumerate(zip(units, self.layers, strict=True), 1):
            if unit not in layer.candidates:
                raise ArchitectureError(
                    f"{architecture}: layer {number} is {unit}, this space has {', '.join(map(str, layer.candidates))}"
                )
        return tuple(self.layers[layer].candidates.index(units[layer]) for layer in self.rows)

    @staticmethod
    def _alike(one: Backbone, other: Backbone) -> bool:
        """Whether two architectures are the same in all but their units."""

        def shape(backbone: Backbone) -> tuple[object, ...]:
            stages = tuple((stage.block, stage.widths, stage.stride) for stage in backbone.stages)
            return stages, backbone.stem, backbone.classes, backbone.family, backbone.head

        return shape(one) == shape(other)

    def vectors_of(self, choices: NDArray[np.integer[Any]]) -> Vectors:
        """The vectors (n, length) of candidates' numbers (n, rows). ArchitectureError as `of_choices`."""
        choices = np.asarray(choices)
        most = np.array([len(self.layers[layer].candidates) for layer in self.rows])
        if choices.ndim != 2 or choices.shape[1] != len(most) or not ((choices >= 0) & (choices < most)).all():
            raise ArchitectureError(
                f"choices: found shape {choices.shape}, expected (n, {len(most)}) numbers of candidates below "
                f"{', '.join(map(str, most))}"
            )
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
    def steps(self) -> tuple[Integers, ...]:
        """As in `Space`. Within a layer a state stands for that layer's coordinates so far; between layers it is 0."""
        found: list[Integers] = []
        made: dict[tuple[tuple[int, ...], bytes], Integers] = {}
        for layer in self.rows:
            places = self._places[layer]
            for column in range(places.shape[1]):
                values = len(self._values[layer][self.columns[len(found)].feature])
                step = np.full((len(self._begun[layer][column]), values), NONE, dtype=np.int64)
                for row in places.tolist():
                    state = self._begun[layer][column].index(tuple(row[:column]))
                    is_last = column + 1 == places.shape[1]
                    after = 0 if is_last else self._begun[layer][column + 1].index(tuple(row[: column + 1]))
                    step[state, row[column]] = after
                # Equal steps are one object.
                found.append(made.setdefault((step.shape, step.tobytes()), step))
        return tuple(found)

    @property
    def common(self) -> tuple[Any, ...]:
        """As in `Space`: the stem, the layers that leave no choice, and what follows the last layer."""
        fixed = (Block(layer, 0) for layer in range(len(self.layers)) if layer not in self.rows)
        return (Stem(), *fixed, Head())

    def pieces(self, column: Any, state: int, value: int) -> tuple[Any, ...]:
        """As in `Space`: the last of a layer's columns brings its block."""
        block = self._blocks.get((column, state, value))
        return () if block is None else (block,)

    @cached_property
    def _blocks(self) -> dict[tuple[Column, int, int], Block]:
        """The block that a layer's last column brings, by the column, the state before it and its value."""
        found = {}
        for layer in self.rows:
            last = self.columns[self.slices[layer][1] - 1]
            for number, row in enumerate(self._places[layer].tolist()):
                state = self._begun[layer][-1].index(tuple(row[:-1]))
                found[last, state, row[-1]] = Block(layer, number)
        return found

    def through(self, column: int, state: int, value: int) -> Vectors:
        """As in `Space`. Every layer has its candidate of the same number, as far as it has so many."""
        block = self._blocks.get((self.columns[column], state, value))
        if block is None:
            return super().through(column, state, value)
        numbers = [block.candidate % len(self.layers[layer].candidates) for layer in self.rows]
        return self.vectors_of(np.array([numbers]))[0]

    def index_of(self, piece: Any, column: int, vector: Vectors) -> int:
        """As in `Space`. The parts: stem, layers, head."""
        if isinstance(piece, Stem):
            return 0
        return -1 if isinstance(piece, Head) else 1 + int(piece.layer)

    def encode(self, architecture: object) -> Vectors:
        """The vector of an architecture. ArchitectureError when it is not in the space."""
        return self.vectors_of(np.array([self.choices_of(architecture)]))[0]

    def decode(self, vector: Vectors) -> Backbone:
        """The architecture of a vector."""
        return self.of_choices(self.choices_at(vector))

    def choices_at(self, vector: Vectors) -> tuple[int, ...]:
        """The number of the candidate in each of `rows`, of a vector (length,). ArchitectureError outside the space."""
        values = tuple(vector.tolist())
        try:
            return tuple(
                numbers[values[slice(*self.slices[layer])]]
                for layer, numbers in zip(self.rows, self._numbers, strict=True)
            )
        except KeyError:
            raise ArchitectureError(f"vectors: {list(values)} is not in the space") from None

    @cached_property
    def slices(self) -> tuple[tuple[int, int], ...]:
        """For each layer where its coordinates stand in a vector: from, to (excluded); none of a layer of no choice."""
        ends = np.cumsum([places.shape[1] for places in self._places]).tolist()
        return tuple(pairwise([0, *ends]))

    @cached_property
    def _numbers(self) -> tuple[dict[tuple[int, ...], int], ...]:
        """For each of `rows` the number of the candidate, by its coordinates."""
        return tuple(
            {tuple(row): number for number, row in enumerate(self._places[layer].tolist())} for layer in self.rows
        )

    @cached_property
    def _begun(self) -> tuple[tuple[tuple[tuple[int, ...], ...], ...], ...]:
        """For each layer, and each of its columns, what may stand in the columns before it: the states, by number."""
        return tuple(
            tuple(tuple(sorted({tuple(row[:column]) for row in places.tolist()})) for column in range(places.shape[1]))
            for places in self._places
        )

    @cached_property
    def _values(self) -> tuple[dict[Feature, tuple[int, ...]], ...]:
        """For each layer the values of each feature that some candidate has, ascending."""
        return tuple(
            {
                feature: tuple(sorted(set(column)))
                for feature, column in zip(FEATURES, zip(*has, strict=True), strict=True)
            }
            for has in self._has
        )

    @cached_property
    def _has(self) -> tuple[tuple[tuple[int, ...], ...], ...]:
        """For each layer the features of its candidates."""
        channels = (self.stem[-1], *(layer.width for layer in self.layers))
        return tuple(
            tuple(_features(unit, before) for unit in layer.candidates)
            for layer, before in zip(self.layers, channels, strict=False)
        )

    @cached_property
    def _places(self) -> tuple[Vectors, ...]:
        """For each layer the coordinates (candidates, columns of the layer) of its candidates."""
        found = []
        for has, values in zip(self._has, self._values, strict=True):
            chosen = [index for index, feature in enumerate(FEATURES) if len(values[feature]) > 1]
            rows = [[values[FEATURES[index]].index(features[index]) for index in chosen] for features in has]
            found.append(np.array(rows, dtype=np.uint8).reshape(len(has), len(chosen)))
        return tuple(found)

    @cached_property
    def _begins(self) -> tuple[bool, ...]:
        """Whether a stage begins at each layer: where its stride is 2, or its width is not that of the one before."""
        widths = (0, *(layer.width for layer in self.layers))
        return tuple(
            layer.stride == 2 or layer.width != width for layer, width in zip(self.layers, widths, strict=False)
        )

    @cached_property
    def stages(self) -> tuple[tuple[int, int], ...]:
        """The layers of each stage of its networks: from, to (excluded)."""
        starts = [layer for layer, begins in enumerate(self._begins) if begins]
        return tuple(pairwise([*starts, len(self.layers)]))

    def _backbone(self, units: Sequence[Unit]) -> Backbone:
        stages = [
            Stage(
                "inverted",
                tuple(layer.width for layer in self.layers[first:end]),
                tuple(units[first:end]),
                self.layers[first].stride,
            )
            for first, end in self.stages
        ]
        return Backbone(tuple(stages), self.stem, self.classes, self.family, self.head)


def runs_of(layers: Sequence[PonasLayer]) -> list[tuple[PonasLayer, int]]:
    """Layers as runs: the first of each and how many there are, the others being equal to it at stride 1."""
    runs: list[tuple[PonasLayer, int]] = []
    for layer in layers:
        if runs and layer == runs[-1][0]._replace(stride=1):
            runs[-1] = runs[-1][0], runs[-1][1] + 1
        else:
            runs.append((layer, 1))
    return runs


def _features(unit: Unit, channels: int) -> tuple[int, ...]:
    """What a layer's candidate is, in the order of FEATURES, on so many channels."""
    return unit.inner or unit.expansion * channels, unit.kernel, int(unit.squeeze)


def _checked(layers: Sequence[PonasLayer]) -> tuple[PonasLayer, ...]:
    """The layers with plain numbers. ArchitectureError names those that break a rule of their own."""
    if not 1 <= len(layers) <= MOST_LAYERS:
        raise ArchitectureError(f"PonasSpace layers: found {len(layers)}, expected 1 to {MOST_LAYERS}")
    made, faults = [], []
    for number, layer in enumerate(layers, 1):
        try:
            made.append(_layer(layer))
        except ArchitectureError as fault:
            faults.append(f"layer {number}: {fault}")
    for number, (before, layer) in enumerate(pairwise(made if not faults else []), 2):
        if layer.width < before.width:
            faults.append(f"layer {number}: width {layer.width}, expected at least {before.width}, the one before")
    if faults:
        raise ArchitectureError(f"PonasSpace layers: {'; '.join(faults)}")
    return tuple(made)


def _layer(layer: PonasLayer) -> PonasLayer:
    if not isinstance(layer, PonasLayer):
        raise ArchitectureError(f"found {short(layer)}, expected a PonasLayer")
    candidates = tuple(layer.candidates)
    if not 1 <= len(candidates) <= MOST_CANDIDATES:
        raise ArchitectureError(f"found {len(candidates)} candidates, expected 1 to {MOST_CANDIDATES}")
    stage = Stage("inverted", (layer.width,) * len(candidates), candidates, layer.stride)
    return PonasLayer(stage.widths[0], stage.stride, stage.units)
