"""Operators that combine numbers, with constants and with tensors; reductions."""

from __future__ import annotations
