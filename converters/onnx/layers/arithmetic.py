"""Layers that combine numbers: Eltwise, Scale, Bias, Reduction."""

from __future__ import annotations
