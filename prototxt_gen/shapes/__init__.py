"""Shapes and costs of layers and networks, as Caffe computes them. Importing it fills the table of rules."""

from prototxt_gen.shapes import arranging, elementwise, losses, sources, weighted, windows
from prototxt_gen.shapes.rules import SHAPES, LayerShape, Shape, shape_rule
from prototxt_gen.shapes.summary import LayerSummary, Summary, summarize, trace

__all__ = [
    "SHAPES",
    "LayerShape",
    "LayerSummary",
    "Shape",
    "Summary",
    "arranging",
    "elementwise",
    "losses",
    "shape_rule",
    "sources",
    "summarize",
    "trace",
    "weighted",
    "windows",
]
