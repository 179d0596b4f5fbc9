"""Layers that are matrix products: InnerProduct and Embed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional as F

from converters.pytorch.layers.builders import BUILDERS, blob
from prototxt_gen.layers.layer_types import axis_of

if TYPE_CHECKING:
    from converters.pytorch.layers.builders import Row


class InnerProduct(nn.Linear):
    """nn.Linear over the axes from `axis`, taken as one; `transposed` keeps the weight as (inputs, outputs)."""

    def __init__(self, inputs: int, outputs: int, bias: bool, axis: int, transposed: bool) -> None:
        super().__init__(inputs, outputs, bias, device="meta")
        self.axis = axis
        self.transposed = transposed
        if transposed:
            self.weight = blob((inputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(a, ..., b, ...) -> (a, ..., outputs)."""
        weight = self.weight.t() if self.transposed else self.weight
        return F.linear(x.flatten(self.axis), weight, self.bias)


@BUILDERS.register("InnerProduct")
def inner_product(row: Row) -> nn.Module:
    """Caffe: inner_product_layer.cpp."""
    options = row.layer.inner_product_param
    inputs = row.blob_shapes[0][0 if options.transpose else 1]
    axis = axis_of(row.layer, "inner_product_param", row.bottom_shapes[0])
    return InnerProduct(inputs, options.num_output, options.bias_term, axis, options.transpose)


class Embed(nn.Module):
    """For every index in the bottom that row of `weight`, plus the bias."""

    bias: nn.Parameter | None

    def __init__(self, weight: nn.Parameter, bias: nn.Parameter | None) -> None:
        super().__init__()
        self.weight = weight
        self.register_parameter("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        """(...) of indices -> (..., num_output)."""
        y = F.embedding(x.long(), self.weight)
        return y if self.bias is None else y + self.bias


@BUILDERS.register("Embed")
def embed(row: Row) -> nn.Module:
    """Caffe: embed_layer.cpp."""
    return Embed(blob(row.blob_shapes[0]), blob(row.blob_shapes[1]) if len(row.blob_shapes) > 1 else None)
