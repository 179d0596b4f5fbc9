"""The layers of shuffle units, inverted blocks and single convolutions."""

from __future__ import annotations

from prototxt_gen.architectures import Block
from prototxt_gen.generator.blocks import Style, addition, conv_relu, convolution, last_top
from prototxt_gen.proto import LayerParameter


def shuffle(block: Block, name: str, bottom: str, style: Style) -> list[LayerParameter]:
    """A ShuffleNetV2 unit: one half of the channels goes by, the other through 1x1, depthwise 3x3, 1x1; then a shuffle.

    Where the size or the channels change, both ways see all channels, and the first is a depthwise 3x3 and a 1x1.
    Convolutions stand in the order in which PL1A's weights do.
    """
    half = block.out_channels // 2
    layers: list[LayerParameter] = []
    if block.needs_projection:
        layers += separable(f"{name}.branch1", bottom, block.in_channels, half, 1, block.stride, style)
        first, second = last_top(layers), bottom
    else:
        first, second = f"{name}.passed", f"{name}.worked"
        slicing = LayerParameter(name=f"{name}.slice", type="Slice", bottom=[bottom], top=[first, second])
        slicing.slice_param.slice_point.append(half)
        layers.append(slicing)
    layers += conv_relu(f"{name}.branch2.conv1", second, half, 1, 1, style)
    layers += convolution(f"{name}.branch2.depthwise", last_top(layers), half, 3, block.stride, style, group=half)
    layers += conv_relu(f"{name}.branch2.conv2", last_top(layers), half, 1, 1, style)
    joined = concat(f"{name}.concat", first, last_top(layers))
    mixed = LayerParameter(name=f"{name}.shuffle", type="ShuffleChannel", bottom=joined.top, top=[f"{name}.shuffle"])
    mixed.shuffle_channel_param.group = 2
    return [*layers, joined, mixed]


def inverted(block: Block, name: str, bottom: str, style: Style) -> list[LayerParameter]:
    """An inverted residual block: 1x1 to the inner width, depthwise kxk with the stride, 1x1 without activation.

    The bottom is added where stride and channels stay. The first 1x1 is left out where the inner width is that of
    the bottom. With `squeeze`, squeeze-and-excitation follows the depthwise convolution.
    """
    layers: list[LayerParameter] = []
    top = bottom
    if block.inner != block.in_channels:
        layers += conv_relu(f"{name}.expand", top, block.inner, 1, 1, style)
        top = last_top(layers)
    layers += conv_relu(f"{name}.depthwise", top, block.inner, block.kernel, block.stride, style, group=block.inner)
    if block.squeeze:
        layers += squeeze_excitation(f"{name}.squeeze", last_top(layers), block.inner, style)
    layers += convolution(f"{name}.project", last_top(layers), block.out_channels, 1, 1, style)
    if not block.needs_projection:
        layers.append(addition(f"{name}.sum", last_top(layers), bottom))
    return layers


def squeeze_excitation(name: str, bottom: str, channels: int, style: Style) -> list[LayerParameter]:
    """Every channel times a factor in 0..1 found from the means of all: max(channels // 4, 8) inner numbers, ReLU.

    In stock Caffe's layers: the fully connected ones leave (N, channels), which Scale takes from axis 0 on.
    """
    pool = LayerParameter(name=f"{name}.pool", type="Pooling", bottom=[bottom], top=[f"{name}.pool"])
    pool.pooling_param.pool = pool.pooling_param.AVE
    pool.pooling_param.global_pooling = True
    reduce = inner_product(f"{name}.reduce", f"{name}.pool", max(channels // 4, 8), style)
    relu = LayerParameter(name=f"{name}.relu", type="ReLU", bottom=reduce.top, top=reduce.top)
    excite = inner_product(f"{name}.excite", reduce.top[0], channels, style)
    gate = LayerParameter(name=f"{name}.gate", type="Sigmoid", bottom=excite.top, top=excite.top)
    scale = LayerParameter(name=name, type="Scale", bottom=[bottom, excite.top[0]], top=[name])
    scale.scale_param.axis = 0
    return [pool, reduce, relu, excite, gate, scale]


def inner_product(name: str, bottom: str, num_output: int, style: Style) -> LayerParameter:
    """A fully connected layer with a bias."""
    layer = LayerParameter(name=name, type="InnerProduct", bottom=[bottom], top=[name])
    layer.inner_product_param.num_output = num_output
    layer.inner_product_param.bias_term = True
    if style.fillers:
        layer.inner_product_param.weight_filler.type = "msra"
    return layer


def single(block: Block, name: str, bottom: str, style: Style) -> list[LayerParameter]:
    """One convolution with its activation."""
    return conv_relu(f"{name}.conv", bottom, block.out_channels, block.kernel, block.stride, style)


def separable(
    name: str, bottom: str, in_channels: int, num_output: int, kernel: int, stride: int, style: Style
) -> list[LayerParameter]:
    """A depthwise 3x3 with the stride, normalised, then a convolution of `kernel` with its activation."""
    layers = convolution(f"{name}.depthwise", bottom, in_channels, 3, stride, style, group=in_channels)
    return layers + conv_relu(f"{name}.conv", last_top(layers), num_output, kernel, 1, style)


def concat(name: str, *bottoms: str) -> LayerParameter:
    """The channels of all bottoms, one after the other."""
    return LayerParameter(name=name, type="Concat", bottom=bottoms, top=[name])
