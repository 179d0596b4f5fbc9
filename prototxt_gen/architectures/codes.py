"""From the one-line code of an architecture to its spec."""

from __future__ import annotations

import re

from prototxt_gen.architectures.backbones import Backbone, Stage
from prototxt_gen.architectures.decoders import Decoder, Pyramid
from prototxt_gen.architectures.kinds import BLOCK_KINDS, FAMILIES, Unit
from prototxt_gen.architectures.limits import MAX_BLOCKS, MAX_TYPED, short
from prototxt_gen.errors import ArchitectureError

_KINDS = {kind.letter: name for name, kind in BLOCK_KINDS.items()}
_FAMILIES = {family.letter: name for name, family in FAMILIES.items()}
_KINDS_LISTED = ", ".join(f"{letter} ({name})" for letter, name in _KINDS.items())
_FAMILIES_LISTED = ", ".join(f"{letter} ({name})" for letter, name in _FAMILIES.items())

# A run of equal blocks or widths: [width][what else is chosen][times].
_ITEM = re.compile(r"([0-9]{1,9})?(?:k([0-9]{1,9}))?(?:e([0-9]{1,9})|h([0-9]{1,9}))?(q)?(?:x([0-9]{1,9}))?")
_PYRAMID = re.compile(r"[pq]([0-9]{1,9})-([0-9]{1,9})(?:\.([0-9]{1,9}(?:-[0-9]{1,9})*))?")


def parse_architecture(code: str) -> Backbone | Decoder:
    """The architecture that `code` stands for: `parse_architecture(str(a)) == a`.

    It is a Decoder if the code has a part for a decoder's channels (`d128-32-19`), else a Backbone. Runs need not be
    spelled the canonical way (`b64-64` is read as `b64x2`). ArchitectureError names the code, the part, what was found
    and what was expected. Parsing takes a bounded time for any code.
    """
    if not isinstance(code, str):
        raise ArchitectureError(f"architecture: found {short(code)}, expected a code such as s32-64_b64x2_c10")
    if len(code) > MAX_TYPED:
        raise ArchitectureError(f"architecture {short(code)}: {len(code)} characters, expected at most {MAX_TYPED}")
    try:
        return _parse(code)
    except ArchitectureError as fault:
        if str(fault).startswith("architecture "):
            raise
        raise ArchitectureError(f"architecture {short(code)}: {fault}") from None


def parse_backbone(code: str) -> Backbone:
    """`parse_architecture` of a code that must stand for a backbone."""
    found = parse_architecture(code)
    if not isinstance(found, Backbone):
        raise ArchitectureError(f"architecture {short(code)}: found a segmentation network, expected a backbone")
    return found


def _parse(code: str) -> Backbone | Decoder:
    parts = code.split("_")
    if len(parts) < 3 or parts[0][:1] not in _FAMILIES or parts[-1][:1] != "c":
        raise ArchitectureError(
            f"expected parts joined by '_': the stem (s32-64, the letter being one of {_FAMILIES_LISTED}), "
            f"one part a stage ({_KINDS_LISTED}), the classes (c1000)"
        )
    classes = _read_number(parts.pop(), "classes as in c1000")
    # From the end: upsampling stands after a decoder's channels only, where no stage of shuffle units can.
    upsampling = parts.pop() if parts[-1][:1] == "u" and parts[-2][:1] in ("d", "e") else ""
    channels = parts.pop() if parts[-1][:1] in ("d", "e") else ""
    pyramid = parts.pop() if channels and parts[-1][:1] in ("p", "q") else ""
    head = parts.pop() if not channels and parts[-1][:1] == "h" else ""
    stem = _read_widths(parts[0])
    stages, blocks = [], 0
    for part in parts[1:]:
        if part[:1] not in _KINDS:
            raise ArchitectureError(f"part {short(part)}, expected a stage that begins with {_KINDS_LISTED}")
        widths, units, stride = _read_stage(part)
        blocks += len(widths)
        if blocks > MAX_BLOCKS:
            raise ArchitectureError(f"{blocks} blocks or more, expected at most {MAX_BLOCKS}")
        stages.append(Stage(_KINDS[part[0]], widths, units, stride))
    family = _FAMILIES[parts[0][0]]
    if not channels:
        return Backbone(
            tuple(stages), stem, classes, family, _read_number(head, "a head as in h1280") if head else None
        )
    return Decoder(
        Backbone(tuple(stages), stem, family=family),
        _read_widths(channels),
        classes,
        _read_pyramid(pyramid),
        channels[0] == "e",
        _read_number(upsampling, "upsampling as in u8") if upsampling else 1,
    )


def _read_number(part: str, expected: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", part[1:]):
        raise ArchitectureError(f"part {short(part)}, expected {expected}")
    return int(part[1:])


def _read_pyramid(part: str) -> Pyramid:
    found = _PYRAMID.fullmatch(part)
    if not found:
        raise ArchitectureError(
            f"part {short(part)}, expected the pyramid before the decoder's channels, as in p128-512 or q48-192.1-2-4"
        )
    width, out_channels, bins = found.groups()
    chosen = tuple(int(parts) for parts in bins.split("-")) if bins else (1, 2, 4, 8)
    return Pyramid(int(width), int(out_channels), chosen, part[0] == "p")


def _read_widths(part: str) -> tuple[int, ...]:
    widths, units, stride = _read_stage(part)
    if units or stride != 2:
        raise ArchitectureError(f"part {short(part)}, expected {part[0]!r} and widths as in {part[0]}64x3-128")
    return widths


def _read_stage(part: str) -> tuple[tuple[int, ...], tuple[Unit, ...], int]:
    """Widths, units (none where only widths are chosen) and the first block's stride."""
    strided = re.match(r".([12])\.", part)
    items = [_ITEM.fullmatch(item) for item in part[3 if strided else 1 :].split("-")]
    widths: list[int] = []
    units: list[Unit] = []
    width = 0
    for item in items:
        if item is None or not item[0] or item[0][0] == "x" or not (item[1] or width):
            raise ArchitectureError(f"part {short(part)}, expected {part[0]!r} and widths as in {part[0]}64x3-128")
        width = int(item[1] or width)
        unit = Unit(int(item[2] or 3), int(item[3] or 0), int(item[4] or 0), bool(item[5]))
        times = int(item[6] or 1)
        if not 0 < times <= MAX_BLOCKS - len(widths):
            raise ArchitectureError(
                f"part {short(part)} has runs of {[times]}, expected 1 to {MAX_BLOCKS} each and in total"
            )
        widths += [width] * times
        units += [unit] * times
    chosen = any(unit != Unit() for unit in units)
    return tuple(widths), tuple(units) if chosen else (), int(strided[1]) if strided else 2
