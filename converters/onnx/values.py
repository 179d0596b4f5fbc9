"""What the values of an ONNX graph are while it is turned into a network: constants, and tensors in blobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from numpy.typing import NDArray

from prototxt_gen.layers import Shape

Constant: TypeAlias = NDArray[Any]


@dataclass(frozen=True)
class Tensor:
    """A value that a blob of the network holds.

    `shape` is that of the value. Without `view` it is the blob's own; with one the value is the blob's numbers in
    another order or number of axes, and `views.py` says which. `whole` says that the numbers are whole ones, or 0 and
    1: ONNX has types for these, Caffe's blobs are all float32.
    """

    blob: str
    shape: Shape
    view: Any = None
    whole: bool = False


ValueOf: TypeAlias = "Constant | Tensor"
