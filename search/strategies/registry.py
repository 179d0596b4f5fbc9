"""The strategies by name."""

from __future__ import annotations

from prototxt_gen.registry import Registry
from search.strategies.chooser import Chooser

CHOOSERS: Registry[type[Chooser]] = Registry("strategy")
