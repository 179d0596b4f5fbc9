"""The layers of a decoder: pyramid pooling, channel controllers, fusion nodes, score, upsampling.

Names of layers and tops are the DF release's in every form, so that its weights fit by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from prototxt_gen.architectures import Decoder
from prototxt_gen.generator.elements import (
    Phase,
    Writing,
    average_pooling,
    concat,
    conv_relu,
    convolution,
    crop,
    interp,
    last_top,
    separable,
    upsample,
)
from prototxt_gen.proto import LayerParameter


class Map(NamedTuple):
    """A map of the backbone and the top that holds it."""

    stride: int
    top: str
    channels: int
    height: int
    width: int

    @property
    def level(self) -> int:
        """The number that the release names layers by: the stride is 2^level."""
        return self.stride.bit_length() - 1


class Resizing(NamedTuple):
    """One of the layers that bring pooled maps back: to the map's size or, where `square`, to its shorter side's.

    The release writes one for the whole images of a test and one for the square crops that it was trained on, under
    one name.
    """

    phase: Phase | None = None
    square: bool = False


class Section(NamedTuple):
    """Layers of a decoder that belong together, and what they are called in a table."""

    title: str
    layers: list[LayerParameter]


def decoder_sections(
    decoder: Decoder, maps: Sequence[Map], size: tuple[int, int], writing: Writing, resizings: Sequence[Resizing]
) -> tuple[list[Section], str]:
    """The layers from the maps to the scores, in order, and the top of the scores before they are enlarged.

    `maps` are as many as the decoder has channels, the deepest first; `size` is that of `data` (height, width). Where
    an enlarged map is larger than the one it joins, which had an odd size, a Crop takes away its last row or column,
    and likewise what sticks out of the image from the scores. Nothing is added at the release's sizes.
    """
    deepest, wanted = maps[0], list(zip(maps, decoder.channels, strict=True))
    sections = [_pyramid(decoder, deepest, writing, resizings)]
    pooled = last_top(sections[0].layers)
    controlled = {}
    for found, channels in reversed(wanted):
        bottom, before = (pooled, decoder.pyramid.out_channels) if found is deepest else (found.top, found.channels)
        layers = conv_relu(f"Decoder_wc{found.level}", bottom, channels, 1, 1, writing)
        sections.append(Section(f"controller {before}-{channels}", layers))
        controlled[found.stride] = last_top(layers)
    top, (shape, width) = controlled[deepest.stride], (deepest, decoder.channels[0])
    for found, channels in wanted[1:]:
        layers = _fusion(decoder, top, shape, controlled[found.stride], found, channels, writing)
        sections.append(Section(f"fusion {width}-{channels}", layers))
        top, shape, width = last_top(layers), found, channels
    scores = convolution("Decoder_score", top, decoder.classes, 3, 1, writing)
    coarse = last_top(scores)
    sections.append(Section(f"score {width}-{decoder.classes}", scores))
    if (times := decoder.upsampling) > 1:
        layers = [upsample(f"Decoder_score.up{times}", coarse, decoder.classes, times)]
        if times == shape.stride:
            layers += _fit(layers[-1], (times * shape.height, times * shape.width), "data", size)
        sections.append(Section(f"upsampling {decoder.classes} x{times}", layers))
    return sections, coarse


def _pyramid(decoder: Decoder, deepest: Map, writing: Writing, resizings: Sequence[Resizing]) -> Section:
    layers: list[LayerParameter] = []
    parts = [deepest.top]
    pyramid, size = decoder.pyramid, (deepest.height, deepest.width)
    for number, window in enumerate(pyramid.windows(*size), 1):
        name = f"psp.pool{number}"
        layers.append(average_pooling(name, deepest.top, window, window))
        layers += conv_relu(f"{name}.conv", name, pyramid.width, 1, 1, writing)
        bottom, parts = last_top(layers), [*parts, f"{name}.interp"]
        for resizing in resizings:
            to = (min(size), min(size)) if resizing.square else size
            layers.append(interp(f"{name}.interp", bottom, to, resizing.phase))
    layers.append(concat("psp.concat", *parts))
    joined = deepest.channels + len(pyramid.bins) * pyramid.width
    layers += _conv3x3("psp.concat.conv", "psp.concat", joined, pyramid.out_channels, decoder, writing)
    return Section(f"pyramid {deepest.channels}-{pyramid.width}-{pyramid.out_channels}", layers)


def _fusion(
    decoder: Decoder, top: str, deeper: Map, controlled: str, found: Map, channels: int, writing: Writing
) -> list[LayerParameter]:
    """The result so far brought from the deeper map's size to the next map's channels and size, and joined with it."""
    name = f"Decoder{found.level}_{found.level}"
    layers = conv_relu(f"{name}.proj", top, channels, 1, 1, writing)
    layers.append(upsample(f"{name}.proj/up2", last_top(layers), channels, 2))
    layers += _fit(layers[-1], (2 * deeper.height, 2 * deeper.width), controlled, (found.height, found.width))
    layers.append(concat(f"{name}.concat", controlled, last_top(layers)))
    return layers + _conv3x3(f"{name}.conv1", last_top(layers), 2 * channels, channels, decoder, writing)


def _conv3x3(
    name: str, bottom: str, in_channels: int, num_output: int, decoder: Decoder, writing: Writing
) -> list[LayerParameter]:
    if decoder.separable:
        return separable(name, bottom, in_channels, num_output, 1, 1, writing)
    return conv_relu(name, bottom, num_output, 3, 1, writing)


def _fit(layer: LayerParameter, size: tuple[int, int], like: str, wanted: tuple[int, int]) -> list[LayerParameter]:
    """What brings the layer's top of `size` to that of the top `like`, which is `wanted`: nothing, Crop, or Interp."""
    top = layer.top[0]
    if size == wanted:
        return []
    # After ResNet's max pooling, which drops the last row of an odd map, the scores may cover less than the image.
    if size[0] < wanted[0] or size[1] < wanted[1]:
        return [interp(f"{layer.name}/resize", top, wanted)]
    return [crop(f"{layer.name}/crop", top, like)]
