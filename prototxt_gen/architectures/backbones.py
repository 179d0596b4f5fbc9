"""Backbones: classification networks as frozen specs of a stem, stages of blocks and a head."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, islice, pairwise
from typing import Any, NamedTuple

from prototxt_gen.architectures.kinds import BLOCK_KINDS, FAMILIES, Family, Unit
from prototxt_gen.architectures.limits import (
    MAX_BLOCKS,
    MAX_CLASSES,
    MAX_CODE,
    MAX_KERNEL,
    MAX_WIDTH,
    flag,
    short,
    whole_number,
    whole_numbers,
)
from prototxt_gen.errors import ArchitectureError


class Block(NamedTuple):
    """One block where it stands in a backbone. `stage` and `position` (within the stage) count from 0.

    `kernel`, `inner` (the channels between the two 1x1 convolutions) and `squeeze` are those of its Unit, resolved.
    """

    stage: int
    position: int
    kind: str
    in_channels: int
    width: int
    out_channels: int
    stride: int
    needs_projection: bool
    kernel: int = 3
    inner: int = 0
    squeeze: bool = False
    label: str = ""

    @property
    def name(self) -> str:
        """What the release calls it: `res2.1` is the first block of the first stage. ResNet's: `res2a`."""
        return self.label or f"res{self.stage + 2}.{self.position + 1}"


@dataclass(frozen=True)
class Stage:
    """Blocks of one kind (a name in BLOCK_KINDS), one width each; `stride` is the first block's, 2 or 1.

    `units` holds the other choices, one Unit for each block, of the kinds that have any (inverted blocks and
    convolutions); it is empty for the others. ArchitectureError when the kind is unknown, there is no block, a number
    is out of its range (widths are whole numbers in 1..MAX_WIDTH, even for shuffle units), a unit sets something that
    its kind has no choice of, or its inner width is missing.
    """

    block: str
    widths: tuple[int, ...]
    units: tuple[Unit, ...] = ()
    stride: int = 2

    def __post_init__(self) -> None:
        if not isinstance(self.block, str) or self.block not in BLOCK_KINDS:
            raise ArchitectureError(f"stage: block is {short(self.block)}, expected one of {', '.join(BLOCK_KINDS)}")
        widths = whole_numbers("stage: widths", self.widths, MAX_WIDTH)
        object.__setattr__(self, "widths", widths)
        object.__setattr__(self, "stride", whole_number("stage: stride", self.stride, 2))
        if self.block == "shuffle" and (odd := [width for width in widths if width % 2]):
            raise ArchitectureError(f"stage: widths has {odd[0]}, expected even widths: shuffle units halve them")
        object.__setattr__(self, "units", _units(self.block, self.units, len(widths)))

    def __str__(self) -> str:
        stride = "" if self.stride == 2 else f"{self.stride}."
        return f"{BLOCK_KINDS[self.block].letter}{stride}{spell(self.widths, self.units)}"


def _units(block: str, found: Any, blocks: int) -> tuple[Unit, ...]:
    chooses = BLOCK_KINDS[block].chooses
    try:
        units = tuple(islice(found, MAX_BLOCKS + 1)) or ((Unit(),) * blocks if chooses else ())
    except TypeError:
        units = (found,)
    wrong = [unit for unit in units if not isinstance(unit, Unit)]
    if wrong or len(units) != (blocks if chooses else 0):
        told = f"units has {short(wrong[0])}" if wrong else f"{len(units)} units for {blocks} blocks"
        raise ArchitectureError(f"stage: {told}, expected {'one Unit a block' if chooses else f'none for {block}'}")
    return tuple(_unit(block, unit) for unit in units)


def _unit(block: str, unit: Unit) -> Unit:
    made = Unit(
        whole_number("stage: kernel", unit.kernel, MAX_KERNEL),
        whole_number("stage: expansion", unit.expansion, MAX_WIDTH, 0),
        whole_number("stage: inner", unit.inner, MAX_WIDTH, 0),
        flag("stage: squeeze", unit.squeeze),
    )
    chooses = BLOCK_KINDS[block].chooses
    extra = [name for name, value in zip(Unit._fields, made, strict=True) if value and name not in chooses]
    if extra:
        raise ArchitectureError(f"stage: {block} with {', '.join(extra)}, expected {', '.join(chooses)} alone")
    if made.kernel % 2 == 0:
        raise ArchitectureError(f"stage: kernel has {made.kernel}, expected an odd number")
    if "inner" in chooses and (made.expansion > 0) == (made.inner > 0):
        raise ArchitectureError(
            f"stage: {block} with expansion {made.expansion} and inner {made.inner}, expected one of the two above 0"
        )
    return made


