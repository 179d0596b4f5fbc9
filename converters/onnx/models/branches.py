"""The branches of an If, and the one that is taken written out in the node's place.

Exporters write an If where they do not know a shape: a Squeeze of an axis that may have one position, or none of it.
While a network is read shapes are known, and so are such conditions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from converters.onnx.models.model import Node


@dataclass(frozen=True)
class Branch:
    """The nodes and constants within, and the values of them, or from outside, that the If's outputs are."""

    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    constants: Mapping[str, NDArray[Any]]

    @property
    def inner(self) -> set[str]:
        """The values that are made within."""
        return {*self.constants, *(value for node in self.nodes for value in node.outputs if value)}

    @property
    def outer(self) -> tuple[str, ...]:
        """The values from outside that are taken within, each once."""
        used = [value for node in self.nodes for value in node.inputs] + list(self.outputs)
        inner = self.inner
        return tuple(dict.fromkeys(value for value in used if value and value not in inner))


def has_branches(node: Node) -> bool:
    """Whether the node is an If that was read with both its branches, and they make what it makes."""
    branches = [node.attributes.get(name) for name in ("then_branch", "else_branch")]
    return (
        node.operator == "If"
        and bool(node.inputs and node.inputs[0])
        and all(isinstance(branch, Branch) and len(branch.outputs) == len(node.outputs) for branch in branches)
    )


def taken_branch(node: Node, condition: bool, taken: set[str]) -> tuple[list[Node], dict[str, NDArray[Any]]]:
    """The nodes and constants of one branch, which make the node's outputs.

    Values within get the node's name before their own where theirs is `taken`, and enter it.
    """
    branch: Branch = node.attributes["then_branch" if condition else "else_branch"]
    stem = node.name or next(filter(None, node.outputs), node.operator)
    names: dict[str, str] = {}
    for value in sorted(branch.inner):
        wanted, number = value, 0
        while wanted in taken:
            wanted, number = f"{stem}/{value}" + (f"_{number}" if number else ""), number + 1
        taken.add(wanted)
        names[value] = wanted
    made = [_renamed(one, names) for one in branch.nodes]
    for inner, outer in zip(branch.outputs, node.outputs, strict=True):
        if outer:
            name = stem if len(node.outputs) == 1 else ""
            made.append(Node(name, "Identity", "", (names.get(inner, inner),), (outer,), origin=node.origin))
    return made, {names[name]: array for name, array in branch.constants.items()}


def _renamed(node: Node, names: Mapping[str, str]) -> Node:
    """The node, and branches within it, with values under other names."""
    attributes = {
        name: _renamed_branch(value, names) if isinstance(value, Branch) else value
        for name, value in node.attributes.items()
    }
    inputs, outputs = (tuple(names.get(value, value) for value in values) for values in (node.inputs, node.outputs))
    return replace(node, inputs=inputs, outputs=outputs, attributes=attributes)


def _renamed_branch(branch: Branch, names: Mapping[str, str]) -> Branch:
    inner = branch.inner
    outer = {name: new for name, new in names.items() if name not in inner}
    outputs = tuple(outer.get(value, value) for value in branch.outputs)
    return Branch(tuple(_renamed(node, outer) for node in branch.nodes), outputs, branch.constants)
