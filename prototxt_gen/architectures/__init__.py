"""Architectures: frozen specs of networks, and the one-line codes that stand for them."""

from prototxt_gen.architectures.backbones import Backbone, Block, Stage
from prototxt_gen.architectures.codes import parse_architecture, parse_backbone
from prototxt_gen.architectures.decoders import Decoder, Pyramid
from prototxt_gen.architectures.kinds import BLOCK_KINDS, FAMILIES, BlockKind, Family, Unit
from prototxt_gen.architectures.limits import MAX_BLOCKS, MAX_CLASSES, MAX_CODE, MAX_TYPED, MAX_WIDTH
from prototxt_gen.architectures.maps import last_stages, sizes_of, strides_of

__all__ = [
    "BLOCK_KINDS",
    "FAMILIES",
    "MAX_BLOCKS",
    "MAX_CLASSES",
    "MAX_CODE",
    "MAX_TYPED",
    "MAX_WIDTH",
    "Backbone",
    "Block",
    "BlockKind",
    "Decoder",
    "Family",
    "Pyramid",
    "Stage",
    "Unit",
    "last_stages",
    "parse_architecture",
    "parse_backbone",
    "sizes_of",
    "strides_of",
]
