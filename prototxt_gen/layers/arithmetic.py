"""Layers that combine numbers: Eltwise, Scale, Bias, Reduction.

`broadcast_axis` and `broadcast_shape` say on which axes the factors of a Scale or the summands of a Bias lie.
"""

from __future__ import annotations

from collections.abc import Sequence

from prototxt_gen.layers.layer_types import Filler, LayerShape, Shape, axis_of, check_in_place, layer_type, require
from prototxt_gen.proto import LayerParameter


def broadcast_axis(layer: LayerParameter, options: str, bottoms: Sequence[Shape]) -> int:
    """The axis of the first bottom that the first axis of the factors of a Scale, or summands of a Bias, lies on.

    `options` is scale_param or bias_param. A second bottom without axes has one number for all: axis 0.
    (Caffe: scale_layer.cpp, bias_layer.cpp.)
    """
    if len(bottoms) == 2 and not bottoms[1]:
        if options == "scale_param" and layer.scale_param.bias_term:
            axis_of(layer, options, bottoms[0])  # the bias is a layer of its own in Caffe, which checks the axis
        return 0
    return axis_of(layer, options, bottoms[0])


def broadcast_shape(layer: LayerParameter, options: str, bottoms: Sequence[Shape]) -> Shape:
    """The shape of the factors of a Scale, or summands of a Bias: a second bottom's, else that of the blob."""
    first = bottoms[0]
    start = broadcast_axis(layer, options, bottoms)
    if len(bottoms) == 2:
        second = bottoms[1]
        require(
            first[start : start + len(second)] == second,
            "bottom[1]",
            f"shape {second}",
            f"a run of axes of bottom[0] {first} from axis {start}",
        )
        return second
    num_axes = getattr(layer, options).num_axes
    require(
        num_axes == -1 or 0 <= num_axes <= len(first) - start,
        f"{options}.num_axes",
        num_axes,
        f"-1 or 0 to {len(first) - start} from axis {start} of {first}",
    )
    return first[start:] if num_axes == -1 else first[start : start + num_axes]


@layer_type(
    "Eltwise",
    options=("eltwise_param",),
    source="eltwise_layer.cpp",
    bottoms=(2, None),
    does="PROD, SUM with coeff, MAX; two bottoms or more",
)
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


@layer_type(
    "Scale",
    has_blobs=True,
    options=("scale_param",),
    source="scale_layer.cpp",
    bottoms=(1, 2),
    does="one bottom and blobs, or two bottoms; any axis and num_axes, bias_term",
)
def scale(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The first bottom's shape. The factors are a second bottom or a blob (Caffe: scale_layer.cpp)."""
    factors = broadcast_shape(layer, "scale_param", bottoms)
    fillers = (Filler("scale_param.filler", 1.0), Filler("scale_param.bias_filler"))
    first, last = len(bottoms) == 2, 1 + layer.scale_param.bias_term  # a second bottom is not a blob
    return LayerShape((bottoms[0],), (factors,) * (last - first), fillers=fillers[first:last])


@layer_type(
    "Bias",
    has_blobs=True,
    options=("bias_param",),
    source="bias_layer.cpp",
    bottoms=(1, 2),
    does="one bottom and a blob, or two bottoms; any axis and num_axes",
)
def bias(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The first bottom's shape. The summands are a second bottom or a blob (Caffe: bias_layer.cpp)."""
    summands = broadcast_shape(layer, "bias_param", bottoms)
    return LayerShape((bottoms[0],), () if len(bottoms) == 2 else (summands,), fillers=(Filler("bias_param.filler"),))


@layer_type(
    "Reduction",
    options=("reduction_param",),
    source="reduction_layer.cpp",
    does="SUM, ASUM, SUMSQ, MEAN from any axis on; coeff",
)
def reduction(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The axes before `axis` (Caffe: reduction_layer.cpp)."""
    top = bottoms[0][: axis_of(layer, "reduction_param", bottoms[0])]
    check_in_place(layer, bottoms[0], top)
    return LayerShape((top,))
