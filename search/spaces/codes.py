"""From the one-line code of a space to the space."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product
from math import prod
from typing import NamedTuple

from prototxt_gen.architectures import BLOCK_KINDS, FAMILIES, Backbone, Pyramid, Unit, parse_architecture
from prototxt_gen.errors import ArchitectureError
from search.spaces.backbones import BackboneSpace
from search.spaces.decoders import DecoderSpace, is_trunk_of_space
from search.spaces.ponas import MOST_CANDIDATES, MOST_LAYERS, PonasLayer, PonasSpace
from search.spaces.space import Space
from search.spaces.tiered import TieredSpace, TieredStage

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
# One letter of a PONAS layer's candidates with the values that its field may have, in ASCII digits.
_FIELD = re.compile(r"(?P<name>[keh])(?P<numbers>[0-9]{1,9}(-[0-9]{1,9})*)|q(?P<flags>[01]-[01]|[01])?")
_TERM = r"(?:[keh][0-9]{1,9}(?:-[0-9]{1,9})*|q(?:[01](?:-[01])?)?)+"
_CANDIDATES = re.compile(rf"{_TERM}(\.{_TERM})*")
_LAYER = re.compile(
    r"i((?P<stride>[12])\.)?(?P<width>[0-9]{1,9})"
    rf"(?P<candidates>{_CANDIDATES.pattern})(x(?P<times>[0-9]{{1,9}}))?"
)
# What no stage of the other spaces looks like.
_BEGUN_LAYER = re.compile(r"i([12]\.)?[0-9]{1,9}[kehq]")

# A stage of Tiered Pruning: kinds, stride, width, kernels, inner widths, how many layers; and what all have of these.
_LIST = "[0-9]{1,9}(-[0-9]{1,9})*"
_TIERED_STAGE = re.compile(
    rf"(?P<kinds>if|[ifk])((?P<stride>[12])\.)?(?P<width>[0-9]{{1,9}})(k(?P<kernels>{_LIST}))?"
    rf"(h(?P<inner>{_LIST}(\.{_LIST})?))?"
    r"(x(?P<least>[0-9]{1,9})(-(?P<most>[0-9]{1,9}))?)?"
)
_INNER = re.compile(r"t(?P<granularity>[0-9]{1,9})\.(?P<expansion>[0-9]{1,9})(\.(?P<knots>[0-9]{1,9}))?")

# Codes are short but for those of layers with long lists of candidates.
_MOST_CHARACTERS = 300_000


class _Part(NamedTuple):
    """How a part of a code looks, whether it may be left out, what it is, and which letters may begin more of it."""

    pattern: str
    optional: bool
    meaning: str
    repeats: frozenset[str] = frozenset()


_STEM = _Part(rf"[{''.join(_FAMILIES)}]{_NUMBERS}", False, "the stem's widths, such as s8-16")
_STAGES = _Part(
    _STAGE.pattern, False, "a stage with its fewest and most blocks, such as b1-3", frozenset(_KINDS) - {"w"}
)
_WIDTHS = _Part(rf"w{_NUMBERS}", False, "the widths, such as w8-16-32")
_CLASSES = _Part(r"c\d{1,9}", False, "the number of classes, such as c10")
_INPUT = _Part(r"i\d{1,9}x\d{1,9}x\d{1,9}", False, "the input's channels, height and width, such as i3x32x32")
_HEAD = _Part(r"h\d{1,9}", True, "the head's width")
_OF_BACKBONES = (_STEM, _STAGES, _WIDTHS, _HEAD, _CLASSES, _INPUT)
_LAYERS = _Part(_LAYER.pattern, False, "a layer with its candidates, such as i24e3-6k3-5q0-1x2", frozenset("i"))
_OF_PONAS = (_STEM, _LAYERS, _HEAD, _CLASSES, _INPUT)
_OF_TIERED = (
    _STEM,
    _Part(_TIERED_STAGE.pattern, False, "a stage with its kinds of blocks, such as i24k3-5x1-3", frozenset("ifk")),
    _HEAD,
    _Part(_INNER.pattern, False, "the inner widths, such as t32.8"),
    _CLASSES,
    _INPUT,
)
_OF_DECODERS = (
    _Part(_PYRAMID.pattern, False, "the pyramid, such as p128-512"),
    _Part(_CHANNELS.pattern, False, "each map's channels, the deepest first, such as d32-128.19-32.19"),
    _Part(r"u\d{1,9}", True, "the upsampling, such as u8"),
    _CLASSES,
    _INPUT,
)


def parse_space_code(code: str) -> Space:
    """The space of a line such as "s8-16_b1-3_b1-3_b1-3_w8-16-32-64-128_c10_i3x32x32". ArchitectureError otherwise.

    Stem; then a stage each, a block's letter with its fewest and most blocks; widths; classes; input. Or stem; then
    PONAS's layers with their candidates; head; classes; input. Or stem; Tiered Pruning's stages; head; inner widths;
    classes; input. docs/spaces.md has the whole grammar.
    """
    words = code.split("_") if len(code) < _MOST_CHARACTERS else []
    starts = [place for place, word in enumerate(words) if place and _CHANNELS.fullmatch(word)]
    if starts and starts[0] > 1:
        return _decoder_space(code, words, starts[0] - 1)
    if any(_INNER.fullmatch(word) for word in words[1:]):
        _check(code, words, _OF_TIERED)
        return _tiered_space(words)
    if any(_BEGUN_LAYER.match(word) for word in words[1:]):
        _check(code, words, _OF_PONAS)
        return _ponas_space(words)
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


def _ponas_space(words: Sequence[str]) -> PonasSpace:
    """The space of stem, layers, a head if there is one, classes and input."""
    end = len(words) - 2
    head = None
    if words[end - 1][0] == "h":
        end -= 1
        head = int(words[end][1:])
    layers: list[PonasLayer] = []
    for place, word in enumerate(words[1:end], 2):
        layers += _layers(word, f"space: part {place}, {word[:40]!r}")
        if len(layers) > MOST_LAYERS:
            raise ArchitectureError(f"space: {len(layers)} layers up to part {place}, expected at most {MOST_LAYERS}")
    return PonasSpace(
        tuple(layers), _numbers(words[0][1:]), int(words[-2][1:]), _input(words[-1]), _FAMILIES[words[0][0]], head
    )


def _tiered_space(words: Sequence[str]) -> TieredSpace:
    """The space of stem, stages, a head if there is one, inner widths, classes and input."""
    end = len(words) - 3
    inner = _matched(_INNER, words[end])
    head = None
    if words[end - 1][0] == "h":
        end -= 1
        head = int(words[end][1:])
    stages = []
    for word in words[1:end]:
        found = _matched(_TIERED_STAGE, word)
        least = int(found["least"] or 1)
        stages.append(
            TieredStage(
                int(found["width"]),
                (least, int(found["most"] or least)),
                int(found["stride"] or 2),
                tuple(_KINDS[letter] for letter in found["kinds"]),
                _numbers(found["kernels"] or "3"),
                tuple(map(_numbers, found["inner"].split("."))) if found["inner"] else (),
            )
        )
    return TieredSpace(
        tuple(stages),
        _numbers(words[0][1:]),
        int(words[-2][1:]),
        _input(words[-1]),
        _FAMILIES[words[0][0]],
        head,
        int(inner["granularity"]),
        int(inner["expansion"]),
        int(inner["knots"]) if inner["knots"] else None,
    )


def _layers(word: str, where: str) -> list[PonasLayer]:
    """The layers that a part stands for; a stride of 2 is the first one's."""
    found = _matched(_LAYER, word)
    times = int(found["times"] or 1)
    if not 1 <= times <= MOST_LAYERS:
        raise ArchitectureError(f"{where}: found {times} layers, expected 1 to {MOST_LAYERS}")
    try:
        candidates = parse_candidates(found["candidates"])
    except ArchitectureError as fault:
        raise ArchitectureError(f"{where}: {fault}") from None
    first = PonasLayer(int(found["width"]), int(found["stride"] or 2), candidates)
    return [first, *[first._replace(stride=1)] * (times - 1)]


