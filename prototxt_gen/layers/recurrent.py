"""RNN and LSTM over time, as Caffe unrolls them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from prototxt_gen.layers.layer_types import (
    LayerShape,
    Shape,
    check_in_place,
    count,
    layer_type,
    require,
    weight_and_bias,
)
from prototxt_gen.proto import LayerParameter

_recurrent_type = partial(
    layer_type,
    has_blobs=True,
    options=("recurrent_param",),
    switches=(1,),
    does="cont, a static input, expose_hidden",
)


@_recurrent_type(
    "LSTM",
    source="lstm_layer.cpp",
    bottoms=(2, 5),
    tops=(1, 3),
    differs="every call starts from zeros: where Caffe goes on from the last batch use expose_hidden",
)
def lstm(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """(steps, streams, num_output), and h and c of the last step if exposed (Caffe: lstm_layer.cpp).

    Blobs: of the input (4 outputs, inputs) and (4 outputs,), of the static input, of h; gates i, f, o, g.
    """
    outputs, inputs, static, steps = _recurrent(layer, bottoms, states=2)
    blobs: list[Shape] = [(4 * outputs, inputs), (4 * outputs,)]
    fillers = weight_and_bias("recurrent_param")
    if static:
        blobs.append((4 * outputs, static))
        fillers += (fillers[0],)
    blobs.append((4 * outputs, outputs))
    fillers += (fillers[0],)
    streams = bottoms[0][1]
    costs = 4 * outputs * streams * (steps * (inputs + outputs) + static)
    state = (1, streams, outputs)
    return LayerShape(((steps, streams, outputs), state, state)[: len(layer.top)], tuple(blobs), costs, fillers)


@_recurrent_type(
    "RNN",
    source="rnn_layer.cpp",
    bottoms=(2, 4),
    tops=(1, 2),
    differs="as LSTM",
)
def rnn(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """(steps, streams, num_output), and h of the last step if exposed (Caffe: rnn_layer.cpp).

    Blobs: of the input (outputs, inputs) and (outputs,), of the static input, of h, of the output with its bias.
    """
    outputs, inputs, static, steps = _recurrent(layer, bottoms, states=1)
    blobs: list[Shape] = [(outputs, inputs), (outputs,)]
    weight, bias = fillers = weight_and_bias("recurrent_param")
    if static:
        blobs.append((outputs, static))
        fillers += (weight,)
    blobs += [(outputs, outputs), (outputs, outputs), (outputs,)]
    fillers += (weight, weight, bias)
    streams = bottoms[0][1]
    costs = outputs * streams * (steps * (inputs + 2 * outputs) + static)
    return LayerShape(
        ((steps, streams, outputs), (1, streams, outputs))[: len(layer.top)], tuple(blobs), costs, fillers
    )


def _recurrent(layer: LayerParameter, bottoms: Sequence[Shape], states: int) -> tuple[int, int, int, int]:
    """Numbers of outputs, of inputs, of static inputs (0 without), of steps (Caffe: recurrent_layer.cpp).

    Bottoms: the input (steps, streams, ...), the marks that continue a sequence (steps, streams), then perhaps a
    static input (streams, ...), then, if hidden states are exposed, each of them as (1, streams, outputs).
    """
    options = layer.recurrent_param
    exposed = states if options.expose_hidden else 0
    found, plain = len(bottoms), 2 + exposed
    require(found in (plain, plain + 1), "bottom", found, f"{plain}, or {plain + 1} with a static input")
    require(len(layer.top) == 1 + exposed, "top", len(layer.top), 1 + exposed)
    require(options.num_output > 0, "recurrent_param.num_output", options.num_output, "1 or more")
    require(len(bottoms[0]) >= 3, "bottom[0]", f"shape {bottoms[0]}", "3 axes or more: steps, streams, inputs")
    steps, streams = bottoms[0][:2]
    require(steps > 0, "bottom[0]", f"shape {bottoms[0]}", "1 step or more")
    require(bottoms[1] == (steps, streams), "bottom[1]", f"shape {bottoms[1]}", (steps, streams))
    static = 0
    if found > plain:
        fits = len(bottoms[2]) >= 2 and bottoms[2][0] == streams
        require(fits, "bottom[2]", f"shape {bottoms[2]}", f"2 axes or more, {streams} on the first")
        static = count(bottoms[2][1:])
    state = (1, streams, options.num_output)
    for index in range(found - exposed, found):
        require(bottoms[index] == state, f"bottom[{index}]", f"shape {bottoms[index]}", state)
    check_in_place(layer, bottoms[0], (steps, streams, options.num_output))
    return options.num_output, count(bottoms[0][2:]), static, steps
