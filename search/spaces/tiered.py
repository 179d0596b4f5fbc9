"""The space of Tiered Pruning: stages of layers that may be left out, each one of several blocks of any inner width.

Tiered Pruning for Efficient Differentiable Inference-Aware Neural Architecture Search (arXiv 2209.11785). What is known
of its space are two networks, GPUNet-P0 and GPUNet-P1: stages of given widths, kernels of 3 and 5, inner widths in
multiples of 32 up to 8 times a block's input. `TieredSpace()` is our reading of that; both networks are in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, pairwise
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.architectures import (
    BLOCK_KINDS,
    FAMILIES,
    MAX_BLOCKS,
    MAX_CODE,
    Backbone,
    Block,
    Stage,
    Unit,
    sizes_of,
)
from prototxt_gen.architectures.limits import MAX_KERNEL, MAX_WIDTH, short, whole_number, whole_numbers
from prototxt_gen.errors import ArchitectureError
from search.spaces.backbones import Stem
from search.spaces.space import Space
from search.spaces.vectors import Vectors, least_first, with_absent
from search.spaces.ways import NONE, Integers

# A vector's values are bytes, and 0 may stand for a layer that is not there.
MOST_WIDTHS = 254
# As many layers as a network may have blocks.
MOST_LAYERS = MAX_BLOCKS

#: The blocks whose inner width is searched; more multiply-adds come later.
INNER_KINDS = ("inverted", "fused")
CONVOLUTION = "convolution"
#: What a stage's layers may be.
_KINDS = (("convolution",), ("inverted",), ("fused",), ("inverted", "fused"))

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

    `kinds` are ("convolution",), or of INNER_KINDS. Layers beyond the least may be left out. `inner` has the inner
    widths of the first layer and, where there may be more, of those behind it, some of those that the space gives them;
    () for all.
    """

    width: int
    depths: tuple[int, int] = (1, 1)
    stride: int = 2
    kinds: tuple[str, ...] = ("inverted",)
    kernels: tuple[int, ...] = (3, 5)
    inner: tuple[tuple[int, ...], ...] = ()

    def __str__(self) -> str:
        """As in the code of a space: `i96k3-5x1-3`, with inner widths `i96k3-5h32-64.96-192x1-3`."""
        letters = "".join(BLOCK_KINDS[kind].letter for kind in self.kinds)
        kernels = "" if self.kernels == (3,) else f"k{'-'.join(map(str, self.kernels))}"
        inner = f"h{'.'.join('-'.join(map(str, widths)) for widths in self.inner)}" if self.inner else ""
        least, most = self.depths
        depths = "" if self.depths == (1, 1) else f"x{most}" if least == most else f"x{least}-{most}"
        return f"{letters}{'' if self.stride == 2 else '1.'}{self.width}{kernels}{inner}{depths}"


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
    latencies can be measured for these and interpolated. A stage may have lists of its own. Without arguments it has
    GPUNet-P0 and GPUNet-P1.

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
        self._check_fields()
        self._check_stages()
        self._check_widths()
        if not self.columns:
            raise ArchitectureError("TieredSpace stages: no layer leaves a choice, expected at least one")
        # The rules of whole networks are their own.
        made = self.of_picks([Pick(0, layer.widths[-1] if layer.widths else 0) for layer in self.layers])
        sizes_of(made, *self.input_shape[2:])
        try:
            self.of_picks(self._longest())
        except ArchitectureError as fault:
            raise ArchitectureError(f"TieredSpace stages: {fault}") from None

    def _check_fields(self) -> None:
        """ArchitectureError with all fields, each by itself, that are wrong; numbers and tuples become plain ones."""
        faults: list[str] = []

        def checked(name: str, read: Any) -> None:
            try:
                object.__setattr__(self, name, read(getattr(self, name)))
            except ArchitectureError as fault:
                faults.append(str(fault))

        checked("stages", _stages)
        checked("stem", lambda found: whole_numbers("stem", found, MAX_WIDTH))
        checked("input_shape", _shape)
        checked("family", _family)
        # The same as those of every Backbone, which names them.
        kernel = Stage("convolution", (MAX_WIDTH,), (Unit(),), 1)
        checked("classes", lambda found: Backbone((kernel,), classes=found).classes)
        checked("head", lambda found: Backbone((kernel,), head=found).head)
        checked("granularity", lambda found: whole_number("granularity", found, MAX_WIDTH))
        checked("expansion", lambda found: whole_number("expansion", found, MAX_WIDTH))
        checked("knots", lambda found: None if found is None else whole_number("knots", found, MOST_WIDTHS, 2))
        if faults:
            raise ArchitectureError(f"TieredSpace: {'; '.join(faults)}")

    def _check_stages(self) -> None:
        """ArchitectureError where stages do not fit those before them."""
        faults = []
        channels = self.stem[-1]
        # The kinds of the stages that may come directly before, where these have this stage's width.
        before: set[str] = set()
        for number, stage in enumerate(self.stages, 1):
            widens = stage.width != channels
            if stage.depths[0] == 0 and (stage.stride == 2 or widens):
                faults.append(
                    f"stage {number}: may be left out with stride {stage.stride} and {channels} to {stage.width} "
                    "channels, expected stride 1 and equal channels, or a depth of at least 1"
                )
            if number > 1 and stage.width < channels:
                faults.append(f"stage {number}: width {stage.width}, expected at least {channels}, that before it")
            if stage.stride == 1 and not widens and before & set(stage.kinds):
                faults.append(f"stage {number}: goes on as one before it does, expected one stage of both")
            # A block of one input channel, or of a 1x1 kernel, may cost more where it is not fused.
            if len(stage.kinds) > 1 and (stage.kernels[0] < 3 or channels < 2):
                faults.append(
                    f"stage {number}: both kinds with kernel {stage.kernels[0]} on {channels} channels, "
                    "expected kernels from 3 on and at least 2 channels: fused blocks cost more then"
                )
            before = set(stage.kinds) | (before if stage.depths[0] == 0 else set())
            channels = stage.width
        if faults:
            raise ArchitectureError(f"TieredSpace stages: {'; '.join(faults)}")

    def _check_widths(self) -> None:
        """ArchitectureError where a layer has no inner width, too many, or too large ones."""
        faults: dict[int, str] = {}
        channels = self.stem[-1]
        for number, stage in enumerate(self.stages, 1):
            taken = (channels, stage.width)[: stage.depths[1]] if stage.kinds != (CONVOLUTION,) else ()
            if stage.inner and len(stage.inner) != len(taken):
                told = f"found {len(stage.inner)} lists of inner widths, expected {len(taken) or 'none'}"
                faults.setdefault(number, told + ", of the first layer and of those behind it")
            elif len(set(stage.inner)) > 1 and (stage.stride, channels) == (1, stage.width):
                # Which of its layers are left out makes no difference.
                faults.setdefault(number, "inner widths that differ, expected the same in layers that are all alike")
            for inputs, given in zip(taken, stage.inner or ((), ()), strict=False):
                largest = self.expansion * inputs // self.granularity * self.granularity
                widths = self._widths(inputs, given) if largest <= MAX_WIDTH else ()
                if largest > MAX_WIDTH:
                    told = f"inner widths up to {largest}, expected at most {MAX_WIDTH}"
                elif not widths:
                    told = (
                        f"no inner width in multiples of {self.granularity} up to {self.expansion} times {inputs} "
                        f"channels, without {inputs}; expected at least one"
                    )
                elif len(widths) > MOST_WIDTHS:
                    told = (
                        f"{len(widths)} inner widths, expected at most {MOST_WIDTHS}; "
                        "a coarser granularity, a smaller expansion, or knots give fewer"
                    )
                elif strange := [width for width in given if not self._gives(inputs, width)]:
                    told = (
                        f"inner widths {short(tuple(strange))}, expected multiples of {self.granularity} up to "
                        f"{self.expansion} times {inputs} channels, without {inputs}"
                    )
                else:
                    continue
                faults.setdefault(number, told)
            channels = stage.width
        if faults:
            told = "; ".join(f"stage {number}: {fault}" for number, fault in faults.items())
            raise ArchitectureError(f"TieredSpace stages: {told}")

    def _longest(self) -> list[Pick]:
        """The picks of the network with the longest code: if it may have that, all may.

        Equal blocks in a row are spelled once, so a longest one changes them wherever it can. Of three that are spelled
        longest one differs from both neighbours, so that no others need be looked at.
        """
        # By the last pick and how often it stands there in a row: the length of what is spelled, and the picks, the
        # last one beside those before it.
        best: dict[tuple[Pick | None, int], tuple[int, Any]] = {(None, 0): (0, None)}
        for number, layer in enumerate(self.layers):
            found: dict[tuple[Pick | None, int], tuple[int, Any]] = {}
            for pick in self._spelled_longest(layer):
                candidate = layer.candidates[pick.candidate]
                unit = _unit(layer, pick)
                for (last, times), (length, picks) in best.items():
                    goes_on = layer.position > 0 and last is not None
                    if goes_on and last == pick:
                        state, more = (pick, times + 1), _spelled(times + 1) - _spelled(times)
                    elif goes_on and last is not None and layer.candidates[last.candidate].kind == candidate.kind:
                        # A width that is alone is spelled again.
                        state, more = (pick, 1), 1 + len(unit or str(layer.width))
                    else:
                        begun = f"_{BLOCK_KINDS[candidate.kind].letter}1.{layer.width}{unit}"
                        state, more = (pick, 1), len(begun)
                    if state not in found or length + more > found[state][0]:
                        found[state] = length + more, (pick, picks)
            best = found
            longest, picks = max(best.values(), key=lambda option: option[0])
            if longest > MAX_CODE:
                rest = [Pick(0, layer.widths[-1] if layer.widths else 0) for layer in self.layers[number + 1 :]]
                break
        else:
            rest = []
        turned = []
        while picks:
            pick, picks = picks
            turned.append(pick)
        return [*turned[::-1], *rest]

    @staticmethod
    def _spelled_longest(layer: TieredLayer) -> list[Pick]:
        """Of each kind the three picks of a layer with the longest spelling, or all where there are fewer."""
        chosen = []
        for kind in dict.fromkeys(candidate.kind for candidate in layer.candidates):
            picks = [
                Pick(number, inner)
                for number, candidate in enumerate(layer.candidates)
                if candidate.kind == kind
                for inner in layer.widths[-3:] or (0,)
            ]
            chosen += sorted(picks, key=lambda pick: -len(_unit(layer, pick) or str(layer.width)))[:3]
        return chosen

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
                given = stage.inner[min(position, len(stage.inner) - 1)] if stage.inner else ()
                widths = () if stage.kinds == (CONVOLUTION,) else self._widths(channels, given)
                layer = TieredLayer(number, position, channels, stage.width, stride, optional, candidates, widths)
                found.append(layer)
                channels = stage.width
        return tuple(found)

    def _gives(self, channels: int, width: int) -> bool:
        """Whether a layer that takes so many channels may have this inner width, as far as its stage does not say."""
        return width != channels and width % self.granularity == 0 and width <= self.expansion * channels

    def _widths(self, channels: int, given: tuple[int, ...]) -> tuple[int, ...]:
        """The inner widths of a layer that takes so many channels; `given` are those of its stage, if it has some."""
        multiples = range(self.granularity, self.expansion * channels + 1, self.granularity)
        widths = list(given) or [width for width in multiples if self._gives(channels, width)]
        if self.knots is not None and self.knots < len(widths):
            logs = np.log(widths)
            wanted = np.linspace(logs[0], logs[-1], self.knots)
            kept = {int(np.abs(logs - one).argmin()) for one in wanted}
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
                raise ArchitectureError(
                    f"picks: layer {number} has no candidate {pick.candidate} of inner width {pick.inner}, expected 0 "
                    f"to {len(layer.candidates) - 1} ({', '.join(map(str, layer.candidates))}) of "
                    f"{short(layer.widths) if layer.widths else '0, as convolutions have none'}"
                )
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
        found = (architecture.family, architecture.stem, architecture.head, architecture.classes)
        expected = (self.family, self.stem, self.head, self.classes)
        if found != expected:
            raise ArchitectureError(
                f"{architecture}: family, stem, head, classes are {found}, this space has {expected}"
            )
        picks: list[Pick | None] = []
        blocks = list(architecture.blocks())
        place = 0
        for number, layer in enumerate(self.layers, 1):
            block = blocks[place] if place < len(blocks) else None
            gone = layer.position > 0 and picks[-1] is None
            pick = None if gone else _pick_of(layer, block)
            if pick is None and not layer.optional:
                raise ArchitectureError(
                    f"{architecture}: found {_told(block)} for layer {number}, expected {_expected(layer)}"
                )
            place += pick is not None
            picks.append(pick)
        if place < len(blocks):
            raise ArchitectureError(f"{architecture}: found {_told(blocks[place])}, expected no such block there")
        own = self.of_picks(picks)
        if own != architecture:
            raise ArchitectureError(f"{architecture}: this space has the same blocks spelled as {own}")
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
        goes_on = self.layers[number].stage == self.layers[column.layer].stage
        return _State(after, ended and goes_on), tuple(pieces)

    def pick_at(self, number: int, values: Sequence[int]) -> Pick | None:
        """What a layer, counted from 0, is by the values of its coordinates; None where it is left out."""
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
        pick = self.pick_at(number, values)
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

    def through(self, column: int, state: int, value: int) -> Vectors:
        """As in `Space`. The layers have the inner width and the candidate of the same number, as far as they can.

        So one network has many pieces that are wanted. The pieces of a stage's fourth layer, and of those behind it,
        are those of its third: they are the least.
        """
        here = self._states[column][state]
        number = self.columns[column].layer
        features = self._features[number]
        values = (*here.values, value)
        pick = self.pick_at(number, values) if len(values) == len(features) else None
        if pick is None or here.ended:
            return super().through(column, state, value)
        inner = self.layers[number].widths.index(pick.inner) if pick.inner else 0
        picks: list[Pick] = []
        for layer in self.layers:
            index = (pick.candidate, inner) if layer.position < 3 else (0, 0)
            width = layer.widths[index[1] % len(layer.widths)] if layer.widths else 0
            picks.append(Pick(index[0] % len(layer.candidates), width))
        picks[number] = pick
        # What makes its input may be another layer where those that may be left out are.
        short = [
            None if layer.optional and (layer.stage != self.layers[number].stage or place > number) else own
            for place, (layer, own) in enumerate(zip(self.layers, picks, strict=True))
        ]
        for made in (picks, short):
            if self._before(number, made) == here.after:
                return self._vector(made)
        return super().through(column, state, value)

    def _before(self, number: int, picks: Picks) -> str:
        """What makes the map before a layer, counted from 0."""
        there = [place for place in range(number) if picks[place] is not None]
        return self.layers[there[-1]].maker if there else "Convolution"

    def index_of(self, piece: Any, column: int, vector: Vectors) -> int:
        """As in `Space`. The parts: stem, blocks, head."""
        return self.pieces_of(self.picks_at(vector)).index(piece)

    def picks_at(self, vector: Vectors) -> tuple[Pick | None, ...]:
        """The picks of a vector (length,) of the space."""
        values = vector.tolist()
        return tuple(self.pick_at(number, values[slice(*part)]) for number, part in enumerate(self.slices))

    @cached_property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """The layers of each of `stages`: from, to (excluded)."""
        ends = np.cumsum([0, *(stage.depths[1] for stage in self.stages)]).tolist()
        return tuple(pairwise(ends))

    @cached_property
    def slices(self) -> tuple[tuple[int, int], ...]:
        """For each layer where its coordinates stand in a vector: from, to (excluded); none of a layer of no choice."""
        ends = np.cumsum([0, *map(len, self._features)]).tolist()
        return tuple(pairwise(ends))

    def encode(self, architecture: object) -> Vectors:
        """The vector of an architecture. ArchitectureError when it is not in the space."""
        return self._vector(self.picks_of(architecture))

    def _vector(self, picks: Picks) -> Vectors:
        """The vector (length,) of picks whose layers that are there stand first in their stage."""
        vector: list[int] = []
        for number, pick in enumerate(picks):
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


