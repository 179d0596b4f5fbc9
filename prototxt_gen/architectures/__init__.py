"""Architectures: frozen specs of networks, and the one-line codes that stand for them."""

from prototxt_gen.architectures.backbones import Backbone, Block, Stage
from prototxt_gen.architectures.codes import parse_architecture, parse_backbone
from prototxt_gen.architectures.decoders import Decoder, Pyramid, levels_of
from prototxt_gen.architectures.kinds import BLOCK_KINDS, FAMILIES, BlockKind, Family, Unit
from prototxt_gen.architectures.limits import MAX_BLOCKS, MAX_CLASSES, MAX_CODE, MAX_TYPED, MAX_WIDTH

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
    "levels_of",
    "parse_architecture",
    "parse_backbone",
]
