"""LSTM and RNN, step by step as Caffe unrolls them, and as ONNX's own where every sequence is one from start to end.

ONNX's operators cannot begin a new sequence within the input, which `cont` does. Where `cont` is a constant that is 1
behind the first step, and there is no static input, one operator says it all.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from converters.onnx.layers.emitters import EMITTERS, Layer, constant_of
from converters.weights.blobs import Array


@EMITTERS.register("LSTM")
def lstm(layer: Layer) -> None:
    """Caffe: lstm_layer.cpp, lstm_unit_layer.cpp; gates in the order input, forget, output, candidate."""
    static, states = _others(layer)
    weight, bias, *middle, hidden_weight = layer.blobs
    size = layer.parameter.recurrent_param.num_output
    starts = _starts(layer)
    if starts is not None and not static:
        order = np.concatenate([np.arange(size) + size * gate for gate in (0, 2, 1, 3)])  # ONNX: i, o, f, c
        constants = _operator_blobs(layer, weight[order], hidden_weight[order], bias[order])
        initial = _continued(layer, states, starts)
        y = layer.value("y")
        layer.nodes("LSTM", [_rows(layer), *constants, *initial], [y, *layer.tops[1:]], hidden_size=size)
        layer.node("Squeeze", [y, layer.constant([1], "directions")], layer.tops[0])
        return
    gates, conts = _steps(layer, weight, bias, middle, static)
    product = layer.constant(hidden_weight.T, "hidden_weight")
    hidden, cell = states or (None, None)
    outputs: list[str] = []
    for step, (gate, cont) in enumerate(zip(gates, conts, strict=True)):
        tops = layer.tops[1:] if step == len(gates) - 1 else ()
        if hidden is not None:
            kept = layer.node("MatMul", [layer.node("Mul", [hidden, cont]), product])
            gate = layer.node("Add", [gate, kept])
        parts = [layer.value("gate") for _ in range(4)]
        layer.nodes("Split", [gate], parts, axis=2)
        keep, forget, give = (layer.node("Sigmoid", [part]) for part in parts[:3])
        new = [layer.node("Mul", [keep, layer.node("Tanh", [parts[3]])])]
        if cell is not None:
            new.insert(0, layer.node("Mul", [layer.node("Mul", [cont, forget]), cell]))
        cell = _sum(layer, new, tops[1] if tops else None)
        hidden = layer.node("Mul", [give, layer.node("Tanh", [cell])], tops[0] if tops else None)
        outputs.append(hidden)
    _join(layer, outputs)


@EMITTERS.register("RNN")
def rnn(layer: Layer) -> None:
    """Caffe: rnn_layer.cpp."""
    static, states = _others(layer)
    weight, bias, *middle, hidden_weight, output_weight, output_bias = layer.blobs
    size = layer.parameter.recurrent_param.num_output
    starts = _starts(layer)
    if starts is not None and not static:
        constants = _operator_blobs(layer, weight, hidden_weight, bias)
        initial = _continued(layer, states, starts)
        y = layer.value("y")
        layer.nodes("RNN", [_rows(layer), *constants, *initial], [y, *layer.tops[1:]], hidden_size=size)
        hiddens = layer.node("Squeeze", [y, layer.constant([1], "directions")])
    else:
        gates, conts = _steps(layer, weight, bias, middle, static)
        product = layer.constant(hidden_weight.T, "hidden_weight")
        hidden = states[0] if states else None
        outputs: list[str] = []
        for step, (gate, cont) in enumerate(zip(gates, conts, strict=True)):
            if hidden is not None:
                kept = layer.node("MatMul", [layer.node("Mul", [hidden, cont]), product])
                gate = layer.node("Add", [gate, kept])
            top = layer.tops[1] if step == len(gates) - 1 and states else None
            hidden = layer.node("Tanh", [gate], top)
            outputs.append(hidden)
        hiddens = layer.node("Concat", outputs, axis=0) if len(outputs) > 1 else outputs[0]
    made = layer.node("MatMul", [hiddens, layer.constant(output_weight.T, "output_weight")])
    made = layer.node("Add", [made, layer.constant(output_bias, "output_bias")])
    layer.node("Tanh", [made], layer.tops[0])


def _others(layer: Layer) -> tuple[str | None, tuple[str, ...]]:
    """The static input, or None, and the states from outside."""
    exposed = len(layer.tops) - 1
    rest = layer.bottoms[2:]
    static = rest[0] if len(rest) > exposed else None
    return static, rest[len(rest) - exposed :]


def _starts(layer: Layer) -> Array | None:
    """For each stream 0 where the first step begins a sequence, else 1; None where that can happen later."""
    cont = constant_of(layer, layer.bottoms[1])
    return None if cont is None or not (cont[1:] == 1).all() else cont[0]


def _operator_blobs(layer: Layer, weight: Array, hidden: Array, bias: Array) -> list[str]:
    """Weights and bias in the form of ONNX: one direction, a bias of the input and one of the states."""
    arrays = {"weight": weight, "hidden_weight": hidden, "bias": np.concatenate([bias, np.zeros_like(bias)])}
    return [layer.constant(np.ascontiguousarray(array[None]), name) for name, array in arrays.items()]


def _continued(layer: Layer, states: Sequence[str], starts: Array) -> list[str]:
    """The operator's last inputs: states (1, streams, outputs), 0 where the first step begins a sequence."""
    if not states:
        return []
    if (starts == 1).all():
        return ["", *states]
    continued = layer.constant(starts.reshape(1, -1, 1), "continued")
    return ["", *(layer.node("Mul", [state, continued]) for state in states)]


def _rows(layer: Layer) -> str:
    """The input as (steps, streams, inputs)."""
    bottom = layer.bottoms[0]
    if len(layer.row.bottom_shapes[0]) == 3:
        return bottom
    return layer.node("Reshape", [bottom, layer.constant([0, 0, -1], "rows")])


def _steps(
    layer: Layer, weight: Array, bias: Array, middle: Sequence[Array], static: str | None
) -> tuple[list[str], list[str]]:
    """What the inputs give to the gates (1, streams, gates), and `cont` (1, streams, 1), for each step."""
    made = layer.node("MatMul", [_rows(layer), layer.constant(weight.T, "weight")])
    made = layer.node("Add", [made, layer.constant(bias, "bias")])
    if static is not None:
        flat = layer.node("Flatten", [static], axis=1)
        made = layer.node("Add", [made, layer.node("MatMul", [flat, layer.constant(middle[0].T, "static_weight")])])
    steps = layer.row.bottom_shapes[0][0]
    known = constant_of(layer, layer.bottoms[1])
    if known is not None:
        conts = [layer.constant(known[step].reshape(1, -1, 1), "cont") for step in range(steps)]
    else:
        cont = layer.node("Unsqueeze", [layer.bottoms[1], layer.constant([2], "axes")])
        conts = _each(layer, cont, steps, "cont")
    return _each(layer, made, steps, "gates"), conts


def _each(layer: Layer, value: str, steps: int, what: str) -> list[str]:
    if steps == 1:
        return [value]
    parts = [layer.value(what) for _ in range(steps)]
    layer.nodes("Split", [value], parts, axis=0)
    return parts


def _sum(layer: Layer, terms: Sequence[str], top: str | None) -> str:
    if len(terms) > 1:
        return layer.node("Add", terms, top)
    return terms[0] if top is None else layer.node("Identity", terms, top)


def _join(layer: Layer, outputs: Sequence[str]) -> None:
    layer.node("Concat", outputs, layer.tops[0], axis=0)
