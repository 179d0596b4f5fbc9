"""An ONNX file as plain data: nodes, constants, inputs and outputs.

Beside exporting.py, the one file that knows the onnx package.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class Origin:
    """Where an exporter says a node came from, "" for what it does not say.

    `module`: the path of its module (`layer1.0.conv1`). `kind`: that module's class
    (`torch.nn.modules.conv.Conv2d`). `operation`: what was done there (`conv2d_3`). `source`: the user's line that led
    there (`net.py:17`).
    """

    module: str = ""
    operation: str = ""
    source: str = ""
    kind: str = ""


@dataclass(frozen=True)
class Unread:
    """An attribute that is not plain, such as a graph: `reason` says what it is."""

    reason: str


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
    origin: Origin = Origin()


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
                _origin({one.key: one.value for one in node.metadata_props}),
            )
            for node in graph.node
        ),
        max(one.version for one in proto.opset_import if one.domain in ("", "ai.onnx")),
        {one.name: sizes(one) for one in graph.value_info},
        proto.producer_name,
    )


_LONGEST = 1 << 16
_QUOTED = re.compile(r"""'([^'\\]*)'|"([^"\\]*)\"""")
_FRAME = re.compile(r'File "([^"\n]*)", line (\d+)')
_OWN_CODE = re.compile(r"[\\/]torch[\\/](?:nn|_|fx|utils|export|jit|onnx)")


def _origin(metadata: Mapping[str, str]) -> Origin:
    """What PyTorch's exporter leaves in a node's metadata (torch/onnx/_internal/exporter/_core.py)."""
    scopes = _texts(metadata.get("pkg.torch.onnx.name_scopes", ""))
    kinds = _texts(metadata.get("pkg.torch.onnx.class_hierarchy", ""))
    frames = _FRAME.findall(metadata.get("pkg.torch.onnx.stack_trace", "")[:_LONGEST])
    own = [frame for frame in frames if not _OWN_CODE.search(frame[0])] or frames
    return Origin(
        scopes[-2] if len(scopes) > 1 else "",
        scopes[-1] if scopes else "",
        ":".join(own[-1]) if own else "",
        kinds[-2] if len(kinds) > 1 else "",
    )


def _texts(listed: str) -> list[str]:
    """The texts in a list as Python writes one."""
    return [one or other for one, other in _QUOTED.findall(listed[:_LONGEST])]
