"""Convolution, Deconvolution, DepthwiseConvolution and Im2col, over any number of spatial axes."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from converters.pytorch.layers.builders import BUILDERS, Apply, blob
from prototxt_gen.layers.convolution import convolved_sizes, windows
from prototxt_gen.layers.windows import Windows

if TYPE_CHECKING:
    from converters.pytorch.layers.builders import Row

_CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_DECONVOLUTIONS = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}


class Leading(nn.Module):
    """A convolution whose channels are not in axis 1: all axes before them are batch axes."""

    def __init__(self, inner: nn.Module, axis: int) -> None:
        super().__init__()
        self.inner = inner
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        """x: (..., C, spatial axes)."""
        y: Tensor = self.inner(x.reshape(-1, *x.shape[self.axis :]))
        return y.reshape(*x.shape[: self.axis], *y.shape[1:])


@BUILDERS.register("Convolution", "DepthwiseConvolution")
def convolution(row: Row) -> nn.Module:
    """Blobs (num_output, C / group, kernel...) and, with bias_term, (num_output,). Caffe: conv_layer.cpp."""
    return _build(row, transposed=False)


@BUILDERS.register("Deconvolution")
def deconvolution(row: Row) -> nn.Module:
    """Blobs (C, num_output / group, kernel...) and, with bias_term, (num_output,). Caffe: deconv_layer.cpp."""
    return _build(row, transposed=True)


def _build(row: Row, transposed: bool) -> nn.Module:
    options, window = row.layer.convolution_param, windows(row.layer, row.bottom_shapes[0])
    axis = window.axis
    weight = row.blob_shapes[0]
    axes = len(weight) - 2
    channels, outputs = row.bottom_shapes[0][axis], options.num_output
    settings: dict[str, Any] = {
        "stride": window.stride,
        "padding": window.pad,
        "dilation": window.dilation,
        "groups": (outputs if transposed else channels) // weight[1],
    }
    module: nn.Module
    kinds: dict[int, Any] = _DECONVOLUTIONS if transposed else _CONVOLUTIONS
    fits = transposed or _inside(row.bottom_shapes[0][axis + 1 :], weight[2:], settings)
    if axes in kinds and fits and all(settings["dilation"]):
        kernel: Any = weight[2:]
        module = kinds[axes](channels, outputs, kernel, bias=options.bias_term, device="meta", **settings)
    else:
        module = AnyAxes(row.blob_shapes, transposed, **settings)
    return module if axis == 1 else Leading(module, axis)


def _inside(sizes: Any, kernel: Any, settings: dict[str, Any]) -> bool:
    """Whether the kernel fits into the padded image; Caffe allows one that is larger by less than a stride."""
    return all(
        size + 2 * pad > dilation * (k - 1)
        for size, k, pad, dilation in zip(sizes, kernel, settings["padding"], settings["dilation"], strict=True)
    )


class AnyAxes(nn.Module):
    """A convolution that torch does not have: over no or over four and more axes, too large a kernel, or dilation 0."""

    bias: nn.Parameter | None

    def __init__(self, blobs: Any, transposed: bool, **settings: Any) -> None:
        super().__init__()
        self.weight = blob(blobs[0])
        self.register_parameter("bias", blob(blobs[1]) if len(blobs) > 1 else None)
        self.transposed = transposed
        self.settings = settings

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C, spatial axes)."""
        function = deconvolve if self.transposed else convolve
        y = function(x, self.weight, **self.settings)
        return y if self.bias is None else y + self.bias.reshape(-1, *(1,) * (x.dim() - 2))


def convolve(x: Tensor, weight: Tensor, stride: Any, padding: Any, dilation: Any, groups: int) -> Tensor:
    """Convolution as Caffe does it: im2col, then one matrix product per group."""
    columns = im2col(x, weight.shape[2:], stride, padding, dilation)
    sizes = columns.shape[2:]
    columns = columns.reshape(x.shape[0], groups, columns.shape[1] // groups, -1)
    kernels = weight.reshape(groups, weight.shape[0] // groups, -1)
    return torch.einsum("gok,ngkp->ngop", kernels, columns).reshape(x.shape[0], -1, *sizes)


def deconvolve(x: Tensor, weight: Tensor, stride: Any, padding: Any, dilation: Any, groups: int) -> Tensor:
    """The transpose of `convolve`: zeros between the numbers of x, then a convolution with the mirrored kernel."""
    kernel = weight.shape[2:]
    stretched = x.new_zeros(*x.shape[:2], *((size - 1) * s + 1 for size, s in zip(x.shape[2:], stride, strict=True)))
    every: Any = (..., *(slice(None, None, step) for step in stride))
    stretched[every] = x
    # A negative pad cuts, so this also serves where Caffe's pad is larger than the kernel's reach.
    around = [d * (k - 1) - p for k, d, p in zip(kernel, dilation, padding, strict=True)]
    stretched = F.pad(stretched, [value for value in reversed(around) for _ in range(2)])
    axes = tuple(range(2, weight.dim()))
    mirrored = weight.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1).flip(axes)
    return convolve(stretched, mirrored, (1,) * len(axes), (0,) * len(axes), dilation, groups)


def im2col(x: Tensor, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Tensor:
    """(N, C, spatial) -> (N, C * prod(kernel), spatial of the output). Caffe: im2col.cpp."""
    axes = tuple(zip(x.shape[2:], kernel, stride, padding, dilation, strict=True))
    rooms = [size + 2 * pad - d * (k - 1) - 1 for size, k, _, pad, d in axes]
    sizes = convolved_sizes(tuple(x.shape[2:]), Windows(1, tuple(kernel), stride, padding, dilation))
    x = F.pad(
        x,
        [
            edge
            for room, axis in reversed(tuple(zip(rooms, axes, strict=True)))
            for edge in (axis[3], axis[3] + max(0, -room))
        ],
    )
    shifted = []
    for place in itertools.product(*map(range, kernel)):
        starts = [at * axis[4] for at, axis in zip(place, axes, strict=True)]
        steps = zip(starts, sizes, stride, strict=True)
        window: Any = (..., *(slice(start, start + (n - 1) * s + 1, s) for start, n, s in steps))
        shifted.append(x[window])
    return torch.stack(shifted, 2).reshape(x.shape[0], x.shape[1] * math.prod(kernel), *sizes)


@BUILDERS.register("Im2col")
def im2col_layer(row: Row) -> nn.Module:
    """Every window laid out along the channels. Caffe: im2col_layer.cpp."""
    window = windows(row.layer, row.bottom_shapes[0])
    return Apply(
        _im2col_from,
        axis=window.axis,
        kernel=window.kernel,
        stride=window.stride,
        padding=window.pad,
        dilation=window.dilation,
    )


def _im2col_from(x: Tensor, axis: int, **settings: Any) -> Tensor:
    y = im2col(x.reshape(-1, *x.shape[axis:]), **settings)
    return y.reshape(*x.shape[:axis], *y.shape[1:])
