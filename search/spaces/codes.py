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
            f"space {code[:80]!r}: expected stem, stages with their depths, widths, classes, input, such as "
            "s8-16_b1-3_b1-3_b1-3_w8-16-32-64-128_c10_i3x32x32"
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


def _numbers(text: str, separator: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(separator))
