"""The space of backbones: counted and drawn from without listing it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.architectures import BLOCK_KINDS, FAMILIES, Backbone, Stage, Unit, sizes_of
from prototxt_gen.errors import ArchitectureError
from search.spaces.space import Space
from search.spaces.vectors import Vectors, with_absent
from search.spaces.ways import NONE, Integers

# The tables for counting grow with blocks times widths: a bound keeps hostile codes from costing time.
_MOST_BLOCKS = 1000


@dataclass(frozen=True)
class Column:
    """The place of a block: its stage, whether the block may be missing, whether it is the stage's last."""

    stage: int
    optional: bool
    is_last: bool


@dataclass(frozen=True, order=True)
class Stem:
    """What stands before the first block, in every network."""


@dataclass(frozen=True, order=True)
class Block:
    """A block of a network: its stage, its width and the one before it, whether that one is of the same stage.

    Widths are indices as in the vectors, 0 for the stem. `summed`: whether the block before ends in a sum, where its
    kind leaves that open.
    """

    stage: int
    width: int
    before: int
    within: bool
    summed: bool


@dataclass(frozen=True, order=True)
class Head:
    """What follows a backbone's last block, of this width index; `summed`: whether that one ends in a sum."""

    width: int
    summed: bool


@dataclass(frozen=True)
class BackboneSpace(Space):
    """All backbones with a number of blocks in each stage, each block of one of `widths`, widths never decreasing.

    `depths`: (fewest, most) blocks of each stage. `widths`: increasing. For each stage `kinds` has its block ("basic"),
    `strides` its first block's stride (2), `units` what else its blocks have, of the kinds that choose (a Unit; None
    for the others), `stage_widths` those of `widths` that it may have (all); the values in brackets where nothing is
    given. `stem`, `head`, `family` (see `Backbone`), `classes` and `input_shape` (1, channels, height, width) are the
    same for all. The width set and the depths of the paper's own space are not public; nothing here claims to be them.

    A vector has a width index for every block that the space allows, stage by stage: 1 for the narrowest of `widths`.
    A stage's missing blocks are 0 and stand at its beginning.

    ArchitectureError names the field, what was found and what was expected.
    """

    depths: tuple[tuple[int, int], ...]
    widths: tuple[int, ...]
    kinds: tuple[str, ...] = ()
    stem: tuple[int, ...] = (32, 64)
    classes: int = 1000
    input_shape: tuple[int, int, int, int] = (1, 3, 224, 224)
    family: str = "df"
    head: int | None = None
    strides: tuple[int, ...] = ()
    units: tuple[Unit | None, ...] = ()
    stage_widths: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        _check(bool(self.depths), "depths", self.depths, "at least one stage")
        stages = len(self.depths)
        if set(self.stage_widths) == {self.widths}:
            object.__setattr__(self, "stage_widths", ())
        for field, default in (("kinds", "basic"), ("strides", 2), ("units", None)):
            if not getattr(self, field):
                object.__setattr__(self, field, (default,) * stages)
        for field in ("kinds", "strides", "units", "stage_widths"):
            found = getattr(self, field)
            fits = len(found) == stages or not found
            _check(fits, field, found, f"one for each of {stages} stages")
        for depth in self.depths:
            ordered = len(depth) == 2 and all(isinstance(limit, int) for limit in depth) and 1 <= depth[0] <= depth[1]
            _check(ordered, "depths", depth, "(fewest, most) with 1 <= fewest <= most")
        blocks = sum(most for _, most in self.depths)
        _check(blocks <= _MOST_BLOCKS, "depths", f"{blocks} blocks in all", f"at most {_MOST_BLOCKS}")
        _check(1 <= len(self.widths) <= 255, "widths", self.widths, "1 to 255 widths")
        _check(_increases(self.widths), "widths", self.widths, "increasing widths")
        for widths in self.stage_widths:
            fits = bool(widths) and _increases(widths) and set(widths) <= set(self.widths)
            _check(fits, "stage_widths", widths, f"some of {self.widths}, increasing")
        _check(
            len(self.input_shape) == 4 and self.input_shape[0] == 1 and min(self.input_shape) >= 1,
            "input_shape",
            self.input_shape,
            "(1, channels, height, width): latency is at batch 1",
        )
        # The rules of a single stage, and of an architecture (known kinds, sensible numbers), are their own.
        made = [self._stage(stage, self.widths_of(stage)) for stage in range(stages)]
        object.__setattr__(self, "units", tuple(stage.units[0] if stage.units else None for stage in made))
        least, narrowest = 0, []
        for stage in range(stages):
            widths = self.widths_of(stage)
            possible = [width for width in widths if width >= least]
            _check(bool(possible), "stage_widths", widths, f"a width of at least {least}, that of the stage before")
            least = possible[0]
            narrowest.append(self._stage(stage, (least,) * self.depths[stage][0]))
        sizes_of(self._backbone(tuple(narrowest)), *self.input_shape[2:])

    def __str__(self) -> str:
        """The space's code, which `parse_space` reads: stem, depths of each stage, widths, classes, input."""
        return f"{self.trunk}{'' if self.head is None else f'_h{self.head}'}_c{self.classes}_i{self._size}"

    @property
    def trunk(self) -> str:
        """The code up to the widths."""
        stages = [
            f"{BLOCK_KINDS[kind].letter}{'' if stride == 2 else f'{stride}.'}{least}-{most}"
            f"{'' if unit is None else unit}{'' if widths == self.widths else f'w{_joined(widths)}'}"
            for kind, stride, (least, most), unit, widths in zip(
                self.kinds,
                self.strides,
                self.depths,
                self.units,
                map(self.widths_of, range(len(self.depths))),
                strict=True,
            )
        ]
        return "_".join([f"{FAMILIES[self.family].letter}{_joined(self.stem)}", *stages, f"w{_joined(self.widths)}"])

    @property
    def _size(self) -> str:
        return "x".join(map(str, self.input_shape[1:]))

    def widths_of(self, stage: int) -> tuple[int, ...]:
        """The widths that the blocks of a stage may have."""
        return self.stage_widths[stage] if self.stage_widths else self.widths

    @cached_property
    def heights(self) -> tuple[NDArray[np.float64], ...]:
        """As in `Space`: of every block's place those of an absent block and of all widths."""
        return (with_absent(self.widths),) * len(self.columns)

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """As in `Space`: the place of every block."""
        return tuple(
            Column(stage, index < most - least, index + 1 == most)
            for stage, (least, most) in enumerate(self.depths)
            for index in range(most)
        )

    @cached_property
    def steps(self) -> tuple[Integers, ...]:
        """As in `Space`; behind the last block all ways are in state 0."""
        found = [self.step(column) for column in self.columns]
        found[-1] = np.where(found[-1] == NONE, NONE, 0)
        return tuple(found)

    @property
    def inner_states(self) -> int:
        """States are numbered below this: see `state_of`."""
        return 2 * (len(self.widths) + 1) * (1 + self._tells_sums)

    def state_of(self, state: int) -> tuple[int, bool, bool]:
        """A state behind a block, or before the first one, as what stands there before the next block.

        The width index before it, 0 for the stem; whether that one is of the same stage; whether it ends in a sum,
        where some stage's kind leaves that open, else False.
        """
        state, before = divmod(state, len(self.widths) + 1)
        return before, bool(state % 2), state > 1

    def step(self, column: Column) -> Integers:
        """What follows each state by each width index of a column, as numbers that `state_of` reads."""
        return self._steps[column]

    @cached_property
    def _steps(self) -> dict[Column, Integers]:
        found: dict[Column, Integers] = {}
        made: dict[Hashable, Integers] = {}
        for column in dict.fromkeys(self.columns):
            # Of all that depends on the stage: equal steps are one object.
            sums = self._sums(column.stage) if self._tells_sums else None
            alike = (
                column.optional,
                column.is_last,
                self.widths_of(column.stage),
                None if sums is None else sums.tobytes(),
            )
            if alike not in made:
                made[alike] = self._step(column, sums)
            found[column] = made[alike]
        return found

    def _step(self, column: Column, sums: NDArray[np.bool_] | None) -> Integers:
        choices = len(self.widths) + 1
        widths = np.arange(choices)
        allowed = np.array([False, *(width in self.widths_of(column.stage) for width in self.widths)])
        # (state: ended in a sum, within the stage, the width before; choice)
        after = np.full((1 + self._tells_sums, 2, choices, choices), NONE, dtype=np.int64)
        after[:] = np.where(allowed & (widths >= widths[:, None]), widths + (0 if column.is_last else choices), NONE)
        # Within a stage a block stands before.
        after[:, 1, 0] = NONE
        if sums is not None:
            after[:, sums & (after[0] != NONE)] += 2 * choices
        if column.optional:
            after[:, 0, :, 0] = widths + 2 * choices * np.arange(1 + self._tells_sums)[:, None]
        return after.reshape(-1, choices)

    @property
    def _tells_sums(self) -> bool:
        """Whether some stage's blocks end in a sum or not, as their place has it: a device may fuse the one."""
        return any(BLOCK_KINDS[kind].add_at_most for kind in self.kinds)

    def _sums(self, stage: int) -> NDArray[np.bool_]:
        """Whether a block ends in a sum: (within the stage, width index before, width index)."""
        choices = len(self.widths) + 1
        found = np.zeros((2, choices, choices), dtype=bool)
        if BLOCK_KINDS[self.kinds[stage]].add_at_most:
            for before in range(choices):
                # As Backbone.blocks tells which blocks need no projection.
                channels = self._channels(stage - 1, before) if before else self.stem[-1]
                for width in range(1, choices):
                    found[0, before, width] = self.strides[stage] == 1 and channels == self._channels(stage, width)
                    found[1, before, width] = before == width
        return found

    def _channels(self, stage: int, width: int) -> int:
        return BLOCK_KINDS[self.kinds[stage]].out_channels(self.widths[width - 1])

    @property
    def common(self) -> tuple[Any, ...]:
        """As in `Space`: the stem."""
        return (Stem(),)

    def pieces(self, column: Any, state: int, value: int) -> tuple[Any, ...]:
        """As in `Space`: a block, and behind the last one the head."""
        found = self.blocks(column, state, value)
        if column == self.columns[-1]:
            _, _, summed = self.state_of(int(self.step(column)[state, value]))
            return (*found, Head(value, summed))
        return found

    def blocks(self, column: Column, state: int, value: int) -> tuple[Block, ...]:
        """The block that a choice brings, or none."""
        before, within, summed = self.state_of(state)
        return (Block(column.stage, value, before, within, summed),) if value else ()

    def index_of(self, piece: Any, column: int, vector: Vectors) -> int:
        """As in `Space`."""
        if isinstance(piece, Stem):
            return 0
        return -1 if isinstance(piece, Head) else 1 + int(np.count_nonzero(vector[:column]))

    def encode(self, architecture: object) -> Vectors:
        """The width indices of an architecture. ArchitectureError when it is not in the space."""
        if not isinstance(architecture, Backbone):
            raise ArchitectureError(f"architecture: found {architecture!r}, expected a Backbone")
        stages = architecture.stages
        kinds, strides = tuple(stage.block for stage in stages), tuple(stage.stride for stage in stages)
        found = (architecture.family, architecture.stem, kinds, strides, architecture.head, architecture.classes)
        expected = (self.family, self.stem, self.kinds, self.strides, self.head, self.classes)
        if found != expected:
            names = "family, stem, blocks, strides, head, classes"
            raise ArchitectureError(f"{architecture}: {names} are {found}, this space has {expected}")
        for number, (stage, (least, most), unit) in enumerate(zip(stages, self.depths, self.units, strict=True), 1):
            widths = self.widths_of(number - 1)
            if not least <= len(stage.widths) <= most or not set(stage.widths) <= set(widths):
                raise ArchitectureError(
                    f"{architecture}: stage {number} has widths {stage.widths}, "
                    f"this space has {least} to {most} blocks of {widths}"
                )
            if stage.units and set(stage.units) != {unit}:
                raise ArchitectureError(f"{architecture}: stage {number} is {stage}, this space has {unit} for a block")
        return self._align([[self.widths.index(width) + 1 for width in stage.widths] for stage in architecture.stages])

    def decode(self, vector: Vectors) -> Backbone:
        """The architecture of a vector of width indices."""
        stages, start = [], 0
        for stage, (_, most) in enumerate(self.depths):
            indices = [int(index) for index in vector[start : start + most] if index]
            stages.append(self._stage(stage, tuple(self.widths[index - 1] for index in indices)))
            start += most
        return self._backbone(tuple(stages))

    def _stage(self, stage: int, widths: tuple[int, ...]) -> Stage:
        unit = self.units[stage]
        return Stage(self.kinds[stage], widths, (unit,) * len(widths) if unit else (), self.strides[stage])

    def _backbone(self, stages: tuple[Stage, ...]) -> Backbone:
        return Backbone(stages, self.stem, self.classes, self.family, self.head)

    def _align(self, stages: list[list[int]]) -> Vectors:
        parts = [[0] * (most - len(stage)) + stage for (_, most), stage in zip(self.depths, stages, strict=True)]
        return np.array([index for part in parts for index in part], dtype=np.uint8)


def _increases(widths: tuple[int, ...]) -> bool:
    return all(narrow < wide for narrow, wide in pairwise(widths))


def _joined(numbers: tuple[int, ...]) -> str:
    return "-".join(map(str, numbers))


def _check(holds: bool, field: str, found: object, expected: str) -> None:
    if not holds:
        raise ArchitectureError(f"BackboneSpace {field}: found {found}, expected {expected}")
