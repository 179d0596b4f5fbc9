"""Layer types that some Caffes call by another name: what they are called here, with the same options and blobs.

A target's file names types as its tool does. The shapes, the facts and the rewrites of such a layer are those of the
type that it stands for.
"""

from __future__ import annotations

from prototxt_gen.layers import LAYERS
from prototxt_gen.proto import LayerParameter, NetParameter

#: A type as a tool spells it -> the type of `prototxt_gen.layers` that has its options, its blobs and its rule.
SPELLINGS = {
    "ConvolutionDepthwise": "DepthwiseConvolution",
    "DepthwiseConv": "DepthwiseConvolution",
    "Relu6": "ReLU6",
}


def known_type(kind: str) -> str:
    """The type by its name here; a type without another name as it is."""
    return kind if kind in LAYERS else SPELLINGS.get(kind, kind)


def in_known_words(layer: LayerParameter) -> LayerParameter:
    """The layer under the type's name here: itself where that is the one it has, else a copy."""
    kind = known_type(layer.type)
    if kind == layer.type:
        return layer
    made = LayerParameter()
    made.CopyFrom(layer)
    made.type = kind
    return made


def net_in_known_words(net: NetParameter) -> NetParameter:
    """The network with all its layers under the names here, so that it can be traced and run; a copy."""
    made = NetParameter()
    made.CopyFrom(net)
    for layer in made.layer:
        layer.type = known_type(layer.type)
    return made
