"""Whether a node is as ONNX defines its operator: numbers of inputs and outputs, attributes and their types."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from converters.onnx.models.model import Node, Unread
from prototxt_gen.errors import UnsupportedError, need


def check_node(node: Node, opset: int) -> None:
    """UnsupportedError for a node that is not, and for operators of other domains."""
    need(not node.domain, f"the domain {node.domain!r} is not ONNX's own, nor is it a function that the file defines")
    schema = _schema(node.operator, opset)
    need(schema is not None, f"ONNX has no operator of this name in opset {opset}")
    if any(str(one.type).endswith("GRAPH") for one in schema.attributes.values()):
        raise UnsupportedError("a graph within the node: a network of Caffe runs all its layers, each once")
    given = len(node.inputs)
    while given and not node.inputs[given - 1]:
        given -= 1
    least, most = schema.min_input, schema.max_input
    need(least <= given <= most, f"found {given} inputs, expected {_range(least, most)}")
    least, most = schema.min_output, schema.max_output
    need(len(node.outputs) <= most, f"found {len(node.outputs)} outputs, expected {_range(least, most)}")
    attributes = _attributes(node.operator, opset)
    for name, value in node.attributes.items():
        need(name in attributes, f"found the attribute {name!r}, which it has not in opset {opset}")
        if isinstance(value, Unread):
            raise UnsupportedError(f"attribute {name!r}: {value.reason}")
        kind = attributes[name][0]
        need(_has_type(value, kind), f"attribute {name!r}: found {_short(value)}, expected {kind}")
    missing = [name for name, (_, required) in attributes.items() if required and name not in node.attributes]
    need(not missing, f"found no attribute {', '.join(map(repr, missing))}")


@lru_cache(maxsize=1024)
def _schema(operator: str, opset: int) -> Any:
    import onnx

    try:
        return onnx.defs.get_schema(operator, opset, "")
    except onnx.defs.SchemaError:
        return None


@lru_cache(maxsize=1024)
def _attributes(operator: str, opset: int) -> dict[str, tuple[str, bool]]:
    schema = _schema(operator, opset)
    return {name: (str(one.type).rpartition(".")[2], one.required) for name, one in schema.attributes.items()}


def _has_type(value: Any, kind: str) -> bool:
    if kind.endswith("S") and kind != "S":
        return isinstance(value, list) and all(_has_type(one, kind[:-1]) for one in value)
    types: dict[str, type] = {"INT": int, "FLOAT": float, "STRING": str, "TENSOR": np.ndarray}
    return kind in types and isinstance(value, types[kind])


def _short(value: Any) -> str:
    return f"a tensor of shape {value.shape}" if isinstance(value, np.ndarray) else repr(value)[:40]


def _range(least: int, most: int) -> str:
    return f"{least}" if least == most else f"{least} or more" if most > 2**30 else f"{least} to {most}"
