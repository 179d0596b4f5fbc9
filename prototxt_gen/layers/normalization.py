"""BatchNorm, LRN, MVN, Normalize and Softmax.

`is_affine_part` tells whether a Scale belongs to the BatchNorm before it.
"""

from __future__ import annotations

from collections.abc import Sequence

from prototxt_gen.layers.layer_types import (
    Filler,
    LayerShape,
    Shape,
    axis_of,
    check_numbers,
    layer_type,
    legacy_shape,
    require,
)
from prototxt_gen.proto import LayerParameter


@layer_type(
    "BatchNorm",
    has_blobs=True,
    options=("batch_norm_param",),
    source="batch_norm_layer.cpp",
    does="stored statistics or the batch's; with the Scale behind it one torch batch norm",
    differs="on the way back the statistics' factor is 1, and mean and variance are divided by it",
)
def batch_norm(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The bottom's shape. Blobs: sums of means, of variances, and the divisor (Caffe: batch_norm_layer.cpp)."""
    require(len(bottoms[0]) >= 2, "bottom[0]", f"shape {bottoms[0]}", "2 axes or more")
    check_numbers(bottoms[0])
    for index, spec in enumerate(layer.param):
        require(spec.lr_mult == 0, f"param[{index}].lr_mult", spec.lr_mult, "0: statistics are not learned")
    channels = bottoms[0][1]
    return LayerShape((bottoms[0],), ((channels,), (channels,), (1,)))


def is_affine_part(scale: LayerParameter, norm: LayerParameter, axes: int | None = None) -> bool:
    """Whether the Scale gives every channel that the BatchNorm makes a factor from a blob: the two are one batch norm.

    `axes` is how many axes the BatchNorm's top has; without it only an axis counted from the front is recognised.
    The caller makes sure that nothing else takes this top and that no other layer shares the blobs.
    """
    options = scale.scale_param
    return (
        norm.type == "BatchNorm"
        and scale.type == "Scale"
        and len(norm.bottom) == len(norm.top) == len(scale.bottom) == len(scale.top) == 1
        and list(scale.bottom) == list(norm.top)
        and (options.axis == 1 or (axes is not None and options.axis == 1 - axes))
        and (options.num_axes == 1 or (axes == 2 and options.num_axes == -1))
    )


@layer_type("Softmax", options=("softmax_param",), source="softmax_layer.cpp", does="any axis")
def softmax(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The bottom's shape (Caffe: softmax_layer.cpp)."""
    axis_of(layer, "softmax_param", bottoms[0])
    check_numbers(bottoms[0])
    return LayerShape((bottoms[0],))


@layer_type(
    "LRN",
    options=("lrn_param",),
    source="lrn_layer.cpp",
    does="ACROSS_CHANNELS and WITHIN_CHANNEL, k",
    differs="k within a channel is 1, as in Caffe",
)
def lrn(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The bottom's shape, of 4 axes (Caffe: lrn_layer.cpp)."""
    require(layer.lrn_param.local_size % 2 == 1, "lrn_param.local_size", layer.lrn_param.local_size, "an odd number")
    require(len(bottoms[0]) == 4, "bottom[0]", f"shape {bottoms[0]}", "4 axes")
    return LayerShape((bottoms[0],))


@layer_type(
    "MVN",
    options=("mvn_param",),
    source="mvn_layer.cpp",
    does="normalize_variance, across_channels, eps",
    differs="more than 4 axes, as in Caffe",
)
def mvn(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The bottom's sizes on 4 axes, ones at the end where it has fewer (Caffe: mvn_layer.cpp)."""
    return LayerShape((legacy_shape(bottoms[0], "bottom[0]"),))


@layer_type(
    "Normalize",
    has_blobs=True,
    options=("norm_param",),
    source="normalize_layer.cpp",
    does="of the SSD fork: across_spatial, channel_shared",
)
def normalize(layer: LayerParameter, bottoms: Sequence[Shape]) -> LayerShape:
    """The bottom's shape. One factor a channel, or one in a blob without axes (SSD fork: normalize_layer.cpp)."""
    require(2 <= len(bottoms[0]) <= 4, "bottom[0]", f"shape {bottoms[0]}", "2 to 4 axes")
    factors = () if layer.norm_param.channel_shared else bottoms[0][1:2]
    return LayerShape((bottoms[0],), (factors,), fillers=(Filler("norm_param.scale_filler", 1.0),))
