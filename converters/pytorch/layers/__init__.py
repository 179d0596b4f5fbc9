"""Caffe's layers in PyTorch: `BUILDERS` maps every Caffe type to its builder; one file per subject fills it."""

from __future__ import annotations

from converters.pytorch.layers import (  # each import enters its layers into the table
    activations,
    arithmetic,
    arrangement,
    convolution,
    dense,
    losses,
    normalization,
    pooling,
    recurrent,
    resizing,
    scores,
    sources,
)
from converters.pytorch.layers.table import BUILDERS, Apply, Builder

__all__ = [
    "BUILDERS",
    "Apply",
    "Builder",
    "activations",
    "arithmetic",
    "arrangement",
    "convolution",
    "dense",
    "losses",
    "normalization",
    "pooling",
    "recurrent",
    "resizing",
    "scores",
    "sources",
]
