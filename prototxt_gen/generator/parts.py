"""The parts of a network: stem, blocks, head or a decoder's nodes, each a small network that can run by itself.

What a part costs on a device depends on its layers and on the shapes of what it takes, not on where it stands. So a
part's layers and blobs are named anew, by kind and number, and its key is the fingerprint of the network so written:
equal keys have equal networks, and different networks have different keys.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from prototxt_gen.architectures import Backbone, Decoder
from prototxt_gen.fingerprints import fingerprint
from prototxt_gen.generator.arguments import checked_architecture, checked_merged, checked_shape
from prototxt_gen.generator.fragments import Fragment
from prototxt_gen.generator.networks import body
from prototxt_gen.layers import Shape
from prototxt_gen.proto import NetParameter
from prototxt_gen.trace import LayerSummary, trace


@dataclass(frozen=True)
class Part:
    """One part of a network, and its place there.

    `net` is the part as a network of its own: an Input layer for each blob that it takes, then its layers, named by
    type and number (`convolution1`, `relu1`). `key` is its fingerprint. `label` is for readers and tells less than
    the key: kind, channels, stride, size of what it takes.

    `layers`, `bottoms` and `tops` map the names in `net` to those in the whole network: of its layers in order, without
    the inputs; of the blobs that it takes; of the blobs that later parts or the network's user take. Its weights are
    `{name: weights[own] for name, own in part.layers.items() if own in weights}`.

    `makers` has, for each blob that it takes, the type of the layer that made it, activations aside: "Input",
    "Convolution", "Eltwise". A device may keep or fuse what one kind of layer hands over and not another.
    """

    key: str
    label: str
    net: NetParameter
    layers: dict[str, str]
    bottoms: dict[str, str]
    tops: dict[str, str]
    makers: dict[str, str]

    @property
    def joined_key(self) -> str:
        """The key with the makers: what a time depends on where a device treats what they hand over differently."""
        return f"{self.key} after {'+'.join(self.makers[own] for own in self.bottoms)}"


def parts(
    architecture: Backbone | Decoder | str, input_shape: Sequence[int] | None = None, merged: bool = True
) -> list[Part]:
    """The parts of a deploy network in order: every layer but `data` is in exactly one of them.

    Of a Backbone: the stem, each block, the head (its 1x1 convolution if there is one, pooling, classifier). Of a
    Decoder: the stem, each block, pyramid pooling, each channel controller, each fusion node, the score, the
    upsampling. They run one after another in this order, each on what earlier ones made. `input_shape` is as in
    `generate`, and so are the errors; batch norm is merged unless told otherwise, as devices run it.
    """
    spec, merged = checked_architecture(architecture), checked_merged(merged)
    shape = checked_shape(input_shape, spec, "deploy")
    shapes: dict[str, Shape] = {"data": shape}
    makers = {"data": "Input"}
    found = []
    for piece in body(spec, "deploy", shape, merged).fragments:
        bottoms, layers = _names(piece)
        taken = tuple(shapes[bottom] for bottom in bottoms)
        cut = _cut(piece, taken)
        taken_from = {own: makers[bottom] for own, bottom in zip(cut.bottoms, bottoms, strict=True)}
        shapes[piece.top], makers[piece.top] = cut.top_shape, cut.maker
        found.append(
            Part(
                cut.key,
                f"{piece.title} {taken[0][2]}x{taken[0][3]}",
                NetParameter.FromString(cut.binary),
                dict(zip(cut.layers, layers, strict=True)),
                dict(zip(cut.bottoms, bottoms, strict=True)),
                {cut.top: piece.top},
                taken_from,
            )
        )
    return found


class _Cut(NamedTuple):
    key: str
    binary: bytes
    layers: tuple[str, ...]
    bottoms: tuple[str, ...]
    top: str
    top_shape: Shape
    maker: str


@lru_cache(maxsize=8192)
def _names(piece: Fragment) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The tops of earlier layers that a fragment takes, and the names of its own layers."""
    layers = NetParameter.FromString(piece.binary).layer
    made: set[str] = set()
    bottoms: dict[str, None] = {}
    for layer in layers:
        bottoms.update(dict.fromkeys(bottom for bottom in layer.bottom if bottom not in made))
        made.update(layer.top)
    return tuple(bottoms), tuple(layer.name for layer in layers)


@lru_cache(maxsize=8192)
def _cut(piece: Fragment, shapes: tuple[Shape, ...]) -> _Cut:
    """A fragment as a network by itself, for bottoms of these shapes."""
    net = NetParameter()
    blobs: dict[str, str] = {}
    for number, (bottom, shape) in enumerate(zip(_names(piece)[0], shapes, strict=True), 1):
        blobs[bottom] = f"input{number}"
        layer = net.layer.add(name=blobs[bottom], type="Input", top=[blobs[bottom]])
        layer.input_param.shape.add(dim=shape)
    inputs, numbers = len(net.layer), Counter[str]()
    net.MergeFromString(piece.binary)
    for layer in net.layer[inputs:]:
        numbers[layer.type] += 1
        layer.name = f"{layer.type.lower()}{numbers[layer.type]}"
        layer.bottom[:] = [blobs[bottom] for bottom in layer.bottom]
        for index, top in enumerate(layer.top):
            if top not in blobs:
                blobs[top] = f"{layer.name}/{index + 1}" if index else layer.name
            layer.top[index] = blobs[top]
    names = tuple(layer.name for layer in net.layer)
    rows = trace(net)
    made = {name: shape for row in rows for name, shape in zip(row.tops, row.top_shapes, strict=True)}
    top = blobs[piece.top]
    return _Cut(fingerprint(net), net.SerializeToString(), names[inputs:], names[:inputs], top, made[top], _maker(rows))


def _maker(rows: Sequence[LayerSummary]) -> str:
    """The type of the last layer that is more than an activation: what has no weights and keeps the shape is one."""
    for row in reversed(rows):
        if row.blob_shapes or row.bottom_shapes != row.top_shapes:
            return row.type
    return rows[-1].type
