"""Runs of layers in both languages, text and binary, cached, that networks are joined from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from prototxt_gen.architectures import Backbone, Block, Decoder
from prototxt_gen.binary import to_binary
from prototxt_gen.generator import blocks
from prototxt_gen.generator.decoders import Map, Resizing, decoder_sections
from prototxt_gen.generator.elements import Writing, last_top
from prototxt_gen.proto import LayerParameter, NetParameter
from prototxt_gen.text import to_text


@dataclass(frozen=True)
class Fragment:
    """A run of layers in both languages. Joined texts, and joined binaries, are those of the joined network.

    `top` is the first top of the last layer, `title` what a table calls the whole.
    """

    binary: bytes
    top: str
    title: str = ""

    @cached_property
    def text(self) -> str:
        """The layers as text, written when it is first asked for: most uses need the binary alone."""
        return to_text(NetParameter.FromString(self.binary))


def fragment(layers: Sequence[LayerParameter], title: str = "") -> Fragment:
    """The layers as a fragment."""
    return Fragment(to_binary(NetParameter(layer=layers)), last_top(layers), title)


def named(name: str) -> Fragment:
    """The name of a network."""
    return Fragment(to_binary(NetParameter(name=name)), "")


def stem_fragment(backbone: Backbone, channels: int, writing: Writing) -> Fragment:
    """The stem of a backbone, from a `data` of that many channels."""
    return _stem_fragment(backbone.stem, backbone.family, channels, writing)


@lru_cache(maxsize=1024)
def _stem_fragment(widths: tuple[int, ...], family: str, channels: int, writing: Writing) -> Fragment:
    return fragment(blocks.stem(widths, family, channels, writing), f"stem {'-'.join(map(str, (channels, *widths)))}")


# A space of twelve blocks a stage and five widths has some thousands of fragments, of about 3 kB each.
@lru_cache(maxsize=8192)
def block_fragment(block: Block, name: str, bottom: str, writing: Writing) -> Fragment:
    """One block of a kind in BUILDERS."""
    return fragment(blocks.BUILDERS[block.kind](block, name, bottom, writing), _title(block))


def head_fragment(backbone: Backbone, last: Map, writing: Writing) -> Fragment:
    """The head of a backbone, from its last map."""
    # The release counts pooling as the stage after the last: its stages are res2 to res4, then comes pool5.
    traits = backbone.traits
    pool = f"pool{len(backbone.stages) + traits.pool_after}"
    classifier = traits.classifier.format(classes=backbone.classes)
    dropout = traits.dropout if writing.fillers else 0.0
    return _head_fragment(last, pool, classifier, backbone.classes, backbone.head, dropout, writing)


@lru_cache(maxsize=1024)
def _head_fragment(
    last: Map, pool: str, classifier: str, classes: int, width: int | None, dropout: float, writing: Writing
) -> Fragment:
    window = last.height, last.width
    layers = blocks.head(last.top, pool, window, classifier, classes, width, dropout, writing)
    widths = (last.channels, width, classes) if width else (last.channels, classes)
    return fragment(layers, f"head {'-'.join(map(str, widths))}")


@lru_cache(maxsize=1024)
def decoder_fragments(
    decoder: Decoder, maps: tuple[Map, ...], size: tuple[int, int], writing: Writing, resizings: tuple[Resizing, ...]
) -> tuple[tuple[Fragment, ...], str]:
    """A decoder's sections, the last of which has the scores, and the top of the scores before upsampling."""
    sections, coarse = decoder_sections(decoder, maps, size, writing, resizings)
    return tuple(fragment(section.layers, section.title) for section in sections), coarse


def _title(block: Block) -> str:
    """Kind, channels (in, between, out), stride: `basic 64-64-128 s2`, `inverted 40-240k5-80q s2`."""
    kernel = f"k{block.kernel}" if block.kernel != 3 else ""
    between = block.inner or block.width
    channels = f"{block.in_channels}-{between}{kernel}-{block.out_channels}{'q' * block.squeeze}"
    # Bottlenecks of two widths may have the same channels, one with a projection and one without (DF2A's res4.5).
    told = block.stride == 2 or block.in_channels != block.out_channels
    return f"{block.kind} {channels} s{block.stride}{' projected' * (block.needs_projection and not told)}"
