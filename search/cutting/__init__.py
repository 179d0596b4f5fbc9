"""Spaces cut to what a toolchain takes: which parts it refuses, the largest space without these."""

from search.cutting.cut import Cut, as_cut, cut_space

__all__ = ["Cut", "as_cut", "cut_space"]
