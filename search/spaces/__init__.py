"""Spaces: what a search may choose from. One file a kind of space; `codes.py` reads a space's one-line code."""

from search.spaces.backbones import BackboneSpace
from search.spaces.codes import parse_space
from search.spaces.space import Architecture, Space

__all__ = ["Architecture", "BackboneSpace", "Space", "parse_space"]
