"""Layers that combine numbers: Eltwise, Scale, Bias, Reduction."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from converters.pytorch.layers.builders import BUILDERS, Apply, blob
from prototxt_gen.layers.arithmetic import broadcast_axis
from prototxt_gen.layers.layer_types import axis_of

if TYPE_CHECKING:
    from converters.pytorch.layers.builders import Row


@BUILDERS.register("Eltwise")
def eltwise(row: Row) -> nn.Module:
    """Product, sum with coefficients, or maximum of the bottoms. Caffe: eltwise_layer.cpp."""
    options = row.layer.eltwise_param
    if options.operation == options.PROD:
        return Apply(product)
    if options.operation == options.MAX:
        return Apply(maximum)
    coefficients = list(options.coeff)
    if all(value == 1 for value in coefficients):
        return Apply(total)
    return Apply(weighted, coefficients=coefficients)


def product(*bottoms: Tensor) -> Tensor:
    """Every bottom times the next."""
    return functools.reduce(torch.mul, bottoms)


def maximum(*bottoms: Tensor) -> Tensor:
    """The greatest of the bottoms.

    Of equal ones, one gets the whole gradient, as in Caffe: the second of the first two, otherwise the earlier one.
    torch.maximum would divide it between them.
    """
    top = torch.where(bottoms[0] > bottoms[1], bottoms[0], bottoms[1])
    for bottom in bottoms[2:]:
        top = torch.where(bottom > top, bottom, top)
    return top


def total(*bottoms: Tensor) -> Tensor:
    """The sum of the bottoms."""
    return functools.reduce(torch.add, bottoms)


def weighted(*bottoms: Tensor, coefficients: list[float]) -> Tensor:
    """The sum of the bottoms, each times its coefficient."""
    y = bottoms[0] * coefficients[0]
    for bottom, coefficient in zip(bottoms[1:], coefficients[1:], strict=True):
        y = torch.add(y, bottom, alpha=coefficient)
    return y


def spread(factor: Tensor, x: Tensor, axis: int) -> Tensor:
    """`factor` reshaped so that it broadcasts with x and its first axis is `axis` of x."""
    return factor.reshape(factor.shape + (1,) * (x.dim() - axis - factor.dim()))


class Scale(nn.Module):
    """x * weight + bias along the axes from `axis`; the weight may be a second bottom, the bias absent."""

    weight: nn.Parameter | None
    bias: nn.Parameter | None

    def __init__(self, axis: int, weight: nn.Parameter | None, bias: nn.Parameter | None) -> None:
        super().__init__()
        self.axis = axis
        self.register_parameter("weight", weight)
        self.register_parameter("bias", bias)

    def forward(self, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """x: any shape; weight: x.shape[axis : axis + k]."""
        factor = self.weight if weight is None else weight
        assert factor is not None
        y = x * spread(factor, x, self.axis)
        return y if self.bias is None else y + spread(self.bias, x, self.axis)


@BUILDERS.register("Scale")
def scale(row: Row) -> nn.Module:
    """Caffe: scale_layer.cpp."""
    blobs = [blob(shape) for shape in row.blob_shapes]
    axis = broadcast_axis(row.layer, "scale_param", row.bottom_shapes)
    weight = blobs.pop(0) if len(row.bottoms) == 1 else None
    return Scale(axis, weight, blobs[0] if blobs else None)


class Bias(nn.Module):
    """x + bias along the axes from `axis`; the bias may be a second bottom."""

    bias: nn.Parameter | None

    def __init__(self, axis: int, bias: nn.Parameter | None) -> None:
        super().__init__()
        self.axis = axis
        self.register_parameter("bias", bias)

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """x: any shape; bias: x.shape[axis : axis + k]."""
        term = self.bias if bias is None else bias
        assert term is not None
        return x + spread(term, x, self.axis)


@BUILDERS.register("Bias")
def bias(row: Row) -> nn.Module:
    """Caffe: bias_layer.cpp."""
    axis = broadcast_axis(row.layer, "bias_param", row.bottom_shapes)
    return Bias(axis, blob(row.blob_shapes[0]) if row.blob_shapes else None)


@BUILDERS.register("Reduction")
def reduction(row: Row) -> nn.Module:
    """SUM, ASUM, SUMSQ or MEAN over all axes from `axis`, times coeff. Caffe: reduction_layer.cpp."""
    options = row.layer.reduction_param
    operation = {options.SUM: "sum", options.ASUM: "asum", options.SUMSQ: "sumsq", options.MEAN: "mean"}
    axis = axis_of(row.layer, "reduction_param", row.bottom_shapes[0])
    return Apply(reduce, operation=operation[options.operation], axis=axis, coefficient=options.coeff)


def reduce(x: Tensor, operation: str, axis: int, coefficient: float) -> Tensor:
    """(a, ..., b, ...) -> (a, ...): the axes from `axis` become one number."""
    x = x.reshape(*x.shape[:axis], -1)
    if operation == "asum":
        x = x.abs()
    elif operation == "sumsq":
        x = x.square()
    y = x.mean(-1) if operation == "mean" else x.sum(-1)
    return y if coefficient == 1 else y * coefficient