@dataclass(frozen=True)
class Backbone:
    """A classification network: a stem, stages of blocks, average pooling, a classifier.

    `family` (a name in FAMILIES) says what convolutions the stem has (3x3 of stride 2 in the DF networks) and how
    normalisation and activation are done. `head` is the width of a 1x1 convolution before the pooling, or None.

    `str(backbone)` is its code, the only spelling: `s32-64_b64x3_b128x3_b256x3-512_c1000` has the stem 32, 64, three
    stages of basic blocks (`n` stands for bottlenecks) and 1000 classes. It is made of letters, digits, `.`, `-` and
    `_`, at most MAX_CODE of them, so that it serves as a file name and as a key. docs/architecture.md has the grammar.

    ArchitectureError when there is no stage, a width is below the one before (the stem is free of this rule), there
    are more than MAX_BLOCKS blocks, or a number is out of its range.
    """

    stages: tuple[Stage, ...]
    stem: tuple[int, ...] = (32, 64)
    classes: int = 1000
    family: str = "df"
    head: int | None = None

    def __post_init__(self) -> None:
        try:
            stages = tuple(islice(self.stages, MAX_BLOCKS + 1))
        except TypeError:
            raise ArchitectureError(f"backbone: stages is {short(self.stages)}, expected a tuple of Stage") from None
        wrong = [stage for stage in stages if not isinstance(stage, Stage)]
        if wrong or not stages:
            found = short(wrong[0]) if wrong else "empty"
            raise ArchitectureError(f"backbone: stages has {found}, expected at least one Stage and nothing else")
        object.__setattr__(self, "stages", stages)
        object.__setattr__(self, "stem", whole_numbers("backbone: stem", self.stem, MAX_WIDTH))
        object.__setattr__(self, "classes", whole_number("backbone: classes", self.classes, MAX_CLASSES))
        if not isinstance(self.family, str) or self.family not in FAMILIES:
            raise ArchitectureError(f"backbone: family is {short(self.family)}, expected one of {', '.join(FAMILIES)}")
        if self.head is not None:
            object.__setattr__(self, "head", whole_number("backbone: head", self.head, MAX_WIDTH))
        if self.traits.stem == "pooled" and len(self.stem) != 1:
            raise ArchitectureError(f"backbone: stem has {len(self.stem)} widths, expected one for {self.family}")
        widths = [width for stage in stages for width in stage.widths]
        if len(widths) > MAX_BLOCKS:
            raise ArchitectureError(f"backbone: has {len(widths)} blocks, expected at most {MAX_BLOCKS}")
        code = str(self)
        for before, after in pairwise(widths):
            if after < before:
                raise ArchitectureError(
                    f"architecture {short(code)}: width {after} follows {before}, expected widths that never decrease"
                )
        check_length(code)
        for block in self.blocks() if any(stage.units for stage in stages) else ():
            if block.inner > MAX_WIDTH:
                raise ArchitectureError(
                    f"architecture {short(code)}: {block.name} has {block.inner} inner channels, "
                    f"expected at most {MAX_WIDTH}"
                )

    def __str__(self) -> str:
        head = [] if self.head is None else [f"h{self.head}"]
        return "_".join([self.trunk, *head, f"c{self.classes}"])

    @property
    def trunk(self) -> str:
        """The code up to the last stage."""
        return "_".join([f"{self.traits.letter}{spell(self.stem)}", *map(str, self.stages)])

    @property
    def traits(self) -> Family:
        """What FAMILIES says of its family."""
        return FAMILIES[self.family]

    def blocks(self) -> Iterator[Block]:
        """The blocks in order.

        In the DF networks the shortcut needs a projection where the stride is 2 or the width differs from the width
        of the block before, even when the channels agree (DF2A's res4.5).
        """
        channels, width_before = self.stem[-1], 0
        for number, stage in enumerate(self.stages):
            kind = BLOCK_KINDS[stage.block]
            by_width = kind.project_when == "width changes"
            for position, width in enumerate(stage.widths):
                out = kind.out_channels(width)
                stride = stage.stride if position == 0 else 1
                projects = stride == 2 or (position == 0 or width != width_before if by_width else out != channels)
                block = Block(number, position, stage.block, channels, width, out, stride, projects)
                if stage.units:
                    unit = stage.units[position]
                    inner = unit.inner or unit.expansion * channels
                    block = block._replace(kernel=unit.kernel, inner=inner, squeeze=unit.squeeze)
                if stage.block.startswith("resnet"):
                    block = block._replace(label=f"res{number + 2}{self._letter(number, position)}")
                yield block
                channels, width_before = out, width

    def _letter(self, stage: int, position: int) -> str:
        """How ResNets count: res4a to res4f in ResNet-50, res4a, res4b1 to res4b22 where stages are longer."""
        longest = max(len(stage.widths) for stage in self.stages)
        if position == 0 or longest <= 6 or len(self.stages[stage].widths) <= 3:
            return "abcdef"[position]
        return f"b{position}"


def check_length(code: str) -> None:
    """ArchitectureError when a canonical code is too long to name a file."""
    if len(code) > MAX_CODE:
        raise ArchitectureError(
            f"architecture {short(code)}: the code has {len(code)} characters, expected at most {MAX_CODE}"
        )


def spell(widths: tuple[int, ...], units: tuple[Unit, ...] = ()) -> str:
    """Widths and other choices as text, in runs; a width equal to that of the run before is left out."""
    parts, before = [], 0
    for (width, unit), run in groupby(zip(widths, units or ("",) * len(widths), strict=True)):
        times = len(list(run))
        item = f"{'' if width == before else width}{unit}"
        parts.append(f"{item or width}{f'x{times}' if times > 1 else ''}")
        before = width
    return "-".join(parts)
