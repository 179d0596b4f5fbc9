"""The layers of a decoder: pyramid pooling, channel controllers, fusion nodes, score, upsampling.

Names of layers and tops are the DF release's in every form, so that its weights fit by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from prototxt_gen.architectures import Decoder
from prototxt_gen.generator.blocks import Style, conv_relu, convolution, last_top
from prototxt_gen.generator.units import concat, separable
from prototxt_gen.proto import LayerParameter

Phase = Literal["TRAIN", "TEST"]


class Map(NamedTuple):
    """A top of the backbone: its stride is 2^level."""

    level: int
    top: str
    channels: int
    height: int
    width: int


class Resizing(NamedTuple):
    """One of the layers that bring pooled maps back: to the map's size or, where `square`, to its shorter side's.

    The release writes one for the whole images of a test and one for the square crops that it was trained on, under
    one name.
    """

    phase: Phase | None = None
    square: bool = False


def decoder_layers(
    decoder: Decoder, maps: Sequence[Map], size: tuple[int, int], style: Style, resizings: Sequence[Resizing]
) -> tuple[list[LayerParameter], str]:
    """The layers from the maps to the scores, and the top of the scores before they are enlarged.

    `maps` are as many as the decoder has channels, the deepest first; `size` is that of `data` (height, width). Where
    an enlarged map is larger than the one it joins, which had an odd size, a Crop takes away its last row or column,
    and likewise what sticks out of the image from the scores. Nothing is added at the release's sizes.
    """
    layers, top = _pyramid(decoder, maps[0], style, resizings)
    controlled = {}
    for found, channels in reversed(list(zip(maps, decoder.channels, strict=True))):
        bottom = top if found == maps[0] else found.top
        layers += conv_relu(f"Decoder_wc{found.level}", bottom, channels, 1, 1, style)
        controlled[found.level] = last_top(layers)
    top = controlled[maps[0].level]
    height, width = maps[0].height, maps[0].width
    for found, channels in list(zip(maps, decoder.channels, strict=True))[1:]:
        name = f"Decoder{found.level}_{found.level}"
        layers += conv_relu(f"{name}.proj", top, channels, 1, 1, style)
        layers.append(upsample(f"{name}.proj/up2", last_top(layers), channels, 2))
        layers += _fit(layers[-1], (2 * height, 2 * width), controlled[found.level], (found.height, found.width))
        layers.append(concat(f"{name}.concat", controlled[found.level], last_top(layers)))
        joined = 2 * channels
        layers += _conv3x3(f"{name}.conv1", last_top(layers), joined, channels, decoder, style)
        top, height, width = last_top(layers), found.height, found.width
    layers += convolution("Decoder_score", top, decoder.classes, 3, 1, style)
    coarse = last_top(layers)
    if (times := decoder.upsampling) > 1:
        layers.append(upsample(f"Decoder_score.up{times}", coarse, decoder.classes, times))
        if times == 2 ** maps[-1].level:
            layers += _fit(layers[-1], (times * height, times * width), "data", size)
    return layers, coarse


def _pyramid(
    decoder: Decoder, deepest: Map, style: Style, resizings: Sequence[Resizing]
) -> tuple[list[LayerParameter], str]:
    layers: list[LayerParameter] = []
    parts = [deepest.top]
    size = deepest.height, deepest.width
    for number, window in enumerate(decoder.pyramid.windows(*size), 1):
        name = f"psp.pool{number}"
        pool = LayerParameter(name=name, type="Pooling", bottom=[deepest.top], top=[name])
        param = pool.pooling_param
        param.pool = param.AVE
        if window[0] == window[1]:
            param.kernel_size = param.stride = window[0]
        else:
            param.kernel_h, param.kernel_w = param.stride_h, param.stride_w = window
        layers += [pool, *conv_relu(f"{name}.conv", name, decoder.pyramid.width, 1, 1, style)]
        bottom, parts = last_top(layers), [*parts, f"{name}.interp"]
        for resizing in resizings:
            to = (min(size), min(size)) if resizing.square else size
            layers.append(interp(f"{name}.interp", bottom, to, resizing.phase))
    layers.append(concat("psp.concat", *parts))
    joined = deepest.channels + len(decoder.pyramid.bins) * decoder.pyramid.width
    layers += _conv3x3("psp.concat.conv", "psp.concat", joined, decoder.pyramid.out_channels, decoder, style)
    return layers, last_top(layers)


def _conv3x3(
    name: str, bottom: str, in_channels: int, num_output: int, decoder: Decoder, style: Style
) -> list[LayerParameter]:
    if decoder.separable:
        return separable(name, bottom, in_channels, num_output, 1, 1, style)
    return conv_relu(name, bottom, num_output, 3, 1, style)


def _fit(layer: LayerParameter, size: tuple[int, int], like: str, wanted: tuple[int, int]) -> list[LayerParameter]:
    """What brings the layer's top of `size` to that of the top `like`, which is `wanted`: nothing, Crop, or Interp."""
    top = layer.top[0]
    if size == wanted:
        return []
    # After ResNet's max pooling, which drops the last row of an odd map, the scores may cover less than the image.
    if size[0] < wanted[0] or size[1] < wanted[1]:
        return [interp(f"{layer.name}/resize", top, wanted)]
    crop = LayerParameter(name=f"{layer.name}/crop", type="Crop", bottom=[top, like], top=[f"{layer.name}/crop"])
    crop.crop_param.axis = 2
    crop.crop_param.offset.append(0)
    return [crop]


def interp(name: str, bottom: str, size: tuple[int, int], phase: Phase | None = None) -> LayerParameter:
    """The fork's bilinear resizing, corner on corner, to (height, width)."""
    layer = LayerParameter(name=name, type="Interp", bottom=[bottom], top=[name])
    if phase is not None:
        layer.include.add(phase=phase)
    layer.interp_param.height, layer.interp_param.width = size
    return layer


def upsample(name: str, bottom: str, channels: int, times: int) -> LayerParameter:
    """A fixed bilinear Deconvolution, channel by channel, that enlarges a map `times` times, an even number."""
    layer = LayerParameter(name=name, type="Deconvolution", bottom=[bottom], top=[name])
    layer.param.add(lr_mult=0, decay_mult=0)
    param = layer.convolution_param
    param.num_output = param.group = channels
    param.bias_term = False
    param.pad.append(times // 2)
    param.kernel_size.append(2 * times)
    param.stride.append(times)
    param.weight_filler.type = "bilinear"
    return layer
