"""Caffe's layers in PyTorch: `LAYERS` maps every Caffe type to its builder; one file per subject fills it."""

from __future__ import annotations

from converters.layers import (  # each import enters its layers into the table
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
from converters.layers.table import LAYERS, Apply, Builder

__all__ = [
    "LAYERS",
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
