"""The layers of a backbone: its stem, its blocks of every kind, its head, as functions of a few numbers.

Names of layers and tops are those of the DF release, and for ResNet those of its authors' models, in every form, so
that their weights fit by name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from prototxt_gen.architectures import FAMILIES, Block
from prototxt_gen.generator.elements import (
    Naming,
    Writing,
    activation,
    addition,
    average_pooling,
    concat,
    conv_relu,
    convolution,
    df_names,
    inner_product,
    last_top,
    max_pooling,
    relu,
    resnet_names,
    separable,
)
from prototxt_gen.proto import LayerParameter

Builder: TypeAlias = Callable[[Block, str, str, Writing], list[LayerParameter]]


def stem(widths: Sequence[int], family: str, channels: int, writing: Writing) -> list[LayerParameter]:
    """The convolutions before the first block, from a `data` of that many channels; ResNet's has a max pooling."""
    if FAMILIES[family].stem == "pooled":
        layers = conv_relu("conv1", "data", widths[0], 7, 2, writing, naming=resnet_names)
        return [*layers, max_pooling("pool1", last_top(layers), 3, 2)]
    layers = []
    bottom = "data"
    for number, width in enumerate(widths, 1):
        name = f"conv{number}"
        if FAMILIES[family].stem == "separable":
            layers += separable(name, bottom, channels, width, 1 if number == 1 else 3, 2, writing)
        else:
            layers += conv_relu(name, bottom, width, 3, 2, writing)
        bottom, channels = last_top(layers), width
    return layers


def basic(block: Block, name: str, bottom: str, writing: Writing) -> list[LayerParameter]:
    """A basic residual block: 3x3 with the stride, 3x3."""
    return _residual(block, name, bottom, writing, ((block.width, 3, block.stride), (block.out_channels, 3, 1)))


def bottleneck(block: Block, name: str, bottom: str, writing: Writing) -> list[LayerParameter]:
    """A bottleneck residual block: 1x1, 3x3 with the stride, 1x1 to the output channels."""
    branch = ((block.width, 1, 1), (block.width, 3, block.stride), (block.out_channels, 1, 1))
    return _residual(block, name, bottom, writing, branch)


def resnet_basic(block: Block, name: str, bottom: str, writing: Writing) -> list[LayerParameter]:
    """ResNet's basic residual block: 3x3 with the stride, 3x3."""
    return _resnet(block, name, bottom, writing, ((block.width, 3, block.stride), (block.width, 3, 1)))


def resnet_bottleneck(block: Block, name: str, bottom: str, writing: Writing) -> list[LayerParameter]:
    """ResNet's bottleneck residual block: 1x1 with the stride, 3x3, 1x1 to four times the width."""
    branch = ((block.width, 1, block.stride), (block.width, 3, 1), (block.out_channels, 1, 1))
    return _resnet(block, name, bottom, writing, branch)


def shuffle(block: Block, name: str, bottom: str, writing: Writing) -> list[LayerParameter]:
    """A ShuffleNetV2 unit: half the channels stay as they are, half go through 1x1, depthwise 3x3, 1x1; a shuffle.

    Where the size or the channels change, both branches take all channels, and the first is a depthwise 3x3 and a 1x1.
    Convolutions stand in the order in which PL1A's weights do.
    """
    half = block.out_channels // 2
    layers: list[LayerParameter] = []
    if block.needs_projection:
        layers += separable(f"{name}.branch1", bottom, block.in_channels, half, 1, block.stride, writing)
        first, second = last_top(layers), bottom
    else:
        first, second = f"{name}.passed", f"{name}.worked"
        slicing = LayerParameter(name=f"{name}.slice", type="Slice", bottom=[bottom], top=[first, second])
        slicing.slice_param.slice_point.append(half)
        layers.append(slicing)
    layers += conv_relu(f"{name}.branch2.conv1", second, half, 1, 1, writing)
    layers += convolution(f"{name}.branch2.depthwise", last_top(layers), half, 3, block.stride, writing, group=half)
    layers += conv_relu(f"{name}.branch2.conv2", last_top(layers), half, 1, 1, writing)
    joined = concat(f"{name}.concat", first, last_top(layers))
    mixed = LayerParameter(name=f"{name}.shuffle", type="ShuffleChannel", bottom=joined.top, top=[f"{name}.shuffle"])
    mixed.shuffle_channel_param.group = 2
    return [*layers, joined, mixed]


def inverted(block: Block, name: str, bottom: str, writing: Writing) -> list[LayerParameter]:
    """An inverted residual block: 1x1 to the inner width, depthwise kxk with the stride, 1x1 without activation.

    The bottom is added where the stride is 1 and the channels stay the same. The first 1x1 is left out where the inner
    width is that of the bottom. With `squeeze`, squeeze-and-excitation follows the depthwise convolution.
    """
    layers: list[LayerParameter] = []
    top = bottom
    if block.inner != block.in_channels:
        layers += conv_relu(f"{name}.expand", top, block.inner, 1, 1, writing)
        top = last_top(layers)
    layers += conv_relu(f"{name}.depthwise", top, block.inner, block.kernel, block.stride, writing, group=block.inner)
    if block.squeeze:
        layers += squeeze_excitation(f"{name}.squeeze", last_top(layers), block.inner, writing)
    layers += convolution(f"{name}.project", last_top(layers), block.out_channels, 1, 1, writing)
    if not block.needs_projection:
        layers.append(addition(f"{name}.sum", last_top(layers), bottom))
    return layers


