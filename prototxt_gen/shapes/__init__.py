"""Shapes and costs of layers and networks, as Caffe computes them.

The modules of rules are imported for what importing them does: each enters its layer types in SHAPES.
"""

from prototxt_gen.shapes import arranging, elementwise, half_pixel, losses, sources, weighted, windows  # noqa: F401
from prototxt_gen.shapes.rules import SHAPES, LayerShape, Shape, shape_rule
from prototxt_gen.shapes.summary import LayerSummary, Summary, summarize, trace

__all__ = ["SHAPES", "LayerShape", "LayerSummary", "Shape", "Summary", "shape_rule", "summarize", "trace"]
