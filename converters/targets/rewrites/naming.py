"""Names cut to a length, in-place layers with tops of their own, private fields: what is left at the end."""

from __future__ import annotations
