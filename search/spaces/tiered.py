"""The space of Tiered Pruning: stages of layers that may be left out, each one of several blocks of any inner width.

Tiered Pruning for Efficient Differentiable Inference-Aware Neural Architecture Search (arXiv 2209.11785). What is known
of its space are two networks, GPUNet-P0 and GPUNet-P1: stages of given widths, kernels of 3 and 5, inner widths in
multiples of 32 up to 8 times a block's input. `TieredSpace()` is our reading of that; both networks are in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.architectures import BLOCK_KINDS, FAMILIES, Backbone, Stage, Unit, sizes_of
from prototxt_gen.architectures.limits import whole_number
from prototxt_gen.errors import ArchitectureError
from search.spaces.backbones import Stem
from search.spaces.space import Space
from search.spaces.vectors import Vectors, least_first, with_absent
from search.spaces.ways import NONE, Integers

# A vector's values are bytes, and 0 may stand for a layer that is not there.
MOST_WIDTHS = 255

#: The blocks whose inner width is searched; more multiply-adds come later.
INNER_KINDS = ("inverted", "fused")
CONVOLUTION = "convolution"

Feature: TypeAlias = Literal["inner", "kernel", "kind"]


class Candidate(NamedTuple):
    """A block that a layer may be: a kind of BLOCK_KINDS and a kernel. Its inner width is searched, if it has one."""

    kind: str
    kernel: int

    def __str__(self) -> str:
        return f"{BLOCK_KINDS[self.kind].letter}{'' if self.kernel == 3 else f'k{self.kernel}'}"


class Pick(NamedTuple):
    """What a layer is in one network: the number of its candidate, and the inner width; 0 for a convolution."""

    candidate: int
    inner: int


#: For each layer of a space what it is, None where it is left out.
Picks: TypeAlias = Sequence[Pick | None]


class TieredStage(NamedTuple):
    """Layers of one width: at least and at most so many, the stride of the first, what blocks they may be.

    `kinds` are ("convolution",), or of INNER_KINDS. Layers beyond the least may be left out.
    """

    width: int
    depths: tuple[int, int] = (1, 1)
    stride: int = 2
    kinds: tuple[str, ...] = ("inverted",)
    kernels: tuple[int, ...] = (3, 5)

    def __str__(self) -> str:
        """As in the code of a space: `i96k3-5x1-3`."""
        letters = "".join(BLOCK_KINDS[kind].letter for kind in self.kinds)
        kernels = "" if self.kernels == (3,) else f"k{'-'.join(map(str, self.kernels))}"
        least, most = self.depths
        depths = "" if self.depths == (1, 1) else f"x{most}" if least == most else f"x{least}-{most}"
        return f"{letters}{'' if self.stride == 2 else '1.'}{self.width}{kernels}{depths}"


class TieredLayer(NamedTuple):
    """A layer as it stands in a space.

    `stage` and `position` count from 0. `optional` says whether it may be left out: what it takes then goes on.
    `candidates` ascend by kind, then by kernel. `widths` are the inner widths that each of them may have, ascending;
    none for convolutions.
    """

    stage: int
    position: int
    in_channels: int
    width: int
    stride: int
    optional: bool
    candidates: tuple[Candidate, ...]
    widths: tuple[int, ...]

    @property
    def adds(self) -> bool:
        """Whether its blocks add what they take, as inverted and fused ones do at stride 1 and equal channels."""
        return bool(self.widths) and self.stride == 1 and self.in_channels == self.width

    @property
    def maker(self) -> str:
        """What makes the map behind it where it is there, as TieredBlock.after says it."""
        return "Eltwise" if self.adds else "Convolution"


@dataclass(frozen=True, order=True)
class TieredBlock:
    """A block of a stage; `opens` where its input or stride is not that of the stage's later blocks.

    `after` is what made its input: "Convolution" or "Eltwise" (see Part.makers).
    """

    stage: int
    opens: bool
    kind: str
    kernel: int
    inner: int
    after: str


@dataclass(frozen=True, order=True)
class TieredHead:
    """What follows the last block; `after` is as in TieredBlock."""

    after: str


class Column(NamedTuple):
    """A coordinate: what it says of which layer, counted from 0. The first of a layer's columns says if it is there."""

    layer: int
    feature: Feature


