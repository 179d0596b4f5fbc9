"""Layers that combine numbers: Eltwise, Scale, Bias, Reduction."""

from __future__ import annotations

from collections.abc import Sequence

from converters.onnx.layers.emitters import EMITTERS, Layer
from converters.weights.blobs import Array
from prototxt_gen.layers.arithmetic import broadcast_axis
from prototxt_gen.layers.layer_types import axis_of


@EMITTERS.register("Eltwise")
def eltwise(layer: Layer) -> None:
    """Product, sum with coefficients, or maximum of the bottoms. Caffe: eltwise_layer.cpp."""
    options, top = layer.parameter.eltwise_param, layer.tops[0]
    first, *others = layer.bottoms
    if options.operation == options.PROD:
        layer.chain(first, top, [("Mul", [other]) for other in others])
        return
    if options.operation == options.MAX:
        layer.node("Max", layer.bottoms, top)
        return
    coefficients = list(options.coeff) or [1.0] * len(layer.bottoms)
    last = "Add"
    if len(others) == 1 and coefficients[1] == -1:
        coefficients[1], last = 1.0, "Sub"
    terms = [
        bottom if factor == 1 else layer.node("Mul", [bottom, layer.constant(factor, f"coeff{place}")])
        for place, (bottom, factor) in enumerate(zip(layer.bottoms, coefficients, strict=True))
    ]
    layer.node(last if len(terms) == 2 else "Sum", terms, top)


@EMITTERS.register("Scale")
def scale(layer: Layer) -> None:
    """Mul, and Add where there is a bias. Caffe: scale_layer.cpp."""
    _spread(layer, "scale_param", ("Mul", "weight"), ("Add", "bias"))


@EMITTERS.register("Bias")
def bias(layer: Layer) -> None:
    """Add. Caffe: bias_layer.cpp."""
    _spread(layer, "bias_param", ("Add", "bias"))


def _spread(layer: Layer, options: str, *parts: tuple[str, str]) -> None:
    """Operators by a second bottom or a blob each, whose axes lie on the first bottom's from the stated one on."""
    shapes = layer.row.bottom_shapes
    axis = broadcast_axis(layer.parameter, options, shapes)
    blobs = list(layer.blobs)
    steps: list[tuple[str, Sequence[str]]] = []
    for place, (operator, name) in enumerate(parts):
        if place == 0 and len(shapes) == 2:
            behind = len(shapes[0]) - axis - len(shapes[1])
            factor = layer.bottoms[1]
            if behind and shapes[1]:
                axes = list(range(len(shapes[1]), len(shapes[1]) + behind))
                factor = layer.node("Unsqueeze", [factor, layer.constant(axes, "axes")])
            steps.append((operator, [factor]))
        elif blobs:
            steps.append((operator, [layer.constant(_with_ones(blobs.pop(0), len(shapes[0]) - axis), name)]))
    layer.chain(layer.bottoms[0], layer.tops[0], steps)


def _with_ones(blob: Array, axes: int) -> Array:
    """The blob with ones behind its sizes, so that it has this many."""
    return blob.reshape(blob.shape + (1,) * (axes - blob.ndim))


@EMITTERS.register("Reduction")
def reduction(layer: Layer) -> None:
    """SUM, ASUM, SUMSQ or MEAN over all axes from `axis`, times coeff. Caffe: reduction_layer.cpp."""
    options, shape = layer.parameter.reduction_param, layer.row.bottom_shapes[0]
    axes = list(range(axis_of(layer.parameter, "reduction_param", shape), len(shape)))
    scaled = options.coeff != 1
    top = None if scaled else layer.tops[0]
    if options.operation in (options.SUM, options.ASUM):
        value = layer.bottoms[0]
        if options.operation == options.ASUM:  # OpenVINO 2026.4 takes ReduceL1 of this opset over all axes
            value = layer.node("Abs", [value])
        value = layer.node("ReduceSum", [value, layer.constant(axes, "axes")], top, keepdims=0)
    else:
        operator = "ReduceMean" if options.operation == options.MEAN else "ReduceSumSquare"
        value = layer.node(operator, layer.bottoms, top, axes=axes, keepdims=0)
    if scaled:
        layer.node("Mul", [value, layer.constant(options.coeff, "coeff")], layer.tops[0])
