"""Operators that move numbers: Concat, Split, Slice, Reshape, Transpose, Pad and others."""

from __future__ import annotations