class _State(NamedTuple):
    """What a column must know of those before: what made the map, whether the stage has ended, what the layer is."""

    after: str
    ended: bool
    values: tuple[int, ...] = ()


_STAGES = (
    TieredStage(32, (2, 2), 1, (CONVOLUTION,), (3,)),
    TieredStage(64, (1, 1), 2, (CONVOLUTION,)),
    TieredStage(64, (0, 2), 1),
    TieredStage(96, (1, 3)),
    TieredStage(256, (1, 3)),
    TieredStage(704, (1, 4)),
    TieredStage(704),
)


@dataclass(frozen=True)
class TieredSpace(Space):
    """Networks of stages whose layers may be left out, and be blocks of several kinds, kernels and inner widths.

    `stem`, `head` (None for none), `classes`, `family` and `input_shape` (1, channels, height, width) are the same for
    all, as in `Backbone`. Inner widths are multiples of `granularity` up to `expansion` times a block's input channels;
    that of the input itself is left out, where an inverted block has no first 1x1. With `knots`, only so many of them
    are left, for each layer the least, the most, and others between them, evenly spread by their logarithms: a table of
    latencies can be measured for these and interpolated. Without arguments it has GPUNet-P0 and GPUNet-P1.

    A vector has for each layer that leaves a choice which of its inner widths, kernels and kinds it has, ascending; 0
    in the first of these is a layer left out. Layers that are there stand first in their stage. More of any is taken to
    cost more and to be no less accurate, as `Space` has it.

    ArchitectureError names the field, what was found and what was expected.
    """

    stages: tuple[TieredStage, ...] = _STAGES
    stem: tuple[int, ...] = (32,)
    classes: int = 1000
    input_shape: tuple[int, int, int, int] = (1, 3, 224, 224)
    family: str = "gpunet"
    head: int | None = 1984
    granularity: int = 32
    expansion: int = 8
    knots: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "stages", tuple(self.stages))
        for name in ("granularity", "expansion") + (("knots",) if self.knots is not None else ()):
            whole_number(f"TieredSpace {name}", getattr(self, name), 4096, 2 if name == "knots" else 1)
        if self.family in FAMILIES and FAMILIES[self.family].stem == "pooled":
            raise ArchitectureError(
                f"TieredSpace family: found {self.family}, expected one without pooling in its stem"
            )
        self._check()
        if not self.columns:
            raise ArchitectureError("TieredSpace stages: no layer leaves a choice, expected at least one")
        # The rules of whole networks are their own: every candidate stands in one of these.
        for number in range(max(len(layer.candidates) for layer in self.layers)):
            made = self.of_picks(
                [Pick(number % len(layer.candidates), layer.widths[-1] if layer.widths else 0) for layer in self.layers]
            )
        sizes_of(made, *self.input_shape[2:])
        object.__setattr__(self, "stem", made.stem)

    def _check(self) -> None:
        faults = []
        if not self.stages:
            faults.append("found none, expected at least one")
        for number, stage in enumerate(self.stages, 1):
            found = tuple(kind for kind in (*INNER_KINDS, CONVOLUTION) if kind in stage.kinds)
            if not found or found != tuple(stage.kinds) or (CONVOLUTION in found and len(found) > 1):
                faults.append(
                    f"stage {number}: kinds {stage.kinds}, expected ('convolution',), or one or both of {INNER_KINDS} "
                    "in this order"
                )
            least, most = stage.depths
            if not 0 <= least <= most or most < 1:
                faults.append(f"stage {number}: depths {stage.depths}, expected least and most, at least 0 and 1")
            if list(stage.kernels) != sorted(set(stage.kernels)) or not stage.kernels:
                faults.append(f"stage {number}: kernels {stage.kernels}, expected different ones, ascending")
        if faults:
            raise ArchitectureError(f"TieredSpace stages: {'; '.join(faults)}")
        channels, before = self.stem[-1], None
        for number, stage in enumerate(self.stages, 1):
            if stage.depths[0] == 0 and (stage.stride == 2 or stage.width != channels):
                faults.append(f"stage {number}: may be left out, expected stride 1 and {channels} channels for that")
            if before and stage.stride == 1 and stage.width == channels and set(before.kinds) & set(stage.kinds):
                faults.append(f"stage {number}: goes on as stage {number - 1} does, expected one stage of both")
            channels, before = stage.width, stage
        for layer in self.layers:
            if layer.candidates[0].kind != CONVOLUTION and not 1 <= len(layer.widths) < MOST_WIDTHS:
                faults.append(
                    f"stage {layer.stage + 1}: {len(layer.widths)} inner widths, expected 1 to {MOST_WIDTHS - 1}; "
                    "a coarser granularity or a smaller expansion gives fewer"
                )
                break
        if faults:
            raise ArchitectureError(f"TieredSpace stages: {'; '.join(faults)}")

    def __str__(self) -> str:
        """The space's code, which `parse_space` reads: stem, stages, head, inner widths, classes, input."""
        inner = f"t{self.granularity}.{self.expansion}" + ("" if self.knots is None else f".{self.knots}")
        return "_".join(
            [
                f"{FAMILIES[self.family].letter}{'-'.join(map(str, self.stem))}",
                *map(str, self.stages),
                *([] if self.head is None else [f"h{self.head}"]),
                inner,
                f"c{self.classes}",
                f"i{'x'.join(map(str, self.input_shape[1:]))}",
            ]
        )

    @cached_property
    def layers(self) -> tuple[TieredLayer, ...]:
        """All layers, in order."""
        found, channels = [], self.stem[-1]
        for number, stage in enumerate(self.stages):
            candidates = tuple(Candidate(kind, kernel) for kind in stage.kinds for kernel in stage.kernels)
            for position in range(stage.depths[1]):
                stride = stage.stride if position == 0 else 1
                optional = position >= stage.depths[0]
                widths = () if stage.kinds == (CONVOLUTION,) else self._widths(channels)
                layer = TieredLayer(number, position, channels, stage.width, stride, optional, candidates, widths)
                found.append(layer)
                channels = stage.width
        return tuple(found)

    def _widths(self, channels: int) -> tuple[int, ...]:
        all_of_them = range(self.granularity, self.expansion * channels + 1, self.granularity)
        widths = [width for width in all_of_them if width != channels]
        if self.knots is not None and self.knots < len(widths):
            wanted = np.geomspace(widths[0], widths[-1], self.knots)
            kept = {int(np.argmin([abs(np.log(width / one)) for width in widths])) for one in wanted}
            # Where the least ones are closer together than the multiples, the gap is filled from below.
            kept |= set(sorted(set(range(len(widths))) - kept)[: self.knots - len(kept)])
            widths = [widths[place] for place in sorted(kept)]
        return tuple(widths)

    def of_picks(self, picks: Picks) -> Backbone:
        """The architecture of a Pick, or None, for each of `layers`.

        ArchitectureError for another number of picks, a candidate or inner width that the layer does not have, and a
        layer left out that must be there. Which layers of a stage are left out makes no difference.
        """
        if len(picks) != len(self.layers):
            raise ArchitectureError(f"picks: found {len(picks)}, expected {len(self.layers)}, one for each layer")
        stages: list[Stage] = []
        begun: tuple[int, str] | None = None
        for number, (layer, pick) in enumerate(zip(self.layers, picks, strict=True), 1):
            if pick is None:
                if not layer.optional:
                    raise ArchitectureError(f"picks: layer {number} is left out, expected one of its blocks")
                continue
            if not 0 <= pick.candidate < len(layer.candidates) or pick.inner not in (layer.widths or (0,)):
                raise ArchitectureError(f"picks: layer {number} has no {tuple(pick)}: {layer}")
            candidate = layer.candidates[pick.candidate]
            unit = Unit(candidate.kernel, inner=pick.inner)
            if begun == (layer.stage, candidate.kind):
                last = stages.pop()
                stages.append(Stage(last.block, (*last.widths, layer.width), (*last.units, unit), last.stride))
            else:
                stages.append(Stage(candidate.kind, (layer.width,), (unit,), layer.stride))
                begun = layer.stage, candidate.kind
        return Backbone(tuple(stages), self.stem, self.classes, self.family, self.head)

    def picks_of(self, architecture: object) -> tuple[Pick | None, ...]:
        """The picks of an architecture: `of_picks` backwards; the layers left out are the last of their stage.

        ArchitectureError when the architecture is not in the space.
        """
        if not isinstance(architecture, Backbone):
            raise ArchitectureError(f"architecture: found {architecture!r}, expected a Backbone")
        picks: list[Pick | None] = []
        blocks = list(architecture.blocks())
        place = 0
        for layer in self.layers:
            block = blocks[place] if place < len(blocks) else None
            found = None
            gone = layer.position > 0 and picks[-1] is None
            if block is not None and not gone and (block.width, block.stride) == (layer.width, layer.stride):
                candidate = Candidate(block.kind, block.kernel)
                if candidate in layer.candidates and block.inner in (layer.widths or (0,)):
                    found = Pick(layer.candidates.index(candidate), block.inner)
            if found is None and not layer.optional:
                break
            place += found is not None
            picks.append(found)
        if len(picks) < len(self.layers) or str(self.of_picks(picks)) != str(architecture):
            raise ArchitectureError(f"{architecture}: not in the space {self}")
        return tuple(picks)

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """As in `Space`: the choices that each layer leaves."""
        return tuple(Column(number, feature) for number, features in enumerate(self._features) for feature in features)

    @cached_property
    def _features(self) -> tuple[tuple[Feature, ...], ...]:
        """For each layer what its columns say; none where it leaves no choice."""
        found = []
        for number, layer in enumerate(self.layers):
            features: tuple[Feature, ...] = ("inner", "kernel", "kind") if layer.widths else ("kernel",)
            chosen = tuple(feature for feature in features if len(self._values(number, feature)) > 1)
            if layer.optional and chosen[:1] != features[:1]:
                chosen = (features[0], *chosen)
            found.append(chosen)
        return tuple(found)

    def _values(self, number: int, feature: Feature) -> tuple[Any, ...]:
        layer, stage = self.layers[number], self.stages[self.layers[number].stage]
        return {"inner": layer.widths, "kernel": stage.kernels, "kind": stage.kinds}[feature]

    @cached_property
    def heights(self) -> tuple[NDArray[np.float64], ...]:
        """As in `Space`: inner widths and kernels by their logarithms, kinds evenly."""
        found = []
        for column in self.columns:
            values = self._values(*column)
            numbers = range(1, 1 + len(values)) if column.feature == "kind" else values
            tells = self._tells(column)
            found.append(with_absent(numbers) if tells else least_first(numbers))
        return tuple(found)

    def _tells(self, column: Column) -> bool:
        """Whether a column's 0 is a layer left out."""
        return self.layers[column.layer].optional and self._features[column.layer][0] == column.feature

    @cached_property
    def steps(self) -> tuple[Integers, ...]:
        """As in `Space`. A state says what made the map, whether the stage has ended, and the layer's values so far."""
        found = []
        for index, column in enumerate(self.columns):
            states = self._states[index]
            following = {state: place for place, state in enumerate(self._states[index + 1])}
            width = len(self._values(*column)) + self._tells(column)
            step = np.full((len(states), width), NONE, dtype=np.int64)
            for place, state in enumerate(states):
                for value in self._choices(column, state):
                    step[place, value] = (
                        0 if index + 1 == len(self.columns) else following[self._after(column, state, value)[0]]
                    )
            found.append(step)
        return tuple(found)

    @cached_property
    def _states(self) -> tuple[tuple[_State, ...], ...]:
        """The states before each column, by number, and those behind the last one."""
        begin = _State("Convolution", False)
        for number in range(self.columns[0].layer):
            begin = _State(self.layers[number].maker, False)
        found: list[tuple[_State, ...]] = [(begin,)]
        for column in self.columns:
            behind = {
                self._after(column, state, value)[0] for state in found[-1] for value in self._choices(column, state)
            }
            found.append(tuple(sorted(behind)))
        return tuple(found)

    def _choices(self, column: Column, state: _State) -> range:
        """The values that a column may have in a state."""
        count = len(self._values(*column)) + self._tells(column)
        if state.ended:
            return range(1)
        return range(count)

    def _after(self, column: Column, state: _State, value: int) -> tuple[_State, tuple[Any, ...]]:
        """The state behind a choice, and the pieces that it brings: of its layer, when that is known, and those
        behind it that leave no choice.
        """
        features = self._features[column.layer]
        ended = state.ended or (self._tells(column) and value == 0)
        values = (*state.values, value)
        if column.feature != features[-1]:
            return _State(state.after, ended, values), ()
        pieces: list[Any] = []
        after = state.after
        if not ended:
            pieces.append(self._block(column.layer, values, after))
            after = self.layers[column.layer].maker
        number = column.layer + 1
        while number < len(self.layers) and not self._features[number]:
            pieces.append(self._block(number, (), after))
            after = self.layers[number].maker
            number += 1
        if number == len(self.layers):
            return _State(after, False), (*pieces, TieredHead(after))
        goes_on = self.layers[number].position > 0
        return _State(after, ended and goes_on), tuple(pieces)

    def _pick(self, number: int, values: Sequence[int]) -> Pick | None:
        """What a layer is by the values of its columns."""
        features = self._features[number]
        if features and self._tells(Column(number, features[0])):
            if values[0] == 0:
                return None
            values = (values[0] - 1, *values[1:])
        told = dict(zip(features, values, strict=True))
        layer, stage = self.layers[number], self.stages[self.layers[number].stage]
        candidate = told.get("kind", 0) * len(stage.kernels) + told.get("kernel", 0)
        return Pick(candidate, layer.widths[told.get("inner", 0)] if layer.widths else 0)

    def _block(self, number: int, values: Sequence[int], after: str) -> TieredBlock:
        pick = self._pick(number, values)
        assert pick is not None
        return self.block(number, pick, after)

    def block(self, number: int, pick: Pick, after: str) -> TieredBlock:
        """The piece of a layer, counted from 0, by what it is and what made its input."""
        layer = self.layers[number]
        opens = layer.position == 0 and (layer.stride, layer.in_channels) != (1, layer.width)
        return TieredBlock(layer.stage, opens, *layer.candidates[pick.candidate], pick.inner, after)

    @cached_property
    def common(self) -> tuple[Any, ...]:
        """As in `Space`: the stem, and the layers before the first that leaves a choice."""
        pieces: list[Any] = [Stem()]
        after = "Convolution"
        for number in range(self.columns[0].layer):
            pieces.append(self._block(number, (), after))
            after = self.layers[number].maker
        return tuple(pieces)

    def pieces(self, column: Any, state: int, value: int) -> tuple[Any, ...]:
        """As in `Space`: the last of a layer's columns brings its block."""
        return self._after(column, self._states[self._numbers[column]][state], value)[1]

    @cached_property
    def _numbers(self) -> dict[Column, int]:
        return {column: number for number, column in enumerate(self.columns)}

    def pieces_of(self, picks: Picks) -> list[Any]:
        """The pieces of a network in the order of its parts: stem, a block for each layer that is there, head."""
        return list(self._walk(picks))

    def _walk(self, picks: Picks) -> Iterator[Any]:
        yield Stem()
        after = "Convolution"
        for number, pick in enumerate(picks):
            if pick is not None:
                yield self.block(number, pick, after)
                after = self.layers[number].maker
        yield TieredHead(after)

    def index_of(self, piece: Any, column: int, vector: Vectors) -> int:
        """As in `Space`. The parts: stem, blocks, head."""
        return self.pieces_of(self.picks_at(vector)).index(piece)

    def picks_at(self, vector: Vectors) -> tuple[Pick | None, ...]:
        """The picks of a vector (length,) of the space."""
        values = iter(vector.tolist())
        return tuple(
            self._pick(number, [next(values) for _ in features]) for number, features in enumerate(self._features)
        )

    def encode(self, architecture: object) -> Vectors:
        """The vector of an architecture. ArchitectureError when it is not in the space."""
        vector: list[int] = []
        for number, pick in enumerate(self.picks_of(architecture)):
            features = self._features[number]
            if pick is None:
                vector += [0] * len(features)
                continue
            layer, stage = self.layers[number], self.stages[self.layers[number].stage]
            kind, kernel = divmod(pick.candidate, len(stage.kernels))
            told = {"kind": kind, "kernel": kernel, "inner": layer.widths.index(pick.inner) if layer.widths else 0}
            vector += [told[feature] + self._tells(Column(number, feature)) for feature in features]
        return np.array(vector, dtype=np.uint8)

    def decode(self, vector: Vectors) -> Backbone:
        """The architecture of a vector of the space."""
        return self.of_picks(self.picks_at(vector))
