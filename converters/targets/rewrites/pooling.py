"""Large poolings as chains of smaller ones."""

from __future__ import annotations
