"""Pooling and SPP, with Caffe's windows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from converters.pytorch.layers.table import BUILDERS, Apply, stated_phase

if TYPE_CHECKING:
    from converters.pytorch.layers.table import Row

Pair: TypeAlias = tuple[int, int]
_LOWEST = torch.finfo(torch.float32).min


@BUILDERS.register("Pooling")
def pooling(row: Row) -> nn.Module:
    """Sizes round up (or down by round_mode), and a last window that starts in the padding is dropped.

    AVE divides by the part of the window inside the padded image; MAX may give a second top, the place of each maximum;
    STOCHASTIC is the mean weighted by the numbers themselves in eval() and draws one of them in train().
    Caffe: pooling_layer.cpp, pooling_layer.cu (STOCHASTIC).
    """
    numbers = row.layer.pooling_param
    stochastic = {"TRAIN": "draw", "TEST": "weighted", None: "stochastic"}[stated_phase(row.layer)]
    method = {numbers.MAX: "max", numbers.AVE: "ave", numbers.STOCHASTIC: stochastic}[numbers.pool]
    mask = len(row.tops) > 1
    if numbers.global_pooling and method in ("max", "ave") and not mask:
        return nn.AdaptiveMaxPool2d(1) if method == "max" else nn.AdaptiveAvgPool2d(1)
    kernel = _pair(numbers, "kernel", numbers.kernel_size)
    stride = _pair(numbers, "stride", numbers.stride)
    pad = _pair(numbers, "pad", numbers.pad)
    ceil = numbers.round_mode == numbers.CEIL
    if numbers.global_pooling:
        return Windows(method, None, (1, 1), (0, 0), ceil, mask)
    # torch drops the last window by the same rule, but also without padding, where Caffe does not; and it takes no
    # padding above half a kernel.
    same = all(2 * p <= k for p, k in zip(pad, kernel, strict=True))
    same = same and (not ceil or any(pad) or all(k >= s for k, s in zip(kernel, stride, strict=True)))
    if same and method == "max" and not mask:
        return nn.MaxPool2d(kernel, stride, pad, ceil_mode=ceil)
    if same and method == "ave":
        return nn.AvgPool2d(kernel, stride, pad, ceil_mode=ceil)
    return Windows(method, kernel, stride, pad, ceil, mask)


def _pair(numbers: Any, name: str, both: int) -> Pair:
    if numbers.HasField(f"{name}_h") or numbers.HasField(f"{name}_w"):
        return getattr(numbers, f"{name}_h"), getattr(numbers, f"{name}_w")
    return both, both


class Windows(nn.Module):
    """Pooling by Caffe's rule in every case; kernel None stands for the whole image."""

    def __init__(self, method: str, kernel: Pair | None, stride: Pair, pad: Pair, ceil: bool, mask: bool) -> None:
        super().__init__()
        self.method = method
        self.kernel = kernel
        self.stride = stride
        self.pad = pad
        self.ceil = ceil
        self.mask = mask

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """(N, C, H, W) -> (N, C, h, w), or two of them with the mask."""
        kernel = self.kernel or (x.shape[2], x.shape[3])
        by_mode = "draw" if self.training else "weighted"
        method = by_mode if self.method == "stochastic" else self.method
        tops = pool(x, method, kernel, self.stride, self.pad, self.ceil)
        return tops if self.mask else tops[0]

    def extra_repr(self) -> str:
        """The settings, as `print(module)` shows them."""
        return f"{self.method}, kernel={self.kernel}, stride={self.stride}, pad={self.pad}, ceil={self.ceil}"


