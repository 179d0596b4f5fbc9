"""What a cut takes away from a space, in words: equal things of several places together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple


class Removal(NamedTuple):
    """What went: of the place of this kind ("stage", "layer", "map") and number, counted from 1."""

    kind: str
    number: int
    what: str


def removal_words(removals: Iterable[Removal]) -> tuple[str, ...]:
    """Removals in words: `layers 2 to 20: candidates k7e3, k7e6`."""
    places: dict[tuple[str, str], list[int]] = {}
    for kind, number, what in removals:
        places.setdefault((kind, what), []).append(number)
    return tuple(f"{_places(kind, numbers)}: {what}" for (kind, what), numbers in places.items())


def _places(kind: str, numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"{kind} {numbers[0]}"
    if len(numbers) > 2 and all(after == before + 1 for before, after in pairwise(numbers)):
        return f"{kind}s {numbers[0]} to {numbers[-1]}"
    return f"{kind}s {', '.join(map(str, numbers))}"
