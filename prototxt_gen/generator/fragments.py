"""Runs of layers in both languages, cached, that networks are joined from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from prototxt_gen.architectures import FAMILIES, Block
from prototxt_gen.binary import to_binary
from prototxt_gen.generator.blocks import Style, basic, bottleneck, conv_relu, last_top
from prototxt_gen.generator.resnets import resnet_basic, resnet_bottleneck, resnet_stem
from prototxt_gen.generator.units import inverted, separable, shuffle, single
from prototxt_gen.proto import LayerParameter, NetParameter
from prototxt_gen.text import to_text

Builder: TypeAlias = Callable[[Block, str, str, Style], list[LayerParameter]]

#: The layers of a block of each kind in BLOCK_KINDS, from (block, name, bottom, style).
BUILDERS: dict[str, Builder] = {
    "basic": basic,
    "bottleneck": bottleneck,
    "resnet_basic": resnet_basic,
    "resnet_bottleneck": resnet_bottleneck,
    "shuffle": shuffle,
    "inverted": inverted,
    "convolution": single,
}


@dataclass(frozen=True)
class Fragment:
    """A run of layers in both languages. Joined texts, and joined binaries, are those of the joined network."""

    text: str
    binary: bytes
    top: str


def fragment(layers: Sequence[LayerParameter]) -> Fragment:
    """The layers as a fragment; `top` is the first top of the last of them."""
    net = NetParameter(layer=layers)
    return Fragment(to_text(net), to_binary(net), last_top(layers))


# A space of twelve blocks a stage and five widths has some thousands of fragments, of about 3 kB each.
@lru_cache(maxsize=8192)
def block_fragment(block: Block, name: str, bottom: str, style: Style) -> Fragment:
    """The fragment of one block of a kind in BUILDERS."""
    return fragment(BUILDERS[block.kind](block, name, bottom, style))


@lru_cache(maxsize=1024)
def stem_fragment(stem: tuple[int, ...], style: Style, family: str = "df", channels: int = 3) -> Fragment:
    """The fragment of the stem's convolutions, from a `data` of that many channels."""
    if FAMILIES[family].stem == "pooled":
        return fragment(resnet_stem(stem, style))
    layers: list[LayerParameter] = []
    bottom = "data"
    for number, width in enumerate(stem, 1):
        name = f"conv{number}"
        if FAMILIES[family].stem == "separable":
            layers += separable(name, bottom, channels, width, 1 if number == 1 else 3, 2, style)
        else:
            layers += conv_relu(name, bottom, width, 3, 2, style)
        bottom, channels = last_top(layers), width
    return fragment(layers)