def _unit(layer: TieredLayer, pick: Pick) -> str:
    """How a code spells what is chosen for a layer besides its kind."""
    return str(Unit(layer.candidates[pick.candidate].kernel, inner=pick.inner))


def _spelled(times: int) -> int:
    """How long it is to say that a block stands so many times in a row."""
    return len(f"x{times}") if times > 1 else 0


def _pick_of(layer: TieredLayer, block: Block | None) -> Pick | None:
    """The pick by which a layer is this block, if there is one."""
    if block is None or (block.width, block.stride) != (layer.width, layer.stride):
        return None
    candidate = Candidate(block.kind, block.kernel)
    if candidate not in layer.candidates or block.inner not in (layer.widths or (0,)) or block.squeeze:
        return None
    return Pick(layer.candidates.index(candidate), block.inner)


def _told(block: Block | None) -> str:
    if block is None:
        return "no more blocks"
    inner = f" of inner width {block.inner}" if block.inner else ""
    kernel = f"{block.kernel}x{block.kernel}"
    return f"{block.name}, {block.kind} {kernel}{inner}, {block.width} wide at stride {block.stride},"


def _expected(layer: TieredLayer) -> str:
    blocks = " or ".join(f"{kind} {kernel}x{kernel}" for kind, kernel in layer.candidates)
    inner = f" of inner widths {short(layer.widths)}" if layer.widths else ""
    return f"{blocks}{inner}, {layer.width} wide at stride {layer.stride}"


