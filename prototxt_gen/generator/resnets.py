"""The layers of ResNet's blocks and of its stem, under the names of the Caffe models of its authors."""

from __future__ import annotations

from prototxt_gen.architectures import Block
from prototxt_gen.generator.blocks import Style, activation, addition, last_top
from prototxt_gen.proto import LayerParameter


def resnet_basic(block: Block, name: str, bottom: str, style: Style) -> list[LayerParameter]:
    """A basic residual block: 3x3 with the stride, 3x3."""
    return _residual(block, name, bottom, style, ((block.width, 3, block.stride), (block.width, 3, 1)))


def resnet_bottleneck(block: Block, name: str, bottom: str, style: Style) -> list[LayerParameter]:
    """A bottleneck residual block: 1x1 with the stride, 3x3, 1x1 to four times the width."""
    ways = ((block.width, 1, block.stride), (block.width, 3, 1), (block.out_channels, 1, 1))
    return _residual(block, name, bottom, style, ways)


def _residual(
    block: Block, name: str, bottom: str, style: Style, convolutions: tuple[tuple[int, int, int], ...]
) -> list[LayerParameter]:
    """The projection if there is one, the branch of (channels, kernel, stride), their sum and its ReLU."""
    layers: list[LayerParameter] = []
    shortcut = top = bottom
    if block.needs_projection:
        layers = normalised(f"{name}_branch1", bottom, block.out_channels, 1, block.stride, style)
        shortcut = last_top(layers)
    for letter, (channels, kernel, stride) in zip("abc", convolutions, strict=False):
        if top != bottom:
            layers.append(activation(f"{top}_relu", top, style))
            top = last_top(layers)
        layers += normalised(f"{name}_branch2{letter}", top, channels, kernel, stride, style)
        top = last_top(layers)
    total = addition(name, shortcut, top)
    return [*layers, total, activation(f"{name}_relu", name, style)]


def resnet_stem(stem: tuple[int, ...], style: Style) -> list[LayerParameter]:
    """A 7x7 convolution of stride 2 and a 3x3 max pooling of stride 2, from `data`."""
    layers = normalised("conv1", "data", stem[0], 7, 2, style)
    layers.append(activation("conv1_relu", "conv1", style))
    pool = LayerParameter(name="pool1", type="Pooling", bottom=[last_top(layers)], top=["pool1"])
    pool.pooling_param.pool = pool.pooling_param.MAX
    pool.pooling_param.kernel_size = 3
    pool.pooling_param.stride = 2
    return [*layers, pool]


def normalised(name: str, bottom: str, num_output: int, kernel: int, stride: int, style: Style) -> list[LayerParameter]:
    """A convolution with BatchNorm and Scale in place unless merged: res2a_branch1, bn2a_branch1, scale2a_branch1."""
    layer = LayerParameter(name=name, type="Convolution", bottom=[bottom], top=[name])
    layer.convolution_param.num_output = num_output
    layer.convolution_param.bias_term = style.merged
    layer.convolution_param.pad.append(kernel // 2)
    layer.convolution_param.kernel_size.append(kernel)
    layer.convolution_param.stride.append(stride)
    if style.fillers:
        layer.convolution_param.weight_filler.type = "msra"
    if style.merged:
        return [layer]
    place = name.removeprefix("res") if name.startswith("res") else f"_{name}"
    norm = LayerParameter(name=f"bn{place}", type="BatchNorm", bottom=[name], top=[name])
    norm.batch_norm_param.moving_average_fraction = 0.9
    norm.batch_norm_param.eps = style.eps
    scale = LayerParameter(name=f"scale{place}", type="Scale", bottom=[name], top=[name])
    scale.scale_param.bias_term = True
    return [layer, norm, scale]
