"""An ONNX file as plain data: nodes, constants, inputs and outputs.

Beside exporting.py, the one file that knows the onnx package.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from converters.onnx.origins import NOWHERE, Origin, origin_of


@dataclass(frozen=True)
class Node:
    """A node: its operator, the values that it takes ("" where one is left out) and makes, its attributes.

    Attributes are plain: numbers, text, lists of them, numpy arrays for tensors.
    """

    name: str
    operator: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    origin: Origin = NOWHERE


@dataclass(frozen=True)
class Model:
    """A model: `inputs` are those that are not constants, with None for a size that is open; nodes in running order."""

    name: str
    inputs: Mapping[str, tuple[int | None, ...]]
    outputs: tuple[str, ...]
    constants: Mapping[str, NDArray[Any]]
    nodes: tuple[Node, ...]
    opset: int
    shapes: Mapping[str, tuple[int | None, ...]] = field(default_factory=dict)
    producer: str = ""


def read_model(path: str | os.PathLike[str]) -> Model:
    """The model in a file."""
    import onnx

    return model_of(onnx.load(path))


def model_of(proto: Any) -> Model:
    """A ModelProto as a Model. (First form, to be rebuilt.)"""
    from onnx import helper, numpy_helper

    graph = proto.graph
    constants = {one.name: numpy_helper.to_array(one) for one in graph.initializer}

    def plain(value: Any) -> Any:
        found = helper.get_attribute_value(value)
        if value.type == value.TENSOR:
            return numpy_helper.to_array(found)
        return found.decode() if isinstance(found, bytes) else found

    def sizes(value: Any) -> tuple[int | None, ...]:
        return tuple(one.dim_value or None for one in value.type.tensor_type.shape.dim)

    return Model(
        graph.name,
        {one.name: sizes(one) for one in graph.input if one.name not in constants},
        tuple(one.name for one in graph.output),
        constants,
        tuple(
            Node(
                node.name,
                node.op_type,
                node.domain,
                tuple(node.input),
                tuple(node.output),
                {one.name: plain(one) for one in node.attribute},
                origin_of({one.key: one.value for one in node.metadata_props}),
            )
            for node in graph.node
        ),
        max(one.version for one in proto.opset_import if one.domain in ("", "ai.onnx")),
        {one.name: sizes(one) for one in graph.value_info},
        proto.producer_name,
    )
