"""Operations that the exporter of PyTorch would write in forms that hide what they compute, written plainly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import torch

from prototxt_gen.errors import UnsupportedError


def translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """By operation the function that writes it, as torch.onnx.export takes them (`custom_translation_table`).

    1. Softplus as Softplus. The exporter's own form chooses between it and its argument above a threshold of 20, where
       the two are the same float32.
    2. Adaptive average pooling whose windows differ in size as a product with fixed matrices, one an axis; the exporter
       gathers every window. Windows of one size stay AveragePool.
    """
    aten = torch.ops.aten
    return {
        aten.softplus.default: _softplus,
        aten.adaptive_avg_pool1d.default: _adaptive_average,
        aten.adaptive_avg_pool2d.default: _adaptive_average,
        aten.adaptive_avg_pool3d.default: _adaptive_average,
    }


def _onnx() -> Any:
    return import_module("onnxscript").opset20


def _softplus(self: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    op = _onnx()
    # Below 16.7 more than half a unit of float32 separates softplus from its argument.
    if threshold < 17:
        raise UnsupportedError(f"softplus with the threshold {threshold}, above which PyTorch cuts it off")
    if beta == 1:
        return op.Softplus(self)
    return op.Div(op.Softplus(op.Mul(self, float(beta))), float(beta))


def _adaptive_average(self: Any, output_size: Sequence[int]) -> Any:
    op = _onnx()
    rank = len(self.shape)
    axes = range(rank - len(output_size), rank)
    inputs = [int(self.shape[axis]) for axis in axes]
    if all(size == 1 for size in output_size):
        return op.ReduceMean(self, op.Constant(value_ints=list(axes)), keepdims=1)
    if all(found % wanted == 0 for found, wanted in zip(inputs, output_size, strict=True)):
        windows = [found // wanted for found, wanted in zip(inputs, output_size, strict=True)]
        return op.AveragePool(self, kernel_shape=windows, strides=windows)
    result = self
    for axis, found, wanted in zip(axes, inputs, output_size, strict=True):
        if found == wanted:
            continue
        matrix = np.zeros((found, wanted), np.float32)
        for place in range(wanted):
            first, end = place * found // wanted, -(-(place + 1) * found // wanted)
            matrix[first:end, place] = 1 / (end - first)
        order = [*(other for other in range(rank) if other != axis), axis]
        if axis == rank - 2:
            result = op.MatMul(op.Constant(value=_tensor(matrix.T)), result)
        elif axis == rank - 1:
            result = op.MatMul(result, op.Constant(value=_tensor(matrix)))
        else:
            turned = op.MatMul(op.Transpose(result, perm=order), op.Constant(value=_tensor(matrix)))
            result = op.Transpose(turned, perm=[order.index(other) for other in range(rank)])
    return result


def _tensor(array: np.ndarray[Any, Any]) -> Any:
    return import_module("onnx_ir").tensor(np.ascontiguousarray(array))