def parse_candidates(text: str) -> tuple[Unit, ...]:
    """The candidates of a text such as "e3-6k3-5.k7e6q", in order: `spell_candidates` backwards.

    ArchitectureError for a text of another form, for a letter that stands twice in a list of combinations, and for more
    candidates than a layer may have.
    """
    if not _CANDIDATES.fullmatch(text):
        raise ArchitectureError(f"candidates: found {text[:40]!r}, expected such as e3-6k3-5q0-1 or e3.k5e6q")
    made: list[Unit] = []
    for term in text.split("."):
        fields: dict[str, list[int]] = {}
        for field in _FIELD.finditer(term):
            name = field["name"] or "q"
            if name in fields:
                raise ArchitectureError(f"candidates: {term[:40]!r} has {name!r} twice, expected each letter once")
            fields[name] = [int(number) for number in (field["numbers"] or field["flags"] or "1").split("-")]
        number = len(made) + prod(map(len, fields.values()))
        if number > MOST_CANDIDATES:
            raise ArchitectureError(f"candidates: found {number} or more, expected at most {MOST_CANDIDATES}")
        for values in product(*fields.values()):
            chosen = dict(zip(fields, values, strict=True))
            made.append(Unit(chosen.get("k", 3), chosen.get("e", 0), chosen.get("h", 0), bool(chosen.get("q"))))
    return tuple(made)


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
        expected = {
            _OF_PONAS: "stem, layers with their candidates, a head if there is one, classes, input, such as "
            "m16_i24e3-6k3-5q0-1x2_h128_c10_i3x32x32",
            _OF_TIERED: "stem, stages with their kinds of blocks, a head if there is one, inner widths, classes, "
            "input, such as g16_if24k3-5x1-2_i48k3-5x1-3_h128_t8.6_c10_i3x32x32",
        }.get(
            tuple(parts),
            "stem, stages with their depths, widths, classes, input, such as "
            "s8-16_b1-3_b1-3_b1-3_w8-16-32-64-128_c10_i3x32x32",
        )
        raise ArchitectureError(f"space {code[:80]!r}: {fault}expected {expected}")


def _fault(words: Sequence[str], parts: Sequence[_Part], before: int) -> str:
    """The first part of a wrong code that does not fit, and what belongs there; empty where all fit."""
    wanted = 0
    for place, word in enumerate(words):
        following = words[place + 1] if place + 1 < len(words) else ""
        last = parts[wanted - 1] if wanted else None
        if last and last.repeats and re.fullmatch(last.pattern, word) and not _is_widths(word, following):
            continue  # one more stage or layer
        while wanted < len(parts) and parts[wanted].optional and not re.fullmatch(parts[wanted].pattern, word):
            wanted += 1
        if wanted == len(parts) or not re.fullmatch(parts[wanted].pattern, word):
            found = f"part {before + place + 1}, {word[:40]!r}, is not "
            if wanted == len(parts):
                return found + "expected; "
            behind = any(re.fullmatch(part.pattern, word) for part in parts[wanted:])
            still = last is not None and word[:1] in last.repeats and not behind
            return f"{found}{last.meaning if last and still else parts[wanted].meaning}; "
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
