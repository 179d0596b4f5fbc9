"""Reading JSON that others wrote: what is no JSON is one fault, and nothing in it is passed over in silence."""

from __future__ import annotations

import json
import math
import os
from typing import Any

from prototxt_gen.errors import FormatError
from prototxt_gen.files import read_bytes

# A float holds numbers of up to 309 digits; Python reads whole numbers of any length.
_DIGITS = 300


def read_json(path: str | os.PathLike[str], what: str) -> Any:
    """The value in a file. FileError when it cannot be read, FormatError when it is no JSON; see `parse_json`."""
    return parse_json(read_bytes(path), os.fspath(path), what)


def parse_json(text: str | bytes, source: str, what: str) -> Any:
    """The value of a text. FormatError, naming the `source`, when it is no JSON.

    `what` says in the message what it should be. A name that an object has twice is a fault: readers of JSON do not
    agree on which counts. NaN and infinities, and whole numbers that no float holds (as infinities), are left to
    whoever checks the fields.
    """
    try:
        return json.loads(text, object_pairs_hook=_object, parse_int=_whole)
    except (ValueError, RecursionError) as fault:
        told = "it is nested too deeply" if isinstance(fault, RecursionError) else fault
        raise FormatError(f"{source}: not {what}: {told}") from fault


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for index, name in enumerate(names) if name in names[:index])
        raise ValueError(f"the name {twice[:100]!r} is there twice")
    return found


def _whole(digits: str) -> int | float:
    if len(digits) <= _DIGITS:
        return int(digits)
    return -math.inf if digits.startswith("-") else math.inf
