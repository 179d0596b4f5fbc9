"""A target in words: what times were measured on, and where two of them differ."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

# What a field is called where its name says too little, and what 0 threads are.
_NAMES = {"unit": "runs on"}
_OWN_CHOICE = "the engine's choice"


def target_words(target: Mapping[str, Any]) -> str:
    """The target in one line: its engine, device, threads, precision and batch, as far as it names them."""
    words = [_shown(target[field]) for field in ("engine", "device") if target.get(field)]
    unit = target.get("unit")
    if unit and unit != "cpu":
        words[-1:] = [f"{word} ({_shown(unit)})" for word in words[-1:]] or [_shown(unit)]
    threads = target.get("threads")
    if threads:
        words.append(f"{_shown(threads)} thread{'' if threads == 1 else 's'}")
    if target.get("precision"):
        words.append(_shown(target["precision"]))
    if target.get("batch"):
        words.append(f"batch {_shown(target['batch'])}")
    return ", ".join(words) or "unknown target"


def target_differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The fields in which two targets differ, and what each says there ("-" where nothing).

    A field inside another is named with a dot: `versions.torch`. Words stand where a value means nothing to a reader.
    """
    one, other = flat(first), flat(second)
    names = [*one, *(name for name in other if name not in one)]
    return [
        (_NAMES.get(name, name), one.get(name, "-"), other.get(name, "-"))
        for name in names
        if one.get(name) != other.get(name)
    ]


def flat(target: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Every field of a target by its dotted name, as text."""
    found: dict[str, str] = {}
    for name, value in target.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{prefix}{name}.")
        else:
            is_open = f"{prefix}{name}" == "threads" and value == 0 and not isinstance(value, bool)
            found[f"{prefix}{name}"] = _OWN_CHOICE if is_open else _shown(value)
    return found


def _shown(value: Any) -> str:
    """A value as text that a terminal can show; a file may say anything."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text if text.isprintable() else ascii(text)
