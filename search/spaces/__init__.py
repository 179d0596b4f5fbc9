"""Spaces: what a search may choose from. One file a kind of space; `reading.py` reads codes, names and files."""

from search.spaces.backbones import BackboneSpace
from search.spaces.decoders import DecoderSpace
from search.spaces.documents import packaged_names, read_space, write_space
from search.spaces.ponas import PonasLayer, PonasSpace
from search.spaces.reading import parse_space
from search.spaces.space import Architecture, Space
from search.spaces.tiered import TieredSpace, TieredStage

__all__ = [
    "Architecture",
    "BackboneSpace",
    "DecoderSpace",
    "PonasLayer",
    "PonasSpace",
    "Space",
    "TieredSpace",
    "TieredStage",
    "packaged_names",
    "parse_space",
    "read_space",
    "write_space",
]
