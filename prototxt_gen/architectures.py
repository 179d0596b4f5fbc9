"""Architectures: frozen specs of networks, and the one-line codes that stand for them."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice, pairwise
from typing import Any, NamedTuple

from prototxt_gen.errors import ArchitectureError

# A convolution of 3x3 between two such layers still fits Caffe's blob of 2^31 - 1 numbers, and so does the classifier.
MAX_WIDTH = 8192
MAX_CLASSES = 100_000
MAX_BLOCKS = 1000
# A code names a folder or a file; with suffixes and the name of a file being written it stays under 255 bytes.
MAX_CODE = 200
# Codes typed by hand may be longer than the canonical one, but not without bound.
MAX_TYPED = 2000

_WIDTHS = re.compile(r"[0-9]{1,9}(x[0-9]{1,9})?(-[0-9]{1,9}(x[0-9]{1,9})?)*")


class BlockKind(NamedTuple):
    """What a code and a spec must know of a kind of block; how it is built stands in blocks.py."""

    letter: str
    out_channels: Callable[[int], int]


BLOCK_KINDS = {
    "basic": BlockKind("b", lambda width: width),
    "bottleneck": BlockKind("n", lambda width: min(4 * width, 1024)),
}
_KINDS_BY_LETTER = {kind.letter: name for name, kind in BLOCK_KINDS.items()}


class Block(NamedTuple):
    """One block where it stands in a backbone. `stage` and `position` (within the stage) count from 0."""

    stage: int
    position: int
    kind: str
    in_channels: int
    width: int
    out_channels: int
    stride: int
    needs_projection: bool

    @property
    def name(self) -> str:
        """What the release calls it: `res2.1` is the first block of the first stage."""
        return f"res{self.stage + 2}.{self.position + 1}"


@dataclass(frozen=True)
class Stage:
    """Blocks of one kind (a name in BLOCK_KINDS), one width each; the first of them has stride 2.

    ArchitectureError when the kind is unknown, there is no block, or a width is no whole number in 1..MAX_WIDTH.
    """

    block: str
    widths: tuple[int, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.block, str) or self.block not in BLOCK_KINDS:
            raise ArchitectureError(f"stage: block is {_short(self.block)}, expected one of {', '.join(BLOCK_KINDS)}")
        object.__setattr__(self, "widths", _whole_numbers("stage: widths", self.widths, MAX_WIDTH))

    def __str__(self) -> str:
        return BLOCK_KINDS[self.block].letter + _spell(self.widths)


@dataclass(frozen=True)
class Backbone:
    """A classification network: 3x3 convolutions of stride 2 (`stem`), stages of blocks, average pooling, a classifier.

    `str(backbone)` is its code, the only spelling: `s32-64_b64x3_b128x3_b256x3-512_c1000` has the stem 32, 64, three
    stages of basic blocks (`n` stands for bottlenecks) and 1000 classes. It is made of letters, digits, `-` and `_`,
    at most MAX_CODE of them, so that it serves as a file name and as a key.

    ArchitectureError when there is no stage, a width is below the one before (the stem is free of this rule), there
    are more than MAX_BLOCKS blocks, or a number is out of its range.
    """

    stages: tuple[Stage, ...]
    stem: tuple[int, ...] = (32, 64)
    classes: int = 1000

    def __post_init__(self) -> None:
        try:
            stages = tuple(islice(self.stages, MAX_BLOCKS + 1))
        except TypeError:
            raise ArchitectureError(f"backbone: stages is {_short(self.stages)}, expected a tuple of Stage") from None
        wrong = [stage for stage in stages if not isinstance(stage, Stage)]
        if wrong or not stages:
            found = _short(wrong[0]) if wrong else "empty"
            raise ArchitectureError(f"backbone: stages has {found}, expected at least one Stage and nothing else")
        object.__setattr__(self, "stages", stages)
        object.__setattr__(self, "stem", _whole_numbers("backbone: stem", self.stem, MAX_WIDTH))
        object.__setattr__(self, "classes", _whole_number("backbone: classes", self.classes, MAX_CLASSES))
        widths = [width for stage in stages for width in stage.widths]
        if len(widths) > MAX_BLOCKS:
            raise ArchitectureError(f"backbone: has {len(widths)} blocks, expected at most {MAX_BLOCKS}")
        code = str(self)
        for before, after in pairwise(widths):
            if after < before:
                raise ArchitectureError(
                    f"architecture {_short(code)}: width {after} follows {before}, expected widths that never decrease"
                )
        if len(code) > MAX_CODE:
            raise ArchitectureError(
                f"architecture {_short(code)}: the code has {len(code)} characters, expected at most {MAX_CODE}"
            )

    def __str__(self) -> str:
        return "_".join([f"s{_spell(self.stem)}", *map(str, self.stages), f"c{self.classes}"])

    def blocks(self) -> Iterator[Block]:
        """The blocks in order.

        The shortcut needs a projection where the stride is 2 or the width differs from the width of the block
        before, even when the channels agree (DF2A's res4.5).
        """
        channels, width_before = self.stem[-1], 0
        for number, stage in enumerate(self.stages):
            for position, width in enumerate(stage.widths):
                out = BLOCK_KINDS[stage.block].out_channels(width)
                stride = 2 if position == 0 else 1
                projection = position == 0 or width != width_before
                yield Block(number, position, stage.block, channels, width, out, stride, projection)
                channels, width_before = out, width


def parse_architecture(code: str) -> Backbone:
    """The architecture that `code` stands for; `parse_architecture(str(b)) == b`.

    Runs need not be spelled the canonical way (`b64-64` is read as `b64x2`). ArchitectureError names the code, the
    part, what was found and what was expected; the cost is bounded whatever the code.
    """
    if not isinstance(code, str):
        raise ArchitectureError(f"architecture: found {_short(code)}, expected a code such as s32-64_b64x2_c10")
    if len(code) > MAX_TYPED:
        raise ArchitectureError(f"architecture {_short(code)}: {len(code)} characters, expected at most {MAX_TYPED}")
    parts = code.split("_")
    letters = ", ".join(f"{letter} ({name})" for letter, name in _KINDS_BY_LETTER.items())
    if len(parts) < 3 or parts[0][:1] != "s" or parts[-1][:1] != "c":
        raise ArchitectureError(
            f"architecture {_short(code)}: expected parts joined by '_': the stem (s32-64), "
            f"one part a stage ({letters}), the classes (c1000)"
        )
    for part in parts[1:-1]:
        if part[:1] not in _KINDS_BY_LETTER:
            raise ArchitectureError(
                f"architecture {_short(code)}: part {_short(part)}, expected a stage that begins with {letters}"
            )
    if not re.fullmatch("c[0-9]{1,9}", parts[-1]):
        raise ArchitectureError(f"architecture {_short(code)}: part {_short(parts[-1])}, expected classes as in c1000")
    stem, *stages = (_read_widths(code, part) for part in parts[:-1])
    if (blocks := sum(map(len, stages))) > MAX_BLOCKS:
        raise ArchitectureError(f"architecture {_short(code)}: {blocks} blocks, expected at most {MAX_BLOCKS}")
    try:
        return Backbone(
            tuple(Stage(_KINDS_BY_LETTER[part[0]], widths) for part, widths in zip(parts[1:-1], stages, strict=True)),
            stem,
            int(parts[-1][1:]),
        )
    except ArchitectureError as fault:
        if str(fault).startswith("architecture "):
            raise
        raise ArchitectureError(f"architecture {_short(code)}: {fault}") from None


def _read_widths(code: str, part: str) -> tuple[int, ...]:
    if not _WIDTHS.fullmatch(part, 1):
        raise ArchitectureError(
            f"architecture {_short(code)}: part {_short(part)}, expected {part[0]!r} and widths as in {part[0]}64x3-128"
        )
    runs = [(int(width), int(times or 1)) for width, _, times in (run.partition("x") for run in part[1:].split("-"))]
    total = sum(times for _, times in runs)
    if total > MAX_BLOCKS or not all(times for _, times in runs):
        raise ArchitectureError(
            f"architecture {_short(code)}: part {_short(part)} has runs of {[times for _, times in runs]}, "
            f"expected 1 to {MAX_BLOCKS} each and in total"
        )
    return tuple(width for width, times in runs for _ in range(times))


def _spell(widths: Iterable[int]) -> str:
    runs = ((width, len(list(group))) for width, group in groupby(widths))
    return "-".join(f"{width}x{times}" if times > 1 else str(width) for width, times in runs)


def _whole_numbers(field: str, values: Any, most: int) -> tuple[int, ...]:
    try:
        found = tuple(islice(values, MAX_BLOCKS + 1))
    except TypeError:
        raise ArchitectureError(f"{field} is {_short(values)}, expected a tuple of whole numbers") from None
    if not 1 <= len(found) <= MAX_BLOCKS:
        count = "none" if not found else f"more than {MAX_BLOCKS}"
        raise ArchitectureError(f"{field} has {count}, expected 1 to {MAX_BLOCKS} whole numbers")
    return tuple(_whole_number(field, value, most) for value in found)


def _whole_number(field: str, value: Any, most: int) -> int:
    try:
        number = 0 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = 0
    if not 1 <= number <= most:
        raise ArchitectureError(f"{field} has {_short(value)}, expected a whole number in 1..{most}")
    return number


def _short(value: object) -> str:
    """Found values may be hostile: messages show their beginning only."""
    try:
        text = repr(value[:80] if isinstance(value, (str, tuple, list)) else value)
    except ValueError:  # Python spells no number of more than 4300 digits
        text = f"a huge {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:77]}..."
