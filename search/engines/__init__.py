"""Engines: what runs a network on a target. One file each; `ENGINES[name](threads)` makes one."""

from search.engines.engine import ENGINES, Engine
from search.engines.torch_engine import torch_engine

__all__ = ["ENGINES", "Engine", "torch_engine"]
