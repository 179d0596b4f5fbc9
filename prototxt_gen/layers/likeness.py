"""What layers have in common but for their names: layers that are alike have the same shapes and the same limits."""

from __future__ import annotations

from typing import NamedTuple

from prototxt_gen.proto import LayerParameter, to_bytes


class Likeness(NamedTuple):
    """All of a layer but the names: two layers that are equal in this differ in the names of layers and blobs alone.

    `names`: the bottoms and then the tops as numbers, equal where the names are.
    """

    rest: bytes
    bottoms: int
    names: tuple[int, ...]


def likeness(layer: LayerParameter) -> Likeness | None:
    """Of one layer; None where it carries blobs, which are too much to compare."""
    if layer.blobs:
        return None
    rest = LayerParameter()
    rest.CopyFrom(layer)
    for field in ("name", "bottom", "top"):
        rest.ClearField(field)
    bottoms = list(layer.bottom)
    numbers: dict[str, int] = {}
    names = tuple([numbers.setdefault(name, len(numbers)) for name in (*bottoms, *layer.top)])
    return Likeness(to_bytes(rest), len(bottoms), names)
