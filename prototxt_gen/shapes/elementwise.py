"""Shape rules of layers whose top is as large as their bottom: activations, normalisations, sums of bottoms."""

from __future__ import annotations

from collections.abc import Sequence

from prototxt_gen.proto import LayerParameter
from prototxt_gen.shapes.rules import LayerShape, Shape, canonical_axis, require, shape_rule


@shape_rule(
    "BNLL", "Clip", "Dropout", "ELU", "Exp", "Log", "Power", "ReLU", "ReLU6", "Sigmoid", "Swish", "TanH", "Threshold"
)
def neuron(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The bottom's shape (Caffe: neuron_layer.cpp). ReLU6 is of forks: min(max(x, 0), 6)."""
    return LayerShape((bottoms[0],))


@shape_rule("AbsVal", in_place=False)
def absval(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The bottom's shape (Caffe: absval_layer.cpp)."""
    return LayerShape((bottoms[0],))


@shape_rule("Softmax")
def softmax(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The bottom's shape (Caffe: softmax_layer.cpp)."""
    canonical_axis(layer.softmax_param.axis, bottoms[0], "softmax_param.axis")
    return LayerShape((bottoms[0],))


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