def _stages(found: Any) -> tuple[TieredStage, ...]:
    """The stages with plain numbers and tuples. ArchitectureError with all that break a rule of their own."""
    try:
        stages = tuple(islice(found, MOST_LAYERS + 1))
    except TypeError:
        raise ArchitectureError(f"stages: found {short(found)}, expected a tuple of TieredStage") from None
    if not 1 <= len(stages) <= MOST_LAYERS:
        raise ArchitectureError(f"stages: found {len(stages) or 'none'}, expected 1 to {MOST_LAYERS}")
    faults: list[str] = []
    made = [_stage(f"stage {number}", stage, faults) for number, stage in enumerate(stages, 1)]
    if not faults and (layers := sum(stage.depths[1] for stage in made)) > MOST_LAYERS:
        faults.append(f"found up to {layers} layers, expected at most {MOST_LAYERS}")
    if faults:
        raise ArchitectureError(f"stages: {'; '.join(faults)}")
    return tuple(made)


def _stage(where: str, stage: Any, faults: list[str]) -> TieredStage:
    """A stage with plain numbers and tuples; what is wrong with it is added to `faults`."""
    if not isinstance(stage, TieredStage):
        faults.append(f"{where}: found {short(stage)}, expected a TieredStage")
        return TieredStage(1)

    def number(name: str, value: Any, most: int, least: int = 1) -> int:
        try:
            return whole_number(f"{where}: {name}", value, most, least)
        except ArchitectureError as fault:
            faults.append(str(fault))
            return least

    def items(name: str, value: Any) -> tuple[Any, ...]:
        # A text is one name, not its letters.
        if isinstance(value, Iterable) and not isinstance(value, str) and 1 <= len(found := tuple(value)) <= MAX_KERNEL:
            return found
        faults.append(f"{where}: {name}: found {short(value)}, expected a tuple")
        return ()

    width, stride = number("width", stage.width, MAX_WIDTH), number("stride", stage.stride, 2)
    before = len(faults)
    depths = tuple(number("depths", depth, MOST_LAYERS, 0) for depth in items("depths", stage.depths))
    if len(faults) == before and (len(depths) != 2 or not depths[0] <= depths[1] or depths[1] < 1):
        faults.append(f"{where}: depths: found {short(depths)}, expected (least, most) with least <= most, most >= 1")
    kinds = items("kinds", stage.kinds)
    if kinds and kinds not in _KINDS:
        faults.append(f"{where}: kinds: found {short(kinds)}, expected one of {', '.join(map(str, _KINDS))}")
    before = len(faults)
    kernels = tuple(number("kernels", kernel, MAX_KERNEL) for kernel in items("kernels", stage.kernels))
    ascend = all(narrow < wide for narrow, wide in pairwise(kernels))
    if len(faults) == before and not (ascend and all(kernel % 2 for kernel in kernels)):
        faults.append(f"{where}: kernels: found {short(kernels)}, expected odd numbers, ascending")
    inner = []
    for place, found in enumerate(stage.inner if isinstance(stage.inner, tuple) else (stage.inner,), 1):
        listed = found if isinstance(found, tuple) and 1 <= len(found) <= MOST_WIDTHS else ()
        widths = tuple(number(f"inner {place}", inside, MAX_WIDTH) for inside in listed)
        if not widths or not all(narrow < wide for narrow, wide in pairwise(widths)):
            faults.append(
                f"{where}: inner {place}: found {short(found)}, expected 1 to {MOST_WIDTHS} widths, ascending"
            )
        inner.append(widths)
    return TieredStage(width, (depths[0], depths[-1]) if depths else (1, 1), stride, kinds, kernels, tuple(inner))


def _shape(found: Any) -> tuple[int, int, int, int]:
    try:
        one, channels, height, width = (whole_number("input_shape", size, 2**31 - 1) for size in found)
    except (TypeError, ValueError):
        one, channels, height, width = 0, 0, 0, 0
    if one != 1:
        raise ArchitectureError(
            f"input_shape: found {short(found)}, expected (1, channels, height, width), whole numbers from 1 on: "
            "latency is at batch 1"
        )
    return one, channels, height, width


def _family(found: Any) -> str:
    known = [name for name, family in FAMILIES.items() if family.stem != "pooled"]
    if not isinstance(found, str) or found not in known:
        raise ArchitectureError(f"family: found {short(found)}, expected one of {', '.join(known)}")
    return found
