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
