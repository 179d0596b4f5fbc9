"""The table of ONNX operators, and what every reader in it uses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from converters.onnx.models.model import Node
from converters.onnx.network import Network
from converters.onnx.values import Constant, Tensor
from prototxt_gen.errors import UnsupportedError, need
from prototxt_gen.registry import Registry


@dataclass(frozen=True)
class Call:
    """A node with what its inputs are: constants (numpy arrays), tensors in blobs, None where one is left out."""

    node: Node
    inputs: tuple[Constant | Tensor | None, ...]
    opset: int

    @property
    def operator(self) -> str:
        """The operator's name."""
        return self.node.operator

    def attribute(self, name: str, default: Any = None) -> Any:
        """An attribute, or its default."""
        return self.node.attributes.get(name, default)

    def has(self, place: int) -> bool:
        """Whether an input is given."""
        return place < len(self.inputs) and self.inputs[place] is not None

    def tensor(self, place: int) -> Tensor:
        """An input that must be a tensor. UnsupportedError where it is a constant or left out."""
        found = self.inputs[place] if self.has(place) else None
        if not isinstance(found, Tensor):
            raise UnsupportedError(f"input {place}: found {'a constant' if self.has(place) else 'none'}")
        return found

    def constant(self, place: int) -> Constant | None:
        """An input that must be a constant, None where it is left out. UnsupportedError where it is computed."""
        found = self.inputs[place] if self.has(place) else None
        if isinstance(found, Tensor):
            raise UnsupportedError(f"input {place}: found a value that the network computes, expected a constant")
        return found

    def numbers(self, place: int, attribute: str | None = None) -> list[int] | None:
        """Whole numbers of a constant input, or of the attribute that older opsets have in its place; None: neither."""
        found = self.constant(place)
        if found is not None:
            need(found.dtype.kind in "iu", f"input {place}: found real numbers, expected whole ones")
            return [int(number) for number in np.asarray(found).reshape(-1)]
        stated = self.attribute(attribute) if attribute else None
        return None if stated is None else [int(number) for number in stated]


Result: TypeAlias = "Constant | Tensor | Sequence[Constant | Tensor]"
Reader: TypeAlias = Callable[[Call, Network], Result]

OPERATORS: Registry[Reader] = Registry("ONNX operator")
"""Operator -> reader, which adds layers to the network and returns what the node's outputs are.

Nodes whose inputs are all constants never come here: they are computed when they are met. For what Caffe cannot do a
reader raises UnsupportedError with the reason only.
"""

REFUSED: dict[str, str] = {}
"""Operator -> reason, of those that Caffe never does, whatever their inputs are. They are in OPERATORS, too."""


def refuse(reason: str, *operators: str) -> None:
    """Enters operators that Caffe never does."""

    def read(call: Call, net: Network) -> Tensor:
        raise UnsupportedError(reason)

    read.__doc__ = f"Refused: {reason}."
    for operator in operators:
        OPERATORS.register(operator)(read)
        REFUSED[operator] = reason
