"""Passes from a network to a new network; the one they are given stays as it is."""

from prototxt_gen.passes.formats import upgrade
from prototxt_gen.passes.merging import Merge, merge_batchnorm
from prototxt_gen.passes.phase import select_phase
from prototxt_gen.passes.splits import insert_splits

__all__ = ["Merge", "insert_splits", "merge_batchnorm", "select_phase", "upgrade"]
