"""Layers without bottoms: Parameter and DummyData. Data layers are the graph's inputs."""

from __future__ import annotations
