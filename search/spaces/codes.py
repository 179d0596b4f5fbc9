"""From the one-line code of a space to the space."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from prototxt_gen.architectures import BLOCK_KINDS, FAMILIES, Backbone, Pyramid, Unit, parse_architecture
from prototxt_gen.errors import ArchitectureError
from search.spaces.backbones import BackboneSpace
from search.spaces.decoders import DecoderSpace, is_trunk_of_space
from search.spaces.space import Space

_KINDS = {kind.letter: name for name, kind in BLOCK_KINDS.items()}
_FAMILIES = {family.letter: name for name, family in FAMILIES.items()}

_NUMBERS = r"\d{1,9}(-\d{1,9})*"
_STAGE = re.compile(
    r"(?P<kind>[a-z])((?P<stride>[12])\.)?(?P<least>\d{1,9})-(?P<most>\d{1,9})"
    r"(?P<unit>(k(?P<kernel>\d{1,9}))?(e(?P<expansion>\d{1,9})|h(?P<inner>\d{1,9}))?(?P<squeeze>q)?)"
    rf"(w(?P<widths>{_NUMBERS}))?"
)
_PYRAMID = re.compile(rf"(?P<kind>[pq])(?P<width>\d{{1,9}})-(?P<out>\d{{1,9}})(\.(?P<bins>{_NUMBERS}))?")
_CHANNELS = re.compile(rf"(?P<kind>[de])(?P<levels>{_NUMBERS}(\.{_NUMBERS})*)")


class _Part(NamedTuple):
    """How a part of a code looks, whether it may be left out, and what it is."""

    pattern: str
    optional: bool
    meaning: str


_STEM = _Part(rf"[{''.join(_FAMILIES)}]{_NUMBERS}", False, "the stem's widths, such as s8-16")
_STAGES = _Part(_STAGE.pattern, False, "a stage with its fewest and most blocks, such as b1-3")
_WIDTHS = _Part(rf"w{_NUMBERS}", False, "the widths, such as w8-16-32")
_CLASSES = _Part(r"c\d{1,9}", False, "the number of classes, such as c10")
_INPUT = _Part(r"i\d{1,9}x\d{1,9}x\d{1,9}", False, "the input's channels, height and width, such as i3x32x32")
_OF_BACKBONES = (_STEM, _STAGES, _WIDTHS, _Part(r"h\d{1,9}", True, "the head's width"), _CLASSES, _INPUT)
_OF_DECODERS = (
    _Part(_PYRAMID.pattern, False, "the pyramid, such as p128-512"),
    _Part(_CHANNELS.pattern, False, "each map's channels, the deepest first, such as d32-128.19-32.19"),
    _Part(r"u\d{1,9}", True, "the upsampling, such as u8"),
    _CLASSES,
    _INPUT,
)


def parse_space_code(code: str) -> Space:
    """The space of a line such as "s8-16_b1-3_b1-3_b1-3_w8-16-32-64-128_c10_i3x32x32". ArchitectureError otherwise.

    Stem; then a stage each, a block's letter with its fewest and most blocks; widths; classes; input. docs/spaces.md
    has the whole grammar.
    """
    words = code.split("_") if len(code) < 4096 else []
    starts = [place for place, word in enumerate(words) if place and _CHANNELS.fullmatch(word)]
    if starts and starts[0] > 1:
        return _decoder_space(code, words, starts[0] - 1)
    _check(code, words, _OF_BACKBONES)
    return _backbone_space(words[:-2], int(words[-2][1:]), _input(words[-1]))


def _decoder_space(code: str, words: list[str], pyramid: int) -> DecoderSpace:
    """`pyramid` is the place of the pyramid's part; the channels follow it."""
    rest = words[pyramid:]
    _check(code, rest, _OF_DECODERS, pyramid)
    trunk, shape = words[:pyramid], _input(rest[-1])
    backbone: Backbone | BackboneSpace
    if is_trunk_of_space(trunk):
        _check(code, trunk, (_STEM, _STAGES, _WIDTHS))
        backbone = _backbone_space(trunk, 1000, shape)
    else:
        found = parse_architecture("_".join([*trunk, "c1000"]))
        assert isinstance(found, Backbone)
        backbone = found
    of_pyramid, of_channels = _matched(_PYRAMID, rest[0]), _matched(_CHANNELS, rest[1])
    bins = {"bins": _numbers(of_pyramid["bins"])} if of_pyramid["bins"] else {}
    upsampling = rest[2] if rest[2][0] == "u" else "u1"
    return DecoderSpace(
        backbone,
        tuple(_numbers(level) for level in of_channels["levels"].split(".")),
        int(rest[-2][1:]),
        Pyramid(int(of_pyramid["width"]), int(of_pyramid["out"]), square=of_pyramid["kind"] == "p", **bins),
        of_channels["kind"] == "e",
        int(upsampling[1:]),
        shape,
    )