def pool(x: Tensor, method: str, kernel: Pair, stride: Pair, pad: Pair, ceil: bool = True) -> tuple[Tensor, Tensor]:
    """The pooled image and, for `max`, the place of each maximum in its plane (elsewhere the same image again)."""
    sizes = [_size(x.shape[2 + i], kernel[i], stride[i], pad[i], ceil, any(pad)) for i in (0, 1)]
    reach = [(sizes[i] - 1) * stride[i] + kernel[i] for i in (0, 1)]
    margins = [edge for i in (1, 0) for edge in (pad[i], reach[i] - x.shape[2 + i] - pad[i])]
    padded = F.pad(x, margins, value=_LOWEST if method == "max" else 0.0)
    if method == "max":
        y, places = F.max_pool2d(padded, kernel, stride, return_indices=True)
        rows = places.div(padded.shape[3], rounding_mode="floor") - pad[0]
        columns = places.remainder(padded.shape[3]) - pad[1]
        # Without padding a window may begin behind the image: Caffe finds no place in it.
        return y, torch.where(y > _LOWEST, rows * x.shape[3] + columns, -1).to(x.dtype)
    area = kernel[0] * kernel[1]
    if method == "ave":
        heights, widths = (_extent(x.shape[2 + i], sizes[i], kernel[i], stride[i], pad[i]) for i in (0, 1))
        divisor = torch.tensor(heights, dtype=x.dtype, device=x.device)[:, None] * torch.tensor(
            widths, dtype=x.dtype, device=x.device
        )
        y = F.avg_pool2d(padded, kernel, stride) * area / divisor
        return y, y
    if method == "draw":
        y = _draw(padded, kernel, stride, sizes)
        return y, y
    total = F.avg_pool2d(padded, kernel, stride)
    squares = F.avg_pool2d(padded.square(), kernel, stride)
    y = torch.where(total > 0, squares / total.where(total > 0, torch.ones_like(total)), torch.zeros_like(total))
    return y, y


def _size(size: int, kernel: int, stride: int, pad: int, ceil: bool, padded: bool) -> int:
    steps = size + 2 * pad - kernel
    count = (-(-steps // stride) if ceil else steps // stride) + 1
    return count - 1 if padded and (count - 1) * stride >= size + pad else count


def _extent(size: int, count: int, kernel: int, stride: int, pad: int) -> list[int]:
    starts = [index * stride - pad for index in range(count)]
    return [min(start + kernel, size + pad) - start for start in starts]


def _draw(padded: Tensor, kernel: Pair, stride: Pair, sizes: list[int]) -> Tensor:
    # One number of each window, as likely as it is large.
    n, c = padded.shape[:2]
    windows = F.unfold(padded.reshape(n * c, 1, *padded.shape[2:]), kernel, stride=stride)
    sums = windows.cumsum(1)
    threshold = torch.rand_like(sums[:, -1:]) * sums[:, -1:]
    place = (sums < threshold).sum(1, keepdim=True).clamp(max=windows.shape[1] - 1)
    return windows.gather(1, place).reshape(n, c, *sizes)


@BUILDERS.register("SPP")
def spp(row: Row) -> nn.Module:
    """Levels of 1, 4, 16, ... bins, flattened and joined; a single level stays (N, C, 1, 1). Caffe: spp_layer.cpp."""
    numbers = row.layer.spp_param
    stochastic = {"TRAIN": "draw", "TEST": "weighted", None: "stochastic"}[stated_phase(row.layer)]
    method = {numbers.MAX: "max", numbers.AVE: "ave", numbers.STOCHASTIC: stochastic}[numbers.pool]
    return Apply(_pyramid, method=method, levels=numbers.pyramid_height)


def _pyramid(x: Tensor, method: str, levels: int) -> Tensor:
    tops = []
    for bins in (2**level for level in range(levels)):
        kernel = (math.ceil(x.shape[2] / bins), math.ceil(x.shape[3] / bins))
        pad = tuple((k * bins - size + 1) // 2 for k, size in zip(kernel, x.shape[2:], strict=True))
        tops.append(pool(x, method, kernel, kernel, (pad[0], pad[1]))[0])
    return tops[0] if levels == 1 else torch.cat([top.flatten(1) for top in tops], 1)
