"""The space of backbones: counted and drawn from without listing it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from prototxt_gen.architectures import BLOCK_KINDS, Backbone, Stage
from prototxt_gen.errors import ArchitectureError
from search.spaces.vectors import Vectors, completions, sequences

# Above this, listing a space takes minutes and gigabytes. Counting and drawing have no limit.
LISTED_AT_MOST = 30_000_000

# The tables for counting grow with blocks times widths: a bound keeps hostile codes from costing time.
_MOST_BLOCKS = 1000


@dataclass(frozen=True)
class BackboneSpace:
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

    def count(self) -> int:
        """The exact number of architectures, however large."""
        return completions(self.depths, len(self.widths))[0, 0, 0]

    def __len__(self) -> int:
        """As `count`, for spaces that fit Python's len() (2^63); OverflowError beyond."""
        return self.count()

    def __contains__(self, architecture: object) -> bool:
        try:
            self.encode(architecture)
        except ArchitectureError:
            return False
        return True

    def __iter__(self) -> Iterator[Backbone]:
        """Every architecture once, in the order of `at`, made one by one as they are asked for."""
        return (self.at(index) for index in range(self.count()))

    def at(self, index: int) -> Backbone:
        """The architecture at a place of the space's order, 0 <= index < count(). IndexError outside."""
        return self.decode(self.vector_at(index))

    def sample(self, rng: random.Random) -> Backbone:
        """One architecture, all equally likely."""
        return self.at(rng.randrange(self.count()))

    def vector_at(self, index: int) -> Vectors:
        """As `at`, as a vector of width indices (see spaces/vectors.py)."""
        if not 0 <= index < self.count():
            raise IndexError(f"place {index} of a space of {self.count()}")
        ways_on = completions(self.depths, len(self.widths))
        stages: list[list[int]] = [[]]
        width = 0
        while True:
            stage, depth = len(stages) - 1, len(stages[-1])
            least, _ = self.depths[stage]
            if depth >= least:
                last = stage + 1 == len(self.depths)
                ways = 1 if last else ways_on[stage + 1, 0, width]
                if index < ways:
                    if last:
                        return self._align(stages)
                    stages.append([])
                    continue
                index -= ways
            for wider in range(max(width, 1), len(self.widths) + 1):
                ways = ways_on[stage, depth + 1, wider]
                if index < ways:
                    width = wider
                    stages[-1].append(width)
                    break
                index -= ways

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

    def vectors(self) -> Iterator[Vectors]:
        """The whole space as arrays (n, length) of width indices, one for each choice of depths.

        ArchitectureError when the space holds more than LISTED_AT_MOST.
        """
        if self.count() > LISTED_AT_MOST:
            raise ArchitectureError(
                f"space {self}: {self.count():,} architectures, at most {LISTED_AT_MOST:,} can be listed; "
                "give fewer widths or depths"
            )
        return self._vectors()

    def _vectors(self) -> Iterator[Vectors]:
        most = [limit for _, limit in self.depths]
        starts = np.cumsum([0, *most[:-1]])
        for depths in product(*(range(least, limit + 1) for least, limit in self.depths)):
            columns = np.concatenate(
                [
                    start + limit - depth + np.arange(depth)
                    for start, limit, depth in zip(starts, most, depths, strict=True)
                ]
            )
            found = sequences(sum(depths), len(self.widths))
            vectors = np.zeros((len(found), sum(most)), dtype=np.uint8)
            vectors[:, columns] = found
            yield vectors

    def _align(self, stages: list[list[int]]) -> Vectors:
        parts = [[0] * (most - len(stage)) + stage for (_, most), stage in zip(self.depths, stages, strict=True)]
        return np.array([index for part in parts for index in part], dtype=np.uint8)

    def _first(self) -> Vectors:
        return self._align([[1] * least for least, _ in self.depths])


def _check(holds: bool, field: str, found: object, expected: str) -> None:
    if not holds:
        raise ArchitectureError(f"BackboneSpace {field}: found {found}, expected {expected}")
