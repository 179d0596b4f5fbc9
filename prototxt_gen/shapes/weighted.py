"""Shape rules of layers that hold weights and do not slide a window: products, scales, statistics."""

from __future__ import annotations

from collections.abc import Sequence

from prototxt_gen.proto import LayerParameter
from prototxt_gen.shapes.rules import LayerShape, Shape, canonical_axis, count, require, shape_rule


@shape_rule("InnerProduct")
def inner_product(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The axes before `axis`, then num_output. Weights are (num_output, inputs), or transposed.

    (Caffe: inner_product_layer.cpp.)
    """
    param = layer.inner_product_param
    outputs = param.num_output
    require(outputs > 0, "inner_product_param.num_output", outputs, "1 or more")
    axis = canonical_axis(param.axis, bottoms[0], "inner_product_param.axis")
    inputs = count(bottoms[0][axis:])
    blobs: tuple[Shape, ...] = ((inputs, outputs) if param.transpose else (outputs, inputs),)
    if param.bias_term:
        blobs += ((outputs,),)
    return LayerShape(((*bottoms[0][:axis], outputs),), blobs, count(bottoms[0]) * outputs)


@shape_rule("BatchNorm")
def batch_norm(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The bottom's shape. Blobs: sums of means, of variances, and the divisor (Caffe: batch_norm_layer.cpp)."""
    require(len(bottoms[0]) >= 2, "bottom[0]", f"shape {bottoms[0]}", "2 axes or more")
    channels = bottoms[0][1]
    return LayerShape((bottoms[0],), ((channels,), (channels,), (1,)))


@shape_rule("Scale", bottoms=(1, 2))
def scale(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The first bottom's shape. The factors are a second bottom or a blob (Caffe: scale_layer.cpp)."""
    param = layer.scale_param
    factors = _broadcast(bottoms, param.axis, param.num_axes, "scale_param")
    blobs: tuple[Shape, ...] = () if len(bottoms) == 2 else (factors,)
    if param.bias_term:
        blobs += (factors,)
    return LayerShape((bottoms[0],), blobs)


@shape_rule("Bias", bottoms=(1, 2))
def bias(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The first bottom's shape. The summands are a second bottom or a blob (Caffe: bias_layer.cpp)."""
    param = layer.bias_param
    summands = _broadcast(bottoms, param.axis, param.num_axes, "bias_param")
    return LayerShape((bottoms[0],), () if len(bottoms) == 2 else (summands,))


def _broadcast(bottoms: Sequence[Shape], axis: int, num_axes: int, param: str) -> Shape:
    """The shape of what is broadcast over the first bottom: of the second one, or of a blob."""
    first = bottoms[0]
    if len(bottoms) == 2:
        second = bottoms[1]
        start = canonical_axis(axis, first, f"{param}.axis") if second else 0
        require(
            first[start : start + len(second)] == second,
            "bottom[1]",
            f"shape {second}",
            f"a run of axes of bottom[0] {first} from axis {start}",
        )
        return second
    start = canonical_axis(axis, first, f"{param}.axis")
    require(
        num_axes == -1 or 0 <= num_axes <= len(first) - start,
        f"{param}.num_axes",
        num_axes,
        f"-1 or 0 to {len(first) - start} from axis {start} of {first}",
    )
    return first[start:] if num_axes == -1 else first[start : start + num_axes]


@shape_rule("PReLU")
def prelu(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The bottom's shape. One slope for each channel, or one in a blob without axes (Caffe: prelu_layer.cpp)."""
    require(len(bottoms[0]) >= 2, "bottom[0]", f"shape {bottoms[0]}", "2 axes or more")
    return LayerShape((bottoms[0],), (() if layer.prelu_param.channel_shared else bottoms[0][1:2],))


@shape_rule("Normalize")
def normalize(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The bottom's shape. One factor a channel, or one in a blob without axes (SSD fork: normalize_layer.cpp)."""
    require(2 <= len(bottoms[0]) <= 4, "bottom[0]", f"shape {bottoms[0]}", "2 to 4 axes")
    return LayerShape((bottoms[0],), (() if layer.norm_param.channel_shared else bottoms[0][1:2],))


@shape_rule("Embed")
def embed(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The bottom's shape, then num_output. Weights (input_dim, num_output), then a bias (Caffe: embed_layer.cpp)."""
    param = layer.embed_param
    require(param.num_output > 0, "embed_param.num_output", param.num_output, "1 or more")
    require(param.input_dim > 0, "embed_param.input_dim", param.input_dim, "1 or more")
    blobs: tuple[Shape, ...] = ((param.input_dim, param.num_output),)
    if param.bias_term:
        blobs += ((param.num_output,),)
    return LayerShape(((*bottoms[0], param.num_output),), blobs)


@shape_rule("Parameter", bottoms=0)
def parameter(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The blob itself (Caffe: parameter_layer.hpp)."""
    shape = tuple(layer.parameter_param.shape.dim)
    return LayerShape((shape,), (shape,))


@shape_rule("LSTM", bottoms=(2, 5), tops=(1, 3))
def lstm(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """(steps, streams, num_output), and h and c of the last step if exposed (Caffe: lstm_layer.cpp).

    Blobs: of the input (4 outputs, inputs) and (4 outputs,), of the static input, of h; gates i, f, o, g.
    """
    outputs, inputs, static, steps = _recurrent(layer, bottoms, states=2)
    blobs: list[Shape] = [(4 * outputs, inputs), (4 * outputs,)]
    if static:
        blobs.append((4 * outputs, static))
    blobs.append((4 * outputs, outputs))
    streams = bottoms[0][1]
    costs = 4 * outputs * streams * (steps * (inputs + outputs) + static)
    state = (1, streams, outputs)
    return LayerShape(((steps, streams, outputs), state, state)[: len(layer.top)], tuple(blobs), costs)


@shape_rule("RNN", bottoms=(2, 4), tops=(1, 2))
def rnn(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """(steps, streams, num_output), and h of the last step if exposed (Caffe: rnn_layer.cpp).

    Blobs: of the input (outputs, inputs) and (outputs,), of the static input, of h, of the output with its bias.
    """
    outputs, inputs, static, steps = _recurrent(layer, bottoms, states=1)
    blobs: list[Shape] = [(outputs, inputs), (outputs,)]
    if static:
        blobs.append((outputs, static))
    blobs += [(outputs, outputs), (outputs, outputs), (outputs,)]
    streams = bottoms[0][1]
    costs = outputs * streams * (steps * (inputs + 2 * outputs) + static)
    return LayerShape(((steps, streams, outputs), (1, streams, outputs))[: len(layer.top)], tuple(blobs), costs)


def _recurrent(layer: LayerParameter, bottoms: Sequence[Shape], states: int) -> tuple[int, int, int, int]:
    """Numbers of outputs, of inputs, of static inputs (0 without), of steps (Caffe: recurrent_layer.cpp).

    Bottoms: the input (steps, streams, ...), the marks that continue a sequence (steps, streams), then perhaps a
    static input (streams, ...), then, if hidden states are exposed, each of them as (1, streams, outputs).
    """
    param = layer.recurrent_param
    exposed = states if param.expose_hidden else 0
    found, plain = len(bottoms), 2 + exposed
    require(found in (plain, plain + 1), "bottom", found, f"{plain}, or {plain + 1} with a static input")
    require(len(layer.top) == 1 + exposed, "top", len(layer.top), 1 + exposed)
    require(param.num_output > 0, "recurrent_param.num_output", param.num_output, "1 or more")
    require(len(bottoms[0]) >= 3, "bottom[0]", f"shape {bottoms[0]}", "3 axes or more: steps, streams, inputs")
    steps, streams = bottoms[0][:2]
    require(steps > 0, "bottom[0]", f"shape {bottoms[0]}", "1 step or more")
    require(bottoms[1] == (steps, streams), "bottom[1]", f"shape {bottoms[1]}", (steps, streams))
    static = 0
    if found > plain:
        fits = len(bottoms[2]) >= 2 and bottoms[2][0] == streams
        require(fits, "bottom[2]", f"shape {bottoms[2]}", f"2 axes or more, {streams} on the first")
        static = count(bottoms[2][1:])
    state = (1, streams, param.num_output)
    for index in range(found - exposed, found):
        require(bottoms[index] == state, f"bottom[{index}]", f"shape {bottoms[index]}", state)
    return param.num_output, count(bottoms[0][2:]), static, steps