def _backbone_space(words: Sequence[str], classes: int, shape: tuple[int, int, int, int]) -> BackboneSpace:
    """The space of stem, stages, widths, and a head if there is one."""
    end = max(place for place, word in enumerate(words) if word[0] == "w")
    stages = [_matched(_STAGE, word) for word in words[1:end]]
    unknown = [word for word in words[1:end] if word[0] not in _KINDS]
    if unknown:
        raise ArchitectureError(
            f"space {'_'.join(words)!r}: stages {unknown}, expected them to begin with one of {', '.join(_KINDS)}"
        )
    widths = _numbers(words[end][1:])
    sets = [_numbers(stage["widths"]) if stage["widths"] else widths for stage in stages]
    return BackboneSpace(
        depths=tuple((int(stage["least"]), int(stage["most"])) for stage in stages),
        widths=widths,
        kinds=tuple(_KINDS[stage["kind"]] for stage in stages),
        stem=_numbers(words[0][1:]),
        classes=classes,
        input_shape=shape,
        family=_FAMILIES[words[0][0]],
        head=int(words[end + 1][1:]) if len(words) > end + 1 else None,
        strides=tuple(int(stage["stride"] or 2) for stage in stages),
        units=tuple(_unit(stage) for stage in stages),
        stage_widths=tuple(sets),
    )


def _unit(stage: re.Match[str]) -> Unit | None:
    if not stage["unit"]:
        return None
    kernel, expansion, inner = int(stage["kernel"] or 3), int(stage["expansion"] or 0), int(stage["inner"] or 0)
    return Unit(kernel, expansion, inner, bool(stage["squeeze"]))


def _matched(pattern: re.Pattern[str], word: str) -> re.Match[str]:
    found = pattern.fullmatch(word)
    assert found is not None
    return found


def _check(code: str, words: Sequence[str], parts: Sequence[_Part], before: int = 0) -> None:
    """ArchitectureError with the first part that does not fit; `before` parts of the code stand before these."""
    fault = _fault(words, parts, before)
    if fault:
        raise ArchitectureError(
            f"space {code[:80]!r}: {fault}expected stem, stages with their depths, widths, classes, "
            "input, such as s8-16_b1-3_b1-3_b1-3_w8-16-32-64-128_c10_i3x32x32"
        )


def _fault(words: Sequence[str], parts: Sequence[_Part], before: int) -> str:
    """The first part of a wrong code that does not fit, and what belongs there; empty where all fit."""
    wanted = 0
    for place, word in enumerate(words):
        following = words[place + 1] if place + 1 < len(words) else ""
        if wanted and parts[wanted - 1] is _STAGES and _STAGE.fullmatch(word) and not _is_widths(word, following):
            continue  # one more stage
        while wanted < len(parts) and parts[wanted].optional and not re.fullmatch(parts[wanted].pattern, word):
            wanted += 1
        if wanted == len(parts) or not re.fullmatch(parts[wanted].pattern, word):
            found = f"part {before + place + 1}, {word[:40]!r}, is not "
            if wanted == len(parts):
                return found + "expected; "
            still = wanted and parts[wanted - 1] is _STAGES and word[:1] in _KINDS and word[:1] != "w"
            return f"{found}{parts[wanted - 1 if still else wanted].meaning}; "
        wanted += 1
    missing = [part for part in parts[wanted:] if not part.optional]
    return f"ends before {missing[0].meaning}; " if missing else ""


def _is_widths(word: str, following: str) -> bool:
    """Whether a part is the widths: w1-3 may also be a stage of ResNet's bottlenecks, which others follow."""
    return bool(re.fullmatch(_WIDTHS.pattern, word)) and following[:1] not in _KINDS | {"w": ""}


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("-"))


def _input(word: str) -> tuple[int, int, int, int]:
    channels, height, width = (int(size) for size in word[1:].split("x"))
    return (1, channels, height, width)
