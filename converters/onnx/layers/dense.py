"""InnerProduct and Embed."""

from __future__ import annotations
