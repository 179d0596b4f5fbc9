"""Calls of functions that an ONNX file defines itself, written out as the nodes within."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from converters.onnx.models.model import Node, Origin
from prototxt_gen.errors import FormatError

MOST_NODES = 50_000
"""Functions that call functions can make nodes without end: so many beyond those that the graph has itself."""

_DEEPEST = 32


@dataclass(frozen=True)
class Reference:
    """An attribute in a function that takes its value from an attribute of the call."""

    name: str


@dataclass(frozen=True)
class Function:
    """The values that a function takes and makes, the defaults of its attributes, its nodes."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    defaults: Mapping[str, Any]
    nodes: tuple[Node, ...]


Key = tuple[str, str, str]
"""Domain, name, and overload: the one that a node states in its attribute ""."""


def written_out(nodes: Sequence[Node], functions: Mapping[Key, Function]) -> list[Node]:
    """The nodes with every call of a function replaced by that function's own nodes.

    Values within get the call's name before their own. FormatError for functions that call each other in a circle or
    very deep, and for more than MOST_NODES nodes.
    """
    made: list[Node] = []
    if not functions:
        return list(nodes)
    taken = {value for node in nodes for value in (*node.inputs, *node.outputs)}
    steps = 0
    # The nodes to come, the next one last, with the functions that are being written out around them.
    coming: list[tuple[Node, tuple[Key, ...]]] = [(node, ()) for node in reversed(nodes)]
    while coming:
        node, callers = coming.pop()
        steps += 1
        if steps > len(nodes) + MOST_NODES:
            raise FormatError(f"found functions that make more than {MOST_NODES} nodes")
        key = (node.domain, node.operator, str(node.attributes.get("", "")))
        if key not in functions:
            made.append(node)
            continue
        if key in callers or len(callers) >= _DEEPEST:
            raise FormatError(f"{node}: found a function that calls itself, or more than {_DEEPEST} within each other")
        inner = body(node, functions[key], taken)
        coming.extend((one, (*callers, key)) for one in reversed(inner))
    return made


def body(call: Node, function: Function, taken: set[str]) -> list[Node]:
    """The nodes of one call. Values within get names that are not `taken`, and enter it.

    FormatError for more inputs or outputs than the function has.
    """
    if len(call.inputs) > len(function.inputs) or len(call.outputs) > len(function.outputs):
        raise FormatError(
            f"{call}: found {len(call.inputs)} inputs and {len(call.outputs)} outputs, expected at most "
            f"{len(function.inputs)} and {len(function.outputs)}"
        )
    stem = call.name or next(filter(None, call.outputs), call.operator)
    names = dict(zip(function.inputs, (*call.inputs, *[""] * len(function.inputs)), strict=False))
    names[""] = ""
    # An output that is an input of the function, too, needs a node of its own.
    passed = [output for output in function.outputs[: len(call.outputs)] if output in names]
    outputs = dict(zip(function.outputs, call.outputs, strict=False))
    names |= {inner: outer for inner, outer in outputs.items() if inner not in passed and outer}

    def name_of(value: str) -> str:
        if value not in names:
            wanted, number = f"{stem}/{value}", 1
            while wanted in taken:
                number += 1
                wanted = f"{stem}/{value}_{number}"
            taken.add(wanted)
            names[value] = wanted
        return names[value]

    made = []
    for node in function.nodes:
        attributes = {}
        for name, value in node.attributes.items():
            found = _attribute(value, call, function) if isinstance(value, Reference) else value
            if found is not None:
                attributes[name] = found
        made.append(
            replace(
                node,
                name=f"{stem}/{node.name}" if node.name else "",
                inputs=tuple(name_of(value) for value in node.inputs),
                outputs=tuple(name_of(value) for value in node.outputs),
                attributes=attributes,
                origin=call.origin if node.origin == Origin() else node.origin,
            )
        )
    made.extend(Node("", "Identity", "", (names[inner],), (outputs[inner],)) for inner in passed if outputs[inner])
    return made


def _attribute(value: Reference, call: Node, function: Function) -> Any:
    """What the call states, else the function's default, else None: the attribute is left out."""
    return call.attributes.get(value.name, function.defaults.get(value.name))
