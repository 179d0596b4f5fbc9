"""NetParameter and weights to an ONNX file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from converters.onnx.graph import IR_VERSION, OPSET, Graph
from converters.onnx.layers import EMITTERS, Layer
from converters.weights import Weights, load_weights
from converters.weights.fitting import completed, fit_weights, unused
from converters.weights.merge import merge_batchnorm
from prototxt_gen.errors import UnsupportedError, WeightsError
from prototxt_gen.files import write_bytes
from prototxt_gen.flow import Value, flow_of, live_rows, output_names, passes_on
from prototxt_gen.layers import is_input
from prototxt_gen.passes.phase import select_phase
from prototxt_gen.proto import NetParameter
from prototxt_gen.trace import trace


def export_onnx(
    net: NetParameter,
    weights: Mapping[str, Sequence[ArrayLike]] | str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    outputs: Sequence[str] | None = None,
    merged: bool = True,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
) -> None:
    """Writes the network as ONNX."""
    write_bytes(path, to_model(net, weights, outputs, merged, input_shapes).SerializeToString())


def to_model(
    net: NetParameter,
    weights: Mapping[str, Sequence[ArrayLike]] | str | os.PathLike[str],
    outputs: Sequence[str] | None = None,
    merged: bool = True,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
) -> Any:
    """The network as an onnx.ModelProto. (First form, to be rebuilt.)"""
    import onnx
    from onnx import helper, numpy_helper

    arrays: Any = load_weights(weights, net) if isinstance(weights, (str, os.PathLike)) else weights
    selected = select_phase(net, "TEST", level=net.state.level)
    if merged:
        selected, arrays = merge_batchnorm(selected, arrays)
    rows = trace(selected, input_shapes)
    flow = flow_of(rows)
    names = output_names(flow, outputs)
    live, _ = live_rows(rows, flow, names)
    fitted, faults = fit_weights(rows, arrays)
    faults += unused(net, arrays)
    if faults:
        raise WeightsError(f"weights do not fit network {net.name!r}: {'; '.join(faults)}")
    blobs: Weights = completed(rows, fitted)
    graph = Graph()
    values: dict[Value, str] = {}
    last = {read.value: name for name, read in flow.final.items() if read.like is None}
    inputs, wrong = [], []
    for index in live:
        row = rows[index]
        if is_input(row.type):
            for place, top in enumerate(row.tops):
                values[Value(index, place)] = graph.value(top)
                inputs.append(helper.make_tensor_value_info(top, onnx.TensorProto.FLOAT, row.top_shapes[place]))
            continue
        if passes_on(row):
            continue
        for place in range(len(row.tops)):
            value = Value(index, place)
            values[value] = graph.value(last.get(value, f"{row.tops[place]}/{row.name}"))
        if row.type not in EMITTERS:
            wrong.append(f"layer {row.name!r} ({row.type}): no ONNX form for this type")
            continue
        try:
            EMITTERS[row.type](
                Layer(
                    graph,
                    row,
                    tuple(values[read.value] for read in flow.reads[index]),
                    tuple(values[Value(index, place)] for place in range(len(row.tops))),
                    tuple(blobs.get(row.name, ())),
                )
            )
        except UnsupportedError as fault:
            wrong.append(f"layer {row.name!r} ({row.type}): {fault}")
    if wrong:
        raise UnsupportedError(f"network {net.name!r}: layers that ONNX cannot say ({len(wrong)}): {'; '.join(wrong)}")
    made = [
        helper.make_tensor_value_info(values[flow.final[name].value], onnx.TensorProto.FLOAT, None) for name in names
    ]
    nodes = [
        helper.make_node(node.operator, list(node.inputs), list(node.outputs), node.name, **node.attributes)
        for node in graph.nodes
    ]
    constants = [numpy_helper.from_array(np.asarray(array, order="C"), name) for name, array in graph.constants.items()]
    body = helper.make_graph(nodes, net.name or "network", inputs, made, constants)
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
