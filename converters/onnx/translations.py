"""Operations that the exporter of PyTorch would write in forms that hide what they compute, written plainly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
import torch

from prototxt_gen.errors import UnsupportedError


def translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """By operation the function that writes it, as torch.onnx.export takes them (`custom_translation_table`).

    1. Softplus as Softplus. The exporter's own form chooses between it and its argument above a threshold of 20, where
       the two are the same float32.
    2. Adaptive average pooling whose windows differ in size as a product with fixed matrices, one an axis; the exporter
       gathers every window. Windows of one size and stride are AveragePool.
    3. Average pooling with a divisor of its own, which the exporter drops.
    4. Adaptive max pooling, which the exporter has not, as MaxPool; windows that differ in size get a position twice.
    5. Conv3d without a bias, to which the exporter gives one of a wrong shape.
    6. Threshold by ThresholdedRelu; the exporter chooses by Where.
    7. RReLU as LeakyRelu with the mean slope, which it is outside of training.
    8. Resizing with antialias between aligned corners, or by a scale that does not give whole sizes, where PyTorch's
       rules are not ONNX's, by PyTorch's own factors.
    """
    aten = torch.ops.aten
    return {
        aten.softplus.default: _softplus,
        aten.adaptive_avg_pool1d.default: _adaptive_average,
        aten.adaptive_avg_pool2d.default: _adaptive_average,
        aten.adaptive_avg_pool3d.default: _adaptive_average,
        aten.avg_pool2d.default: _average,
        aten.avg_pool3d.default: _average,
        aten.adaptive_max_pool1d.default: _adaptive_max,
        aten.adaptive_max_pool2d.default: _adaptive_max,
        aten.adaptive_max_pool3d.default: _adaptive_max,
        aten.conv3d.default: _conv3d,
        aten.threshold.default: _threshold,
        aten.rrelu_with_noise_functional.default: _rrelu,
        aten._upsample_bilinear2d_aa.default: _smoothed("linear"),
        aten._upsample_bicubic2d_aa.default: _smoothed("cubic"),
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


def _average(
    self: Any,
    kernel_size: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    op = _onnx()
    rank = 2 if len(kernel_size) < 3 else 3
    kernel, pads = _each(kernel_size, rank), _each(padding, rank)
    strides = _each(stride, rank) if stride else kernel
    batched = len(self.shape) == rank + 2
    x = self if batched else op.Unsqueeze(self, op.Constant(value_ints=[0]))
    if divisor_override is None:
        y = op.AveragePool(
            x, kernel_shape=kernel, strides=strides, pads=pads * 2, ceil_mode=int(ceil_mode),
            count_include_pad=int(count_include_pad),
        )  # fmt: skip
    else:
        # Whole windows over zeros, so that each is divided by its size; then by the other divisor.
        ends = list(pads)
        for place, size in enumerate(int(one) for one in x.shape[2:]) if ceil_mode else ():
            whole = size + 2 * pads[place] - kernel[place]
            steps = -(-whole // strides[place])
            if steps * strides[place] >= size + pads[place]:
                steps -= 1  # a window begins in the map or in the padding before it (PyTorch: Pool.h)
            ends[place] += max(0, steps * strides[place] - whole)
        if ends != pads:
            x = op.Pad(x, op.Constant(value_ints=[0, 0, *pads, 0, 0, *ends]))
            pads = [0] * rank
        y = op.AveragePool(x, kernel_shape=kernel, strides=strides, pads=pads * 2, count_include_pad=1)
        y = op.Mul(y, prod(kernel) / divisor_override)
    return y if batched else op.Squeeze(y, op.Constant(value_ints=[0]))


def _each(sizes: Sequence[int], rank: int) -> list[int]:
    """One size for each axis."""
    return [int(size) for size in sizes] * (rank if len(sizes) == 1 else 1)


def _conv3d(
    input: Any,  # noqa: A002 - as the operator calls it
    weight: Any,
    bias: Any = None,
    stride: Sequence[int] = (1,),
    padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    groups: int = 1,
) -> Any:
    op = _onnx()
    batched = len(input.shape) == 5
    x = input if batched else op.Unsqueeze(input, op.Constant(value_ints=[0]))
    y = op.Conv(
        x, weight, *([] if bias is None else [bias]), strides=_each(stride, 3), pads=_each(padding, 3) * 2,
        dilations=_each(dilation, 3), group=groups,
    )  # fmt: skip
    return y if batched else op.Squeeze(y, op.Constant(value_ints=[0]))


def _rrelu(
    self: Any, noise: Any, lower: float = 0.125, upper: float = 1 / 3, training: bool = False, generator: Any = None
) -> Any:
    if training:
        raise UnsupportedError("RReLU in training, which is random")
    return _onnx().LeakyRelu(self, alpha=(lower + upper) / 2), noise


def _threshold(self: Any, threshold: float, value: float) -> Any:
    """X above the threshold, the value elsewhere: what is added is exactly 0 or the value."""
    op = _onnx()
    if threshold == value == 0:
        return op.Relu(self)
    above = op.ThresholdedRelu(self, alpha=float(threshold))
    if value == 0:
        return above
    chosen = op.Cast(op.Greater(self, float(threshold)), to=1)
    return op.Add(above, op.Add(op.Mul(chosen, -float(value)), float(value)))


def _adaptive_average(self: Any, output_size: Sequence[int]) -> Any:
    op = _onnx()
    rank = len(self.shape)
    axes = range(rank - len(output_size), rank)
    if all(size == 1 for size in output_size):
        return op.ReduceMean(self, op.Constant(value_ints=list(axes)), keepdims=1)
    windows = [_windows(int(self.shape[axis]), size) for axis, size in zip(axes, output_size, strict=True)]
    even = [one for one in map(_even, windows) if one is not None]
    if len(even) == len(windows):
        return op.AveragePool(self, kernel_shape=[size for size, _ in even], strides=[step for _, step in even])
    result = self
    for axis, own in zip(axes, windows, strict=True):
        found, wanted = int(self.shape[axis]), len(own)
        if found == wanted:
            continue
        matrix = np.zeros((found, wanted), np.float32)
        for place, (first, end) in enumerate(own):
            matrix[first:end, place] = 1 / (end - first)
        result = _along(result, rank, axis, matrix)
    return result


def _along(x: Any, rank: int, axis: int, matrix: np.ndarray[Any, Any]) -> Any:
    """An axis times a matrix (found, wanted)."""
    op = _onnx()
    if axis == rank - 2:
        return op.MatMul(op.Constant(value=_tensor(matrix.T)), x)
    if axis == rank - 1:
        return op.MatMul(x, op.Constant(value=_tensor(matrix)))
    order = [*(other for other in range(rank) if other != axis), axis]
    turned = op.MatMul(op.Transpose(x, perm=order), op.Constant(value=_tensor(matrix)))
    return op.Transpose(turned, perm=[order.index(other) for other in range(rank)])


def _smoothed(mode: str) -> Callable[..., Any]:
    aten = torch.ops.aten
    resize = aten._upsample_bilinear2d_aa if mode == "linear" else aten._upsample_bicubic2d_aa

    def write(
        self: Any,
        output_size: Sequence[int],
        align_corners: bool,
        scales_h: float | None = None,
        scales_w: float | None = None,
    ) -> Any:
        op = _onnx()
        sizes = [int(size) for size in output_size]
        parts = list(zip((3, 2), sizes[::-1], (scales_w, scales_h), strict=True))
        plain = all(scale is None or scale * int(self.shape[axis]) == size for axis, size, scale in parts)
        if plain and not align_corners:
            return op.Resize(
                self, None, None, op.Constant(value_ints=[int(size) for size in self.shape[:2]] + sizes), mode=mode,
                coordinate_transformation_mode="pytorch_half_pixel", antialias=1, exclude_outside=1, cubic_coeff_a=-0.5,
            )  # fmt: skip
        result = self
        for axis, size, scale in parts:
            # What it makes of each position alone.
            found = int(self.shape[axis])
            each = resize(torch.eye(found)[:, None, None], [1, size], align_corners, None, scale)
            result = _along(result, 4, axis, each[:, 0, 0].numpy())
        return result

    return write


def _adaptive_max(self: Any, output_size: Sequence[int]) -> Any:
    """The largest values and their places; the places are MaxPool's, of which Caffe has none."""
    op = _onnx()
    result, kernel, strides = self, [], []
    for axis, wanted in enumerate(output_size, len(self.shape) - len(output_size)):
        windows = _windows(int(self.shape[axis]), wanted)
        even = _even(windows)
        if even is None:
            longest = max(end - first for first, end in windows)
            # A window that is shorter than others takes its last position again, which changes no maximum.
            places = [min(first + step, end - 1) for first, end in windows for step in range(longest)]
            result = op.Gather(result, op.Constant(value_ints=places), axis=axis)
            even = (longest, longest)
        kernel.append(even[0])
        strides.append(even[1])
    return op.MaxPool(result, kernel_shape=kernel, strides=strides)


def _windows(found: int, wanted: int) -> list[tuple[int, int]]:
    """Where the windows of adaptive pooling begin and end (PyTorch: AdaptivePooling.h)."""
    return [(place * found // wanted, -(-(place + 1) * found // wanted)) for place in range(wanted)]


def _even(windows: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
    """The windows' one size, and one stride; None where they differ."""
    sizes = {end - first for first, end in windows}
    strides = {after[0] - before[0] for before, after in pairwise(windows)} or sizes
    return (min(sizes), min(strides)) if len(sizes) == len(strides) == 1 and min(strides) > 0 else None


def _tensor(array: np.ndarray[Any, Any]) -> Any:
    return import_module("onnx_ir").tensor(np.ascontiguousarray(array))
