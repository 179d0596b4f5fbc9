"""The space of backbones: counted and drawn from without listing it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.architectures import BLOCK_KINDS, Backbone, Stage
from prototxt_gen.errors import ArchitectureError
from search.spaces.space import Space
from search.spaces.vectors import Vectors, with_absent
from search.spaces.ways import NONE, Integers

# The tables for counting grow with blocks times widths: a bound keeps hostile codes from costing time.
_MOST_BLOCKS = 1000


@dataclass(frozen=True)
class BackboneSpace(Space):
    """All backbones with a number of blocks in each stage, each block of one of `widths`, widths never decreasing.

    `depths`: (fewest, most) blocks of each stage. `widths`: increasing. `kinds`: each stage's block, "basic" by
    default. `stem`, `classes` and `input_shape` (1, channels, height, width) are the same for all. The width set and
    the depths of the paper's own space are not public; nothing here claims to be them.

    ArchitectureError names the field, what was found and what was expected.
    """

    depths: tuple[tuple[int, int], ...]
    widths: tuple[int, ...]
    kinds: tuple[str, ...] = ()
    stem: tuple[int, ...] = (32, 64)
    classes: int = 1000
    input_shape: tuple[int, int, int, int] = (1, 3, 224, 224)

    def __post_init__(self) -> None:
        if not self.kinds:
            object.__setattr__(self, "kinds", ("basic",) * len(self.depths))
        _check(bool(self.depths), "depths", self.depths, "at least one stage")
        _check(len(self.kinds) == len(self.depths), "kinds", self.kinds, f"one for each of {len(self.depths)} stages")
        for depth in self.depths:
            ordered = len(depth) == 2 and all(isinstance(limit, int) for limit in depth) and 1 <= depth[0] <= depth[1]
            _check(ordered, "depths", depth, "(fewest, most) with 1 <= fewest <= most")
        blocks = sum(most for _, most in self.depths)
        _check(blocks <= _MOST_BLOCKS, "depths", f"{blocks} blocks in all", f"at most {_MOST_BLOCKS}")
        _check(1 <= len(self.widths) <= 255, "widths", self.widths, "1 to 255 widths")
        increasing = all(narrow < wide for narrow, wide in zip(self.widths, self.widths[1:], strict=False))
        _check(increasing, "widths", self.widths, "increasing widths")
        _check(
            len(self.input_shape) == 4 and self.input_shape[0] == 1 and min(self.input_shape) >= 1,
            "input_shape",
            self.input_shape,
            "(1, channels, height, width): latency is at batch 1",
        )
        # The rules of a single architecture (known kinds, sensible numbers) are the architecture's own.
        self.decode(self._first())

    def __str__(self) -> str:
        """The space's code, which `parse_space` reads: stem, depths of each stage, widths, classes, input."""
        stages = "_".join(
            f"{BLOCK_KINDS[kind].letter}{least}-{most}"
            for kind, (least, most) in zip(self.kinds, self.depths, strict=True)
        )
        stem, widths = "-".join(map(str, self.stem)), "-".join(map(str, self.widths))
        size = "x".join(map(str, self.input_shape[1:]))
        return f"s{stem}_{stages}_w{widths}_c{self.classes}_i{size}"

    @cached_property
    def heights(self) -> tuple[NDArray[np.float64], ...]:
        """As in `Space`: of every block's place those of an absent block and of all widths."""
        return (with_absent(self.widths),) * sum(most for _, most in self.depths)

    @cached_property
    def steps(self) -> tuple[Integers, ...]:
        """As in `Space`. A state is the width before a stage's first block, or of the block before in this stage.

        Widths are indices as in the vectors, 0 for the stem; the states within a stage are numbered behind those before
        its first block. Missing blocks stand at the beginning of a stage.
        """
        made: dict[tuple[bool, bool, bool], Integers] = {}
        found = []
        for stage, (least, most) in enumerate(self.depths):
            for index in range(most):
                is_last = index + 1 == most
                kind = index < most - least, is_last, is_last and stage + 1 == len(self.depths)
                if kind not in made:
                    made[kind] = _step(len(self.widths) + 1, *kind)
                found.append(made[kind])
        return tuple(found)

    def encode(self, architecture: object) -> Vectors:
        """The width indices of an architecture. ArchitectureError when it is not in the space."""
        if not isinstance(architecture, Backbone):
            raise ArchitectureError(f"architecture: found {architecture!r}, expected a Backbone")
        found = tuple(stage.block for stage in architecture.stages), architecture.stem, architecture.classes
        expected = self.kinds, self.stem, self.classes
        if found != expected:
            raise ArchitectureError(f"{architecture}: blocks, stem, classes are {found}, this space has {expected}")
        for (least, most), stage in zip(self.depths, architecture.stages, strict=True):
            if not least <= len(stage.widths) <= most or not set(stage.widths) <= set(self.widths):
                raise ArchitectureError(
                    f"{architecture}: a stage of widths {stage.widths}, "
                    f"this space has {least} to {most} blocks of {self.widths}"
                )
        return self._align([[self.widths.index(width) + 1 for width in stage.widths] for stage in architecture.stages])

    def decode(self, vector: Vectors) -> Backbone:
        """The architecture of a vector of width indices."""
        stages, start = [], 0
        for kind, (_, most) in zip(self.kinds, self.depths, strict=True):
            indices = [int(index) for index in vector[start : start + most] if index]
            stages.append(Stage(kind, tuple(self.widths[index - 1] for index in indices)))
            start += most
        return Backbone(tuple(stages), stem=self.stem, classes=self.classes)

    def _align(self, stages: list[list[int]]) -> Vectors:
        parts = [[0] * (most - len(stage)) + stage for (_, most), stage in zip(self.depths, stages, strict=True)]
        return np.array([index for part in parts for index in part], dtype=np.uint8)

    def _first(self) -> Vectors:
        return self._align([[1] * least for least, _ in self.depths])


def _step(choices: int, optional: bool, is_last: bool, ends: bool) -> Integers:
    """One column of a stage: whether its block may be missing, is the stage's last, and the space's last."""
    widths = np.arange(choices)
    before = np.concatenate([widths, widths])[:, None]
    after = np.where((widths > 0) & (widths >= before), widths + (0 if is_last else choices), NONE)
    if optional:
        after[:choices, 0] = widths
    # No block of a stage stands before its first one of width 0.
    after[choices] = NONE
    return np.where(after == NONE, NONE, 0) if ends else after


def _check(holds: bool, field: str, found: object, expected: str) -> None:
    if not holds:
        raise ArchitectureError(f"BackboneSpace {field}: found {found}, expected {expected}")
