"""The checks that every spec makes of its numbers, and how messages show what was found."""

from __future__ import annotations

import operator
from itertools import islice
from typing import Any

from prototxt_gen.errors import ArchitectureError

# A convolution of 3x3 between two such layers still fits Caffe's blob of 2^31 - 1 numbers, and so does the classifier.
MAX_WIDTH = 8192
MAX_CLASSES = 100_000
MAX_BLOCKS = 1000
# A code names a folder or a file; with suffixes and the name of a file being written it stays under 255 bytes.
MAX_CODE = 200
# Codes typed by hand may be longer than the canonical one, but not without bound.
MAX_TYPED = 2000
# Convolutions keep the size of a map at stride 1, so kernels are odd.
MAX_KERNEL = 31


def whole_numbers(field: str, values: Any, most: int) -> tuple[int, ...]:
    """The values as whole numbers in 1..most, at least one and at most MAX_BLOCKS of them, or an ArchitectureError."""
    try:
        found = tuple(islice(values, MAX_BLOCKS + 1))
    except TypeError:
        raise ArchitectureError(f"{field} is {short(values)}, expected a tuple of whole numbers") from None
    if not 1 <= len(found) <= MAX_BLOCKS:
        count = "none" if not found else f"more than {MAX_BLOCKS}"
        raise ArchitectureError(f"{field} has {count}, expected 1 to {MAX_BLOCKS} whole numbers")
    return tuple(whole_number(field, value, most) for value in found)


def whole_number(field: str, value: Any, most: int, least: int = 1) -> int:
    """The value as a whole number in least..most, or an ArchitectureError that names the field."""
    try:
        number = least - 1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = least - 1
    if not least <= number <= most:
        raise ArchitectureError(f"{field} has {short(value)}, expected a whole number in {least}..{most}")
    return number


def flag(field: str, value: Any) -> bool:
    """The value if it is True or False, or an ArchitectureError that names the field."""
    if not isinstance(value, bool):
        raise ArchitectureError(f"{field} is {short(value)}, expected True or False")
    return value


def short(value: object) -> str:
    """The beginning of a value, for a message: what was found may be of any size."""
    try:
        text = repr(value[:80] if isinstance(value, (str, tuple, list)) else value)
    except ValueError:  # Python spells no number of more than 4300 digits
        text = f"a huge {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:77]}..."
