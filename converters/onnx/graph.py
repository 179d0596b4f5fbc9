"""A graph of ONNX under construction: unique names, nodes and initializers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

OPSET = 17
IR_VERSION = 8

Sizes: TypeAlias = tuple[int | str | None, ...]
"""The sizes of a value: a number, the name of a size that is open ("batch"), or None for one without a name."""


@dataclass(frozen=True)
class GraphNode:
    """One node: what it is, the values that it takes ("" where one is left out) and makes, its attributes."""

    operator: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclass
class Graph:
    """Nodes in the order in which they run, and constants by name. Names of values and nodes are unique."""

    inputs: dict[str, Sizes] = field(default_factory=dict)
    outputs: dict[str, Sizes] = field(default_factory=dict)
    nodes: list[GraphNode] = field(default_factory=list)
    constants: dict[str, NDArray[Any]] = field(default_factory=dict)
    _values: set[str] = field(default_factory=set)
    _names: set[str] = field(default_factory=set)
    _held: dict[int, str] = field(default_factory=dict)

    def value(self, name: str) -> str:
        """A new value called `name`, or with a number behind it where that is taken. No name is empty."""
        return _unique(name or "_", self._values)

    def node(
        self, operator: str, inputs: Sequence[str], outputs: Sequence[str], name: str, attributes: Mapping[str, Any]
    ) -> None:
        """Adds a node that makes values which `value` has named. Attributes that are None are left out."""
        stated = {key: value for key, value in attributes.items() if value is not None}
        made = GraphNode(operator, _unique(name or operator, self._names), tuple(inputs), tuple(outputs), stated)
        self.nodes.append(made)

    def constant(self, array: NDArray[Any] | Sequence[int] | float, name: str) -> str:
        """An initializer; lists of whole numbers become int64, other numbers float32. One array is held once."""
        if id(array) in self._held:
            return self._held[id(array)]
        made = np.asarray(array)
        if not isinstance(array, np.ndarray) and (made.dtype.kind in "iu" or not made.size):
            made = made.astype(np.int64)
        elif made.dtype == np.float64:
            made = made.astype(np.float32)
        value = self.value(name)
        self.constants[value] = made
        if made is array:  # so that its id stays its own
            self._held[id(made)] = value
        return value


def _unique(name: str, taken: set[str]) -> str:
    made, number = name, 1
    while made in taken:
        number += 1
        made = f"{name}_{number}"
    taken.add(made)
    return made
