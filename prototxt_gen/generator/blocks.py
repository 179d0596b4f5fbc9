"""The layers that blocks are made of, and the DF networks' blocks, as functions of a few numbers.

Names of layers and tops are the DF release's in every form, so that its weights fit by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from prototxt_gen.architectures import Block
from prototxt_gen.proto import LayerParameter


class Style(NamedTuple):
    """How layers are written: with batch norm folded into the convolutions, with fillers for training.

    `eps` is batch norm's; with `clipped` the activation is min(max(x, 0), 6).
    """

    merged: bool = False
    fillers: bool = False
    eps: float = 1e-4
    clipped: bool = False


def top_of(convolution: str, style: Style) -> str:
    """The top that holds a convolution's normalised output: `conv1/bn`, or `conv1` where batch norm is merged."""
    return convolution if style.merged else f"{convolution}/bn"


def convolution(
    name: str, bottom: str, num_output: int, kernel: int, stride: int, style: Style, group: int = 1
) -> list[LayerParameter]:
    """A convolution that keeps the size at stride 1, then BatchNorm and Scale in place unless they are merged.

    The release forgets a dot in the names of a projection's batch norm (`res2.1skipConv/bn`), not in its tops.
    """
    layer = LayerParameter(name=name, type="Convolution", bottom=[bottom], top=[name])
    layer.convolution_param.num_output = num_output
    layer.convolution_param.bias_term = style.merged
    layer.convolution_param.pad.append(kernel // 2)
    layer.convolution_param.kernel_size.append(kernel)
    layer.convolution_param.stride.append(stride)
    if group > 1:
        layer.convolution_param.group = group
    if style.fillers:
        layer.convolution_param.weight_filler.type = "msra"
    if style.merged:
        return [layer]
    spelled, top = name.replace(".skipConv", "skipConv"), top_of(name, style)
    norm = LayerParameter(name=f"{spelled}/bn", type="BatchNorm", bottom=[name], top=[top])
    norm.batch_norm_param.moving_average_fraction = 0.9
    norm.batch_norm_param.eps = style.eps
    scale = LayerParameter(name=f"{spelled}/bn_scale", type="Scale", bottom=[top], top=[top])
    scale.scale_param.bias_term = True
    return [layer, norm, scale]


def relu(name: str, blob: str) -> LayerParameter:
    """A ReLU in place."""
    return LayerParameter(name=name, type="ReLU", bottom=[blob], top=[blob])


def activation(name: str, blob: str, style: Style) -> LayerParameter:
    """The style's activation: a ReLU in place, or stock Caffe's Clip to 0..6 into a top of the layer's name.

    Clip's gradient looks at its bottom, which would be gone if it ran in place (Caffe: clip_layer.cpp).
    """
    if not style.clipped:
        return relu(name, blob)
    layer = LayerParameter(name=name, type="Clip", bottom=[blob], top=[name])
    layer.clip_param.min, layer.clip_param.max = 0, 6
    return layer


def conv_relu(
    name: str, bottom: str, num_output: int, kernel: int, stride: int, style: Style, group: int = 1
) -> list[LayerParameter]:
    """A convolution, normalised, with its activation; its result is the first top of the last layer."""
    layers = convolution(name, bottom, num_output, kernel, stride, style, group)
    return [*layers, activation(f"{name}/relu", top_of(name, style), style)]


def basic(block: Block, name: str, bottom: str, style: Style) -> list[LayerParameter]:
    """A basic residual block: 3x3 with the stride, 3x3."""
    layers = conv_relu(f"{name}.conv1", bottom, block.width, 3, block.stride, style)
    layers += convolution(f"{name}.conv2", last_top(layers), block.out_channels, 3, 1, style)
    return [*layers, *_shortcut(block, name, bottom, last_top(layers), style)]


def bottleneck(block: Block, name: str, bottom: str, style: Style) -> list[LayerParameter]:
    """A bottleneck residual block: 1x1, 3x3 with the stride, 1x1 to the output channels."""
    layers = conv_relu(f"{name}.conv1", bottom, block.width, 1, 1, style)
    layers += conv_relu(f"{name}.conv2", last_top(layers), block.width, 3, block.stride, style)
    layers += convolution(f"{name}.conv3", last_top(layers), block.out_channels, 1, 1, style)
    return [*layers, *_shortcut(block, name, bottom, last_top(layers), style)]


def _shortcut(block: Block, name: str, bottom: str, branch_end: str, style: Style) -> list[LayerParameter]:
    """The other way through a residual block (a 1x1 projection or the bottom itself), the sum of both, its ReLU."""
    layers, other = [], bottom
    if block.needs_projection:
        layers = convolution(f"{name}.skipConv", bottom, block.out_channels, 1, block.stride, style)
        other = last_top(layers)
    total = addition(f"{name}.sum", branch_end, other)
    return [*layers, total, activation(f"{name}.relu", total.top[0], style)]


def addition(name: str, *bottoms: str) -> LayerParameter:
    """The sum of the bottoms."""
    layer = LayerParameter(name=name, type="Eltwise", bottom=bottoms, top=[name])
    layer.eltwise_param.operation = layer.eltwise_param.SUM
    return layer


def last_top(layers: Sequence[LayerParameter]) -> str:
    """The first top of the last layer."""
    return layers[-1].top[0]