def fused(block: Block, name: str, bottom: str, writing: Writing) -> list[LayerParameter]:
    """A fused inverted block: kxk with the stride to the inner width, 1x1 without activation.

    The bottom is added where the stride is 1 and the channels stay the same.
    """
    layers = conv_relu(f"{name}.expand", bottom, block.inner, block.kernel, block.stride, writing)
    layers += convolution(f"{name}.project", last_top(layers), block.out_channels, 1, 1, writing)
    if not block.needs_projection:
        layers.append(addition(f"{name}.sum", last_top(layers), bottom))
    return layers


def squeeze_excitation(name: str, bottom: str, channels: int, writing: Writing) -> list[LayerParameter]:
    """Every channel times a factor in 0..1, computed from the means of all by way of max(channels // 4, 8) numbers.

    In stock Caffe's layers: the fully connected ones leave (N, channels), which Scale takes from axis 0 on.
    """
    pool = average_pooling(f"{name}.pool", bottom)
    reduce = inner_product(f"{name}.reduce", f"{name}.pool", max(channels // 4, 8), writing)
    excite = inner_product(f"{name}.excite", reduce.top[0], channels, writing)
    gate = LayerParameter(name=f"{name}.gate", type="Sigmoid", bottom=excite.top, top=excite.top)
    scale = LayerParameter(name=name, type="Scale", bottom=[bottom, excite.top[0]], top=[name])
    scale.scale_param.axis = 0
    return [pool, reduce, relu(f"{name}.relu", reduce.top[0]), excite, gate, scale]


def single(block: Block, name: str, bottom: str, writing: Writing) -> list[LayerParameter]:
    """One convolution with its activation."""
    return conv_relu(f"{name}.conv", bottom, block.out_channels, block.kernel, block.stride, writing)


#: The layers of a block of each kind in BLOCK_KINDS, from (block, name, bottom, writing).
BUILDERS: dict[str, Builder] = {
    "basic": basic,
    "bottleneck": bottleneck,
    "resnet_basic": resnet_basic,
    "resnet_bottleneck": resnet_bottleneck,
    "shuffle": shuffle,
    "inverted": inverted,
    "fused": fused,
    "convolution": single,
}


def head(
    bottom: str,
    pool: str,
    window: tuple[int, int],
    classifier: str,
    classes: int,
    width: int | None,
    dropout: float,
    writing: Writing,
) -> list[LayerParameter]:
    """A 1x1 convolution of `width` if there is one, average pooling over `window`, dropout above 0, the classifier."""
    layers = conv_relu("head", bottom, width, 1, 1, writing) if width else []
    layers.append(average_pooling(pool, last_top(layers) if layers else bottom, window))
    if dropout:
        drop = LayerParameter(name="dropout", type="Dropout", bottom=[pool], top=[pool])
        drop.dropout_param.dropout_ratio = dropout
        layers.append(drop)
    return [*layers, inner_product(classifier, pool, classes, writing)]


_Branch: TypeAlias = Sequence[tuple[int, int, int]]
"""The convolutions of a residual block's branch: (channels, kernel, stride) of each."""


def _residual(block: Block, name: str, bottom: str, writing: Writing, branch: _Branch) -> list[LayerParameter]:
    """The branch, then the shortcut (a 1x1 projection or the bottom itself), the sum of both, its ReLU."""
    names = [f"{name}.conv{number}" for number in range(1, len(branch) + 1)]
    layers = _convolutions(names, bottom, branch, writing, df_names)
    ends = [last_top(layers), bottom]
    if block.needs_projection:
        layers += convolution(f"{name}.skipConv", bottom, block.out_channels, 1, block.stride, writing)
        ends[1] = last_top(layers)
    total = addition(f"{name}.sum", *ends)
    return [*layers, total, activation(f"{name}.relu", total.top[0], writing)]


def _resnet(block: Block, name: str, bottom: str, writing: Writing, branch: _Branch) -> list[LayerParameter]:
    """As `_residual`, in the order and under the names of ResNet's models: the projection comes first."""
    layers: list[LayerParameter] = []
    shortcut = bottom
    if block.needs_projection:
        layers += convolution(
            f"{name}_branch1", bottom, block.out_channels, 1, block.stride, writing, naming=resnet_names
        )
        shortcut = last_top(layers)
    names = [f"{name}_branch2{letter}" for letter in "abc"[: len(branch)]]
    layers += _convolutions(names, bottom, branch, writing, resnet_names)
    total = addition(name, shortcut, last_top(layers))
    return [*layers, total, activation(f"{name}_relu", name, writing)]


def _convolutions(
    names: Sequence[str], bottom: str, branch: _Branch, writing: Writing, naming: Naming
) -> list[LayerParameter]:
    """Convolutions in a row, an activation between them but none behind the last."""
    layers: list[LayerParameter] = []
    for index, (name, (channels, kernel, stride)) in enumerate(zip(names, branch, strict=True)):
        build = convolution if index + 1 == len(names) else conv_relu
        layers += build(name, bottom, channels, kernel, stride, writing, naming=naming)
        bottom = last_top(layers)
    return layers
