"""Stand-ins for what a refused node would make, so that the nodes behind it are judged in the same run.

Their shapes are those that the file states, else those that ONNX's shape inference finds. It is in C++ and trusts the
file: a broken one can crash it. So it runs in a process of its own, and only where a refused file states no shapes.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from converters.onnx.models.branches import Branch
from converters.onnx.models.model import Model, Sizes, Unread
from converters.onnx.models.tensors import kind_of
from prototxt_gen.layers import Shape

_SECONDS = 60
_SHOWN = 2**12
"""Constants of so many numbers at most are shown to shape inference: shapes, axes and the like."""

_SCRIPT = """
import sys
import onnx
model = onnx.ModelProto.FromString(sys.stdin.buffer.read())
sys.stdout.buffer.write(onnx.shape_inference.infer_shapes(model, data_prop=True).SerializeToString())
"""


@dataclass(frozen=True)
class StandIn:
    """A value that cannot be made; its shape where that is known."""

    shape: Shape | None = None
    whole: bool = False


def stated_stand_in(sizes: Sizes | None) -> StandIn:
    """One of a stated shape, whose first size may be open: 1 then, as where networks are read."""
    if sizes is None or None in sizes[1:]:
        return StandIn()
    return StandIn(tuple(1 if size is None else size for size in sizes))


def inferred_stand_ins(model: Model, inputs: Mapping[str, Shape]) -> dict[str, StandIn]:
    """By name the values whose shapes ONNX infers from those of the model's inputs; empty where that fails."""
    import onnx

    try:
        data = _proto(model, inputs).SerializeToString()
        command = [sys.executable, "-c", _SCRIPT]
        done = subprocess.run(command, input=data, capture_output=True, timeout=_SECONDS, check=True)  # noqa: S603
        graph = onnx.ModelProto.FromString(done.stdout).graph
    except Exception:  # a crash, a wait without end, exceptions of the library's own kinds
        return {}
    found = {}
    for value in (*graph.value_info, *graph.output):
        tensor = value.type.tensor_type
        sizes = [size.dim_value if size.HasField("dim_value") else -1 for size in tensor.shape.dim]
        if tensor.HasField("shape") and min(sizes, default=0) >= 0:
            found[value.name] = StandIn(tuple(sizes), kind_of(tensor.elem_type) != "f")
    return found


def _proto(model: Model, inputs: Mapping[str, Shape]) -> Any:
    """The model with its inputs' shapes, and large constants as inputs of their shapes."""
    from onnx import TensorProto, helper, numpy_helper

    float32, whole = TensorProto.FLOAT, TensorProto.INT64
    values = [
        helper.make_tensor_value_info(name, whole if name in model.whole else float32, shape)
        for name, shape in inputs.items()
    ]
    constants = []
    for name, array in model.constants.items():
        if array.size <= _SHOWN:
            constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        else:
            kind = helper.np_dtype_to_tensor_dtype(array.dtype)
            values.append(helper.make_tensor_value_info(name, kind, array.shape))
    nodes = []
    for node in model.nodes:
        attributes = {
            name: numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
            for name, value in node.attributes.items()
            if not isinstance(value, (Branch, Unread)) and value != []
        }
        if node.operator.startswith("caffe."):  # made by patterns.py, of its first input's shape
            made = helper.make_node("Identity", node.inputs[:1], node.outputs)
        else:
            made = helper.make_node(node.operator, node.inputs, node.outputs, domain=node.domain, **attributes)
        nodes.append(made)
    outputs = [helper.make_empty_tensor_value_info(name) for name in model.outputs]
    graph = helper.make_graph(nodes, "net", values, outputs, constants)
    domains = {node.domain for node in model.nodes if node.domain}
    opsets = [helper.make_opsetid("", model.opset), *(helper.make_opsetid(domain, 1) for domain in sorted(domains))]
    return helper.make_model(graph, opset_imports=opsets)
