"""Gemm, and MatMul with a constant."""

from __future__ import annotations
