"""Milliseconds as programs print them: decimal points or commas, and what is no time at all."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from prototxt_gen.errors import FormatError

# More rows than this help nobody.
_LISTED = 8


def milliseconds(printed: Sequence[tuple[str, str]], source: str) -> list[float]:
    """The numbers of rows (what it is the time of, the number as printed), in order.

    Some locales write 0,25 for 0.25 and 1.234,5 for 1234.5; which of the marks is the decimal one is told from all rows
    together. FormatError, which begins with `source`, lists all that are not finite numbers of at least 0.
    """
    mark = _decimal_mark(number for _, number in printed)
    found, faults = [], []
    for subject, text in printed:
        number = _number(text, mark)
        if number is None or not math.isfinite(number) or number < 0:
            faults.append(f"{subject}: {text}")
        else:
            found.append(number)
    if faults:
        listed = "; ".join(faults[:_LISTED]) + (f"; and {len(faults) - _LISTED} more" if len(faults) > _LISTED else "")
        raise FormatError(f"{source}: times: expected milliseconds, at least 0; found {listed}")
    return found


def _decimal_mark(numbers: Iterable[str]) -> str:
    """A comma where some number shows that it is one; a comma before three digits alone says nothing."""
    for text in numbers:
        if re.fullmatch(r"[+-]?(\d*,(\d{1,2}|\d{4,})|0?,\d+|\d{1,3}(\.\d{3})+,\d+)([eE][+-]?\d+)?", text):
            return ","
    return "."


def _number(text: str, mark: str) -> float | None:
    other = "." if mark == "," else ","
    # The other mark may only part groups of three digits.
    if other in text and not re.match(rf"[+-]?\d{{1,3}}({re.escape(other)}\d{{3}})+(?!\d)", text):
        return None
    try:
        return float(text.replace(other, "").replace(mark, "."))
    except ValueError:
        return None
