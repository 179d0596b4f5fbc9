"""Interp with aligned corners, and with pixel centres."""

from __future__ import annotations
