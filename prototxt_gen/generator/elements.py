"""The layers that networks are made of, one small function each, and how they are written and named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, TypeAlias

from prototxt_gen.proto import LayerParameter

Phase = Literal["TRAIN", "TEST"]


class Writing(NamedTuple):
    """How layers are written: with batch norm folded into the convolutions, with fillers for training.

    `eps` is batch norm's; with `clipped` the activation is min(max(x, 0), 6).
    """

    merged: bool = False
    fillers: bool = False
    eps: float = 1e-4
    clipped: bool = False


class Names(NamedTuple):
    """The names of the layers behind a convolution: its BatchNorm, its Scale, their top, and its activation."""

    norm: str
    scale: str
    top: str
    activation: str


Naming: TypeAlias = Callable[[str], Names]
"""From the name of a convolution to the names of what stands behind it."""


def df_names(convolution: str) -> Names:
    """As in the DF release: `conv1/bn`, which is the top's name too, `conv1/bn_scale`, `conv1/relu`.

    The release forgets a dot in the names of a projection's batch norm (`res2.1skipConv/bn`), not in its top.
    """
    spelled = convolution.replace(".skipConv", "skipConv")
    return Names(f"{spelled}/bn", f"{spelled}/bn_scale", f"{convolution}/bn", f"{convolution}/relu")


def resnet_names(convolution: str) -> Names:
    """As in ResNet's own models: `res2a_branch1` with `bn2a_branch1` and `scale2a_branch1`, both in place."""
    place = convolution.removeprefix("res") if convolution.startswith("res") else f"_{convolution}"
    return Names(f"bn{place}", f"scale{place}", convolution, f"{convolution}_relu")


