"""Pooling and SPP, with Caffe's windows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from converters.pytorch.layers.builders import BUILDERS, Apply
from prototxt_gen.layers import Shape
from prototxt_gen.layers.pooling import pooled_sizes, spp_windows, windows
from prototxt_gen.layers.windows import Windows
from prototxt_gen.passes.phase import stated_phase

if TYPE_CHECKING:
    from converters.pytorch.layers.builders import Row


@BUILDERS.register("Pooling")
def pooling(row: Row) -> nn.Module:
    """Sizes round up (or down by round_mode), and a last window that starts in the padding is dropped.

    AVE divides by the part of the window inside the padded image. MAX may give the positions of the maxima as a second
    top. STOCHASTIC is the mean weighted by the numbers themselves in eval(), one of them at random in train().
    Caffe: pooling_layer.cpp, pooling_layer.cu (STOCHASTIC).
    """
    options = row.layer.pooling_param
    method = _method(row, options)
    mask = len(row.tops) > 1
    if options.global_pooling and method in ("max", "ave") and not mask:
        return nn.AdaptiveMaxPool2d(1) if method == "max" else nn.AdaptiveAvgPool2d(1)
    window = windows(row.layer, row.bottom_shapes[0])
    kernel, stride, pad = window.kernel, window.stride, window.pad
    ceil = options.round_mode == options.CEIL
    if options.global_pooling:
        return Pool(method, None, ceil, mask)
    # torch drops the last window by the same rule, but also without padding, where Caffe does not; and it refuses
    # padding of more than half a kernel.
    same = all(2 * p <= k for p, k in zip(pad, kernel, strict=True))
    same = same and (not ceil or any(pad) or all(k >= s for k, s in zip(kernel, stride, strict=True)))
    if same and method == "max" and not mask:
        return nn.MaxPool2d(kernel, stride, pad, ceil_mode=ceil)
    if same and method == "ave":
        return nn.AvgPool2d(kernel, stride, pad, ceil_mode=ceil)  # type: ignore[arg-type]
    return Pool(method, window, ceil, mask)


def _method(row: Row, options: Any) -> str:
    """max, ave, draw, weighted, or stochastic: draw or weighted by mode."""
    if options.pool == options.STOCHASTIC:
        return {"TRAIN": "draw", "TEST": "weighted", None: "stochastic"}[stated_phase(row.layer)]
    return "max" if options.pool == options.MAX else "ave"


class Pool(nn.Module):
    """Pooling by Caffe's rule in every case; without `window` it is the whole image."""

    def __init__(self, method: str, window: Windows | None, ceil: bool, mask: bool) -> None:
        super().__init__()
        self.method = method
        self.window = window
        self.ceil = ceil
        self.mask = mask

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """(N, C, H, W) -> (N, C, h, w), or two of them with the mask."""
        window = self.window or Windows(1, (x.shape[2], x.shape[3]), (1, 1), (0, 0), (1, 1))
        by_mode = "draw" if self.training else "weighted"
        method = by_mode if self.method == "stochastic" else self.method
        tops = pool(x, method, window, self.ceil)
        return tops if self.mask else tops[0]

    def extra_repr(self) -> str:
        """The settings, as `print(module)` shows them."""
        return f"{self.method}, {self.window}, ceil={self.ceil}"


def pool(x: Tensor, method: str, window: Windows, ceil: bool = True) -> tuple[Tensor, Tensor]:
    """The pooled image and, for `max`, the place of each maximum in its plane (elsewhere the same image again)."""
    kernel, stride, pad = window.kernel, window.stride, window.pad
    sizes = pooled_sizes(tuple(x.shape[2:]), window, floor=not ceil)
    reach = [(sizes[i] - 1) * stride[i] + kernel[i] for i in (0, 1)]
    margins = [edge for i in (1, 0) for edge in (pad[i], reach[i] - x.shape[2 + i] - pad[i])]
    # Caffe's -FLT_MAX, or what a smaller type has instead.
    lowest = max(torch.finfo(torch.float32).min, torch.finfo(x.dtype).min)
    padded = F.pad(x, margins, value=lowest if method == "max" else 0.0)
    if method == "max":
        y, places = F.max_pool2d(padded, kernel, stride, return_indices=True)
        rows = places.div(padded.shape[3], rounding_mode="floor") - pad[0]
        columns = places.remainder(padded.shape[3]) - pad[1]
        # Without padding a window may begin outside the image: Caffe finds no maximum in it.
        return y, torch.where(y > lowest, rows * x.shape[3] + columns, -1).to(x.dtype)
    area = kernel[0] * kernel[1]
    if method == "ave":
        heights, widths = (_extent(x, i, sizes[i], kernel[i], stride[i], pad[i]) for i in (0, 1))
        divisor = heights[:, None] * widths
        y = F.avg_pool2d(padded, kernel, stride) * area / divisor
        return y, y
    if method == "draw":
        y = _draw(padded, kernel, stride, sizes)
        return y, y
    total = F.avg_pool2d(padded, kernel, stride)
    squares = F.avg_pool2d(padded.square(), kernel, stride)
    y = torch.where(total > 0, squares / total.where(total > 0, torch.ones_like(total)), torch.zeros_like(total))
    return y, y


def _extent(x: Tensor, axis: int, count: int, kernel: int, stride: int, pad: int) -> Tensor:
    """How far each window reaches along an axis of the image, padding included."""
    # Made on the image's device: a CUDA graph can hold no copy from the CPU's memory.
    starts = torch.arange(count, device=x.device) * stride - pad
    return ((starts + kernel).clamp(max=x.shape[2 + axis] + pad) - starts).to(x.dtype)


def _draw(padded: Tensor, kernel: Shape, stride: Shape, sizes: Shape) -> Tensor:
    # One number of each window, drawn with a probability in proportion to it.
    n, c = padded.shape[:2]
    columns = F.unfold(padded.reshape(n * c, 1, *padded.shape[2:]), kernel, stride=stride)
    sums = columns.cumsum(1)
    threshold = torch.rand_like(sums[:, -1:]) * sums[:, -1:]
    place = (sums < threshold).sum(1, keepdim=True).clamp(max=columns.shape[1] - 1)
    return columns.gather(1, place).reshape(n, c, *sizes)


@BUILDERS.register("SPP")
def spp(row: Row) -> nn.Module:
    """Levels of 1, 4, 16, ... bins, flattened and joined; a single level stays (N, C, 1, 1). Caffe: spp_layer.cpp."""
    options = row.layer.spp_param
    return Apply(_pyramid, method=_method(row, options), levels=options.pyramid_height)


def _pyramid(x: Tensor, method: str, levels: int) -> Tensor:
    tops = [pool(x, method, spp_windows(level, tuple(x.shape[2:])))[0] for level in range(levels)]
    return tops[0] if levels == 1 else torch.cat([top.flatten(1) for top in tops], 1)
