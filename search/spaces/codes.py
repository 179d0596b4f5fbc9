"""From the one-line code of a space to the space."""

from __future__ import annotations

import re

from prototxt_gen.architectures import BLOCK_KINDS
from prototxt_gen.errors import ArchitectureError
from search.spaces.backbones import BackboneSpace

_CODE = re.compile(
    r"s(?P<stem>\d+(-\d+)*)_(?P<stages>[a-z]\d+-\d+(_[a-z]\d+-\d+)*)_w(?P<widths>\d+(-\d+)*)"
    r"_c(?P<classes>\d+)_i(?P<input>\d+x\d+x\d+)"
)


def parse_space(code: str) -> BackboneSpace:
    """The space of a line such as "s8-16_b1-3_b1-3_b1-3_w8-16-32-64-128_c10_i3x32x32". ArchitectureError otherwise.

    Stem; then a stage each, `b` basic or `n` bottleneck with its fewest and most blocks; widths; classes; input.
    """
    found = _CODE.fullmatch(code) if len(code) < 4096 else None
    if found is None:
        raise ArchitectureError(
            f"space {code[:80]!r}: {_fault(code[:4096])}expected stem, stages with their depths, widths, classes, "
            "input, such as s8-16_b1-3_b1-3_b1-3_w8-16-32-64-128_c10_i3x32x32"
        )
    stages = found["stages"].split("_")
    kinds = {kind.letter: name for name, kind in BLOCK_KINDS.items()}
    unknown = [stage for stage in stages if stage[0] not in kinds]
    if unknown:
        raise ArchitectureError(
            f"space {code!r}: stages {unknown}, expected them to begin with one of {', '.join(kinds)}"
        )
    channels, height, width = _numbers(found["input"], "x")
    return BackboneSpace(
        depths=tuple((least, most) for least, most in (_numbers(stage[1:], "-") for stage in stages)),
        widths=_numbers(found["widths"], "-"),
        kinds=tuple(kinds[stage[0]] for stage in stages),
        stem=_numbers(found["stem"], "-"),
        classes=int(found["classes"]),
        input_shape=(1, channels, height, width),
    )


#: How the parts of a code look, in their order, and what each is.
_PARTS = (
    (r"s\d+(-\d+)*", "the stem's widths, such as s8-16"),
    (r"[a-z]\d+-\d+", "a stage with its fewest and most blocks, such as b1-3"),
    (r"w\d+(-\d+)*", "the widths, such as w8-16-32"),
    (r"c\d+", "the number of classes, such as c10"),
    (r"i\d+x\d+x\d+", "the input's channels, height and width, such as i3x32x32"),
)


def _fault(code: str) -> str:
    """The first part of a wrong code that does not fit, and what belongs there."""
    words, wanted = code.split("_"), 0
    for place, word in enumerate(words):
        at = min(wanted, len(_PARTS) - 1)
        if wanted == 2 and re.fullmatch(_PARTS[1][0], word):
            continue  # one more stage
        if wanted == len(_PARTS) or not re.fullmatch(_PARTS[at][0], word):
            meant = 1 if wanted == 2 and word[:1] in [kind.letter for kind in BLOCK_KINDS.values()] else at
            found = f"part {place + 1}, {word[:40]!r}, is not "
            return found + ("expected; " if wanted == len(_PARTS) else f"{_PARTS[meant][1]}; ")
        wanted += 1
    return f"ends before {_PARTS[wanted][1]}; " if wanted < len(_PARTS) else ""


def _numbers(text: str, separator: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(separator))