def convolution(
    name: str,
    bottom: str,
    num_output: int,
    kernel: int,
    stride: int,
    writing: Writing,
    group: int = 1,
    naming: Naming = df_names,
) -> list[LayerParameter]:
    """A convolution that keeps the size at stride 1, then BatchNorm and Scale unless they are merged."""
    layer = LayerParameter(name=name, type="Convolution", bottom=[bottom], top=[name])
    layer.convolution_param.num_output = num_output
    layer.convolution_param.bias_term = writing.merged
    layer.convolution_param.pad.append(kernel // 2)
    layer.convolution_param.kernel_size.append(kernel)
    layer.convolution_param.stride.append(stride)
    if group > 1:
        layer.convolution_param.group = group
    if writing.fillers:
        layer.convolution_param.weight_filler.type = "msra"
    if writing.merged:
        return [layer]
    names = naming(name)
    norm = LayerParameter(name=names.norm, type="BatchNorm", bottom=[name], top=[names.top])
    norm.batch_norm_param.moving_average_fraction = 0.9
    norm.batch_norm_param.eps = writing.eps
    scale = LayerParameter(name=names.scale, type="Scale", bottom=[names.top], top=[names.top])
    scale.scale_param.bias_term = True
    return [layer, norm, scale]


def conv_relu(
    name: str,
    bottom: str,
    num_output: int,
    kernel: int,
    stride: int,
    writing: Writing,
    group: int = 1,
    naming: Naming = df_names,
) -> list[LayerParameter]:
    """A convolution, normalised, with its activation; its result is the first top of the last layer."""
    layers = convolution(name, bottom, num_output, kernel, stride, writing, group, naming)
    return [*layers, activation(naming(name).activation, last_top(layers), writing)]


def separable(
    name: str, bottom: str, in_channels: int, num_output: int, kernel: int, stride: int, writing: Writing
) -> list[LayerParameter]:
    """A depthwise 3x3 with the stride, normalised, then a convolution of `kernel` with its activation."""
    layers = convolution(f"{name}.depthwise", bottom, in_channels, 3, stride, writing, group=in_channels)
    return layers + conv_relu(f"{name}.conv", last_top(layers), num_output, kernel, 1, writing)


def relu(name: str, blob: str) -> LayerParameter:
    """A ReLU in place."""
    return LayerParameter(name=name, type="ReLU", bottom=[blob], top=[blob])


def activation(name: str, blob: str, writing: Writing) -> LayerParameter:
    """A ReLU in place, or where the writing is clipped, stock Caffe's Clip to 0..6 into a top of the layer's name.

    Clip's gradient looks at its bottom, which would be gone if it ran in place (Caffe: clip_layer.cpp).
    """
    if not writing.clipped:
        return relu(name, blob)
    layer = LayerParameter(name=name, type="Clip", bottom=[blob], top=[name])
    layer.clip_param.min, layer.clip_param.max = 0, 6
    return layer


def addition(name: str, *bottoms: str) -> LayerParameter:
    """The sum of the bottoms."""
    layer = LayerParameter(name=name, type="Eltwise", bottom=bottoms, top=[name])
    layer.eltwise_param.operation = layer.eltwise_param.SUM
    return layer


def concat(name: str, *bottoms: str) -> LayerParameter:
    """The channels of all bottoms, one after the other."""
    return LayerParameter(name=name, type="Concat", bottom=bottoms, top=[name])


def inner_product(name: str, bottom: str, num_output: int, writing: Writing) -> LayerParameter:
    """A fully connected layer with a bias."""
    layer = LayerParameter(name=name, type="InnerProduct", bottom=[bottom], top=[name])
    layer.inner_product_param.num_output = num_output
    layer.inner_product_param.bias_term = True
    if writing.fillers:
        layer.inner_product_param.weight_filler.type = "msra"
    return layer


def max_pooling(name: str, bottom: str, kernel: int, stride: int) -> LayerParameter:
    """The largest number in each window."""
    layer = LayerParameter(name=name, type="Pooling", bottom=[bottom], top=[name])
    layer.pooling_param.pool = layer.pooling_param.MAX
    layer.pooling_param.kernel_size = kernel
    layer.pooling_param.stride = stride
    return layer


def average_pooling(
    name: str, bottom: str, window: tuple[int, int] | None = None, stride: tuple[int, int] = (1, 1)
) -> LayerParameter:
    """The mean of each window (height, width), or of the whole map where there is no window."""
    layer = LayerParameter(name=name, type="Pooling", bottom=[bottom], top=[name])
    options = layer.pooling_param
    options.pool = options.AVE
    if window is None:
        options.global_pooling = True
        return layer
    if window[0] == window[1]:
        options.kernel_size = window[0]
    else:
        options.kernel_h, options.kernel_w = window
    if stride[0] == stride[1]:
        options.stride = stride[0]
    else:
        options.stride_h, options.stride_w = stride
    return layer


def interp(name: str, bottom: str, size: tuple[int, int], phase: Phase | None = None) -> LayerParameter:
    """The fork's bilinear resizing, corner on corner, to (height, width)."""
    layer = LayerParameter(name=name, type="Interp", bottom=[bottom], top=[name])
    if phase is not None:
        layer.include.add(phase=phase)
    layer.interp_param.height, layer.interp_param.width = size
    return layer


def crop(name: str, bottom: str, like: str) -> LayerParameter:
    """The upper left part of the bottom's map, as large as the map of the blob `like`."""
    layer = LayerParameter(name=name, type="Crop", bottom=[bottom, like], top=[name])
    layer.crop_param.axis = 2
    layer.crop_param.offset.append(0)
    return layer


def upsample(name: str, bottom: str, channels: int, times: int) -> LayerParameter:
    """A fixed bilinear Deconvolution, channel by channel, that enlarges a map `times` times, an even number."""
    layer = LayerParameter(name=name, type="Deconvolution", bottom=[bottom], top=[name])
    layer.param.add(lr_mult=0, decay_mult=0)
    options = layer.convolution_param
    options.num_output = options.group = channels
    options.bias_term = False
    options.pad.append(times // 2)
    options.kernel_size.append(2 * times)
    options.stride.append(times)
    options.weight_filler.type = "bilinear"
    return layer


def last_top(layers: Sequence[LayerParameter]) -> str:
    """The first top of the last layer."""
    return layers[-1].top[0]
