"""Engines: what runs a network, gives its tops and times it. One file each; `make_engine(name)` makes one."""

from converters.engines import torch as _torch  # noqa: F401  (fills ENGINES)
from converters.engines.engine import ENGINES, Engine, Session, make_engine

__all__ = ["ENGINES", "Engine", "Session", "make_engine"]
