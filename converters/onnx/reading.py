"""An ONNX file to a network and its weights."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np

from converters.onnx.model import Model, read_model
from converters.onnx.network import Dialect, Network, Options
from converters.onnx.operators import OPERATORS, Call
from converters.onnx.values import Constant, Tensor
from converters.weights import Weights
from prototxt_gen.errors import UnsupportedError
from prototxt_gen.proto import NetParameter


def read_onnx(
    path: str | os.PathLike[str],
    dialect: Dialect = "bvlc",
    *,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
) -> tuple[NetParameter, Weights]:
    """The network of an ONNX file and its weights."""
    return to_network(read_model(path), Options(dialect), input_shapes)


def to_network(
    model: Model, options: Options, input_shapes: Mapping[str, Sequence[int]] | None = None
) -> tuple[NetParameter, Weights]:
    """A model as a network of Caffe. (First form, to be rebuilt.)"""
    net = Network(options)
    net.net.name = model.name
    values: dict[str, Constant | Tensor | None] = {"": None, **model.constants}
    faults = []
    for name, sizes in model.inputs.items():
        shape = tuple((input_shapes or {}).get(name, [size or 1 for size in sizes]))
        net.stem = name
        values[name] = net.layer("Input", [], input_param={"shape": [{"dim": list(shape)}]})
    for node in model.nodes:
        if any(value not in values for value in node.inputs):
            continue
        net.stem = node.name or node.outputs[0]
        call = Call(node, tuple(values[value] for value in node.inputs), model.opset)
        try:
            if node.operator not in OPERATORS:
                raise UnsupportedError("no such operator here")
            made = OPERATORS[node.operator](call, net)
        except UnsupportedError as fault:
            faults.append(f"node {node.name!r} ({node.operator}): {fault}")
            continue
        results = [made] if isinstance(made, (Tensor, np.ndarray)) else list(made)
        values.update(zip(node.outputs, results, strict=False))
    if faults:
        raise UnsupportedError(f"{model.name}: nodes that cannot be done ({len(faults)}): {'; '.join(faults)}")
    return net.net, net.weights
