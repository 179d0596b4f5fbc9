"""Passes from a network to a new network; the one they are given stays as it is."""

from prototxt_gen.passes.phase import select_phase
from prototxt_gen.passes.splits import insert_splits
from prototxt_gen.passes.upgrade import upgrade

__all__ = ["insert_splits", "select_phase", "upgrade"]
