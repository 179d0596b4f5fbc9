"""Layers that move numbers: Concat, Slice, Reshape, Permute, Crop, Tile and others."""

from __future__ import annotations
