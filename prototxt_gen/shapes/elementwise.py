"""Shape rules of layers whose top is as large as their bottom: activations, normalisations, sums of bottoms."""

from __future__ import annotations

from collections.abc import Sequence

from prototxt_gen.proto import LayerParameter
from prototxt_gen.shapes.rules import LayerShape, Shape, canonical_axis, legacy_shape, require, shape_rule


@shape_rule("BNLL", "Clip", "Dropout", "ELU", "Power", "ReLU", "ReLU6", "Sigmoid", "Swish", "TanH", "Threshold")
def neuron(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The bottom's shape (Caffe: neuron_layer.cpp). ReLU6 is of forks: min(max(x, 0), 6)."""
    return LayerShape((bottoms[0],))


@shape_rule("Exp")
def exp(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The bottom's shape (Caffe: exp_layer.cpp)."""
    return _with_base(layer.exp_param.base, "exp_param.base", bottoms[0])


@shape_rule("Log")
def log(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The bottom's shape (Caffe: log_layer.cpp)."""
    return _with_base(layer.log_param.base, "log_param.base", bottoms[0])


def _with_base(base: float, field: str, bottom: Shape) -> LayerShape:
    require(base > 0 or base == -1, field, base, "more than 0, or -1 for e")
    return LayerShape((bottom,))


@shape_rule("AbsVal", in_place=False)
def absval(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The bottom's shape (Caffe: absval_layer.cpp)."""
    return LayerShape((bottoms[0],))


@shape_rule("Softmax")
def softmax(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The bottom's shape (Caffe: softmax_layer.cpp)."""
    canonical_axis(layer.softmax_param.axis, bottoms[0], "softmax_param.axis")
    return LayerShape((bottoms[0],))


@shape_rule("LRN")
def lrn(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The bottom's shape, of 4 axes (Caffe: lrn_layer.cpp)."""
    require(layer.lrn_param.local_size % 2 == 1, "lrn_param.local_size", layer.lrn_param.local_size, "an odd number")
    require(len(bottoms[0]) == 4, "bottom[0]", f"shape {bottoms[0]}", "4 axes")
    return LayerShape((bottoms[0],))


@shape_rule("MVN")
def mvn(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The bottom's sizes on 4 axes, ones at the end where it has fewer (Caffe: mvn_layer.cpp)."""
    return LayerShape((legacy_shape(bottoms[0], "bottom[0]"),))


@shape_rule("ShuffleChannel")
def shuffle_channel(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The bottom's sizes on 4 axes, ones at the end (ShuffleNet and DF forks: shuffle_channel_layer.cpp)."""
    group = layer.shuffle_channel_param.group
    require(len(bottoms[0]) >= 2, "bottom[0]", f"shape {bottoms[0]}", "2 axes or more")
    channels = bottoms[0][1]
    require(
        group > 0 and channels % group == 0, "shuffle_channel_param.group", group, f"a divisor of {channels} channels"
    )
    return LayerShape((legacy_shape(bottoms[0], "bottom[0]"),))


@shape_rule("Eltwise", bottoms=(2, None))
def eltwise(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The shape that all bottoms have (Caffe: eltwise_layer.cpp)."""
    coefficients = len(layer.eltwise_param.coeff)
    require(
        coefficients in (0, len(bottoms)),
        "eltwise_param.coeff",
        f"{coefficients} numbers",
        f"none or {len(bottoms)}, one for each bottom",
    )
    is_product = layer.eltwise_param.operation == layer.eltwise_param.PROD
    require(not (is_product and coefficients), "eltwise_param.coeff", "coefficients", "none with operation PROD")
    for index, bottom in enumerate(bottoms):
        require(bottom == bottoms[0], f"bottom[{index}]", f"shape {bottom}", f"{bottoms[0]} as bottom[0]")
    return LayerShape((bottoms[0],))


@shape_rule("Split", tops=(1, None))
def split(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """Every top has the bottom's shape (Caffe: split_layer.cpp)."""
    return LayerShape((bottoms[0],) * len(layer.top))
