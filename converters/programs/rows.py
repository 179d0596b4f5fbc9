"""The layers of a network under the names that programs print: nodes, values, Splits, names cut off."""

from __future__ import annotations

import re
from collections.abc import Mapping

from prototxt_gen.proto import NetParameter

# What exporters and programs put behind a layer's name for what they add to it.
_BEHIND = "/._: ("


class Layers:
    """A network's layers by every name they go by. `types` are in order; inputs are among them."""

    def __init__(self, net: NetParameter, renamed: Mapping[str, str] | None = None) -> None:
        """`renamed` maps more names to layers."""
        self.types: dict[str, str] = {layer.name: layer.type for layer in net.layer}
        self._renamed = dict(renamed or {})
        # By top, the last layer that writes it.
        self._makers = {top: layer.name for layer in net.layer for top in layer.top}

    def exact(self, name: str) -> set[str]:
        """The layer of this name, or nothing."""
        name = self._renamed.get(name, name)
        return {name} & self.types.keys()

    def split(self, name: str) -> set[str]:
        """The layer whose top a Split of this name copies: BLOB_LAYER_NUMBER_split (Caffe: insert_splits.cpp)."""
        found = re.fullmatch(r"(.+)_\d+_split", name)
        if found is None:
            return set()
        return set().union(
            *(self.exact(found[1][len(top) + 1 :]) for top in self._makers if found[1].startswith(f"{top}_"))
        )

    def near(self, name: str) -> set[str]:
        """The layer of this name, or which makes this value, or whose name or value begins it: `conv1/weight`."""
        known = {**self._makers, **self._renamed, **{layer: layer for layer in self.types}}
        if name in known:
            return {known[name]}
        ends = [end for end in range(len(name) - 1, 0, -1) if name[end] in _BEHIND and name[:end] in known]
        return {known[name[: ends[0]]]} if ends else set()

    def beginning(self, text: str) -> set[str]:
        """All layers whose names begin with a text."""
        return {layer for layer in self.types if layer.startswith(text)}

    def between(self, first: str, last: str) -> list[set[str]]:
        """Each layer from one to another, in order; nothing where they are not there, or stand the other way round."""
        begin, end = self.near(first), self.near(last)
        if not begin or not end:
            return [begin, end]
        names = list(self.types)
        return [{name} for name in names[names.index(min(begin)) : names.index(min(end)) + 1]]

    def nth(self, kind: str, number: int) -> set[str]:
        """The layer of a type that comes at this place among those of its type, from 1 on."""
        found = [layer for layer, type_ in self.types.items() if type_ == kind]
        return {found[number - 1]} if 1 <= number <= len(found) else set()
