"""Values that are a blob's numbers in another order: reshaped, transposed, sliced; and how Caffe writes them out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from converters.onnx.values import Tensor
from prototxt_gen.errors import UnsupportedError

if TYPE_CHECKING:
    from converters.onnx.network import Network


def written(net: Network, value: Tensor) -> Tensor:
    """The view written into a blob. (First form, to be built.)"""
    raise UnsupportedError(f"a view of {value.blob!r} cannot be written out")
