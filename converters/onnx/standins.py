"""Stand-ins for what a refused node would make, so that the nodes behind it are judged in the same run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from converters.onnx.model import Model, Node, Unread
from converters.onnx.operators.checking import check_node
from converters.onnx.tensors import kind_of
from converters.onnx.values import Constant, Tensor
from prototxt_gen.errors import UnsupportedError

_SHOWN = 2**16
"""Inputs of so many bytes at most are shown to shape inference: it asks for shapes, axes and the like."""


@dataclass(frozen=True)
class StandIn:
    """A value that cannot be made; its shape where that is known."""

    shape: tuple[int, ...] | None = None
    whole: bool = False


def stand_ins(
    node: Node,
    inputs: Sequence[Constant | Tensor | StandIn | None],
    model: Model,
) -> dict[str, StandIn]:
    """By the names of a node's outputs: shapes as ONNX infers them for this one node, else as the file states them."""
    found = _inferred(node, inputs, model)
    made = {}
    for name in filter(None, node.outputs):
        shape, whole = found.get(name, (None, False))
        sizes = model.shapes.get(name)
        if shape is None and sizes is not None and None not in sizes[1:]:
            shape = tuple(1 if size is None else size for size in sizes)
        made[name] = StandIn(shape, whole)
    return made


def _inferred(
    node: Node, inputs: Sequence[Constant | Tensor | StandIn | None], model: Model
) -> dict[str, tuple[tuple[int, ...] | None, bool]]:
    import onnx
    from onnx import helper, numpy_helper

    try:
        check_node(node, model.opset)
    except UnsupportedError:
        return {}
    types, data = {}, {}
    for name, value in zip(node.inputs, inputs, strict=True):
        if value is None or not name:
            continue
        if value is not None and not isinstance(value, (Tensor, StandIn)):
            kind = helper.np_dtype_to_tensor_dtype(value.dtype)
            if value.nbytes <= _SHOWN:
                data[name] = numpy_helper.from_array(np.asarray(value), name)
        else:
            kind = onnx.TensorProto.INT64 if value.whole else onnx.TensorProto.FLOAT
        if value.shape is None:
            return {}
        types[name] = helper.make_tensor_type_proto(kind, value.shape)
    attributes = {
        name: numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
        for name, value in node.attributes.items()
        if not isinstance(value, Unread)
    }
    schema = onnx.defs.get_schema(node.operator, model.opset, "")
    try:
        proto = helper.make_node(node.operator, node.inputs, node.outputs, **attributes)
        made = onnx.shape_inference.infer_node_outputs(
            schema, proto, types, data, opset_imports=[helper.make_opsetid("", model.opset)]
        )
    except Exception:  # the library's own kinds: it says nothing of this node
        return {}
    found = {}
    for name, kind in made.items():
        tensor = kind.tensor_type
        sizes = [size.dim_value if size.HasField("dim_value") else -1 for size in tensor.shape.dim]
        shape = tuple(sizes) if tensor.HasField("shape") and min(sizes, default=0) >= 0 else None
        found[name] = shape, kind_of(tensor.elem_type) != "f"
    return found
