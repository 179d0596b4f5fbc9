"""The table of PyTorch layers by Caffe type, and what every builder in it uses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor, nn

from prototxt_gen.registry import Registry

if TYPE_CHECKING:
    from prototxt_gen.trace import LayerSummary

    Row: TypeAlias = LayerSummary

Builder: TypeAlias = "Callable[[Row], nn.Module]"

BUILDERS: Registry[Builder] = Registry("PyTorch layer")
"""Caffe layer type -> builder.

A builder gets one row of `prototxt_gen.trace` (the LayerParameter and the shapes of bottoms, tops and blobs)
and returns a module that takes the bottoms as positional tensors and returns the top, or a tuple of several. The
module's own parameters, in the order in which it registers them, are the layer's blobs in Caffe's order; those made on
the `meta` device (`blob`) are filled by `fillers.py`, others keep what the builder gave them until weights arrive.
For a combination of options that it does not support a builder raises UnsupportedError with the reason only.

A layer type of your own needs a shape rule and a builder:

    @layer_type("Mish")
    def mish_shape(layer, bottoms):
        return LayerShape(tops=(bottoms[0],))

    @BUILDERS.register("Mish")
    def mish(row):
        return torch.nn.Mish()
"""


class Apply(nn.Module):
    """A layer without blobs: `function(*bottoms, **settings)`."""

    def __init__(self, function: Callable[..., Any], **settings: Any) -> None:
        super().__init__()
        self.function = function
        self.settings = settings

    def forward(self, *bottoms: Tensor) -> Any:
        """Top or tuple of tops."""
        return self.function(*bottoms, **self.settings)

    def extra_repr(self) -> str:
        """The function and its settings, as `print(module)` shows them."""
        return ", ".join([self.function.__name__, *(f"{key}={value!r}" for key, value in self.settings.items())])


def blob(shape: Sequence[int]) -> nn.Parameter:
    """A parameter without memory yet, to be filled by weights or by the layer's filler."""
    return nn.Parameter(torch.empty(tuple(shape), device="meta"))
