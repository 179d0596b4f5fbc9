"""Interp: bilinear resizing with aligned corners; InterpHalfPixel: the same at pixel centres; Upsample: nearest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional as F

from converters.pytorch.layers.builders import BUILDERS, Apply

if TYPE_CHECKING:
    from converters.pytorch.layers.builders import Row


@BUILDERS.register("Interp")
def interp(row: Row) -> nn.Module:
    """By shrink_factor, zoom_factor, height and width, or both factors; pads of zero or less crop first.

    The corners of input and output coincide. Source: interp_layer.cpp and interp.cpp of the DeepLab fork. A second
    bottom, which gives height and width, is an addition of the PSPNet fork.
    """
    options = row.layer.interp_param
    crop = (-options.pad_beg, -options.pad_end)
    shrink, zoom = options.HasField("shrink_factor"), options.HasField("zoom_factor")
    if len(row.bottoms) == 2:
        return Apply(_resize_like, crop=crop)
    if shrink == zoom and options.HasField("height") and options.HasField("width"):
        return Apply(_resize, crop=crop, size=(options.height, options.width))
    return Apply(
        _resize,
        crop=crop,
        shrink=options.shrink_factor if shrink else 1,
        zoom=options.zoom_factor if zoom else 1,
    )


def _resize(
    x: Tensor, crop: tuple[int, int], size: tuple[int, int] | None = None, shrink: int = 1, zoom: int = 1
) -> Tensor:
    x = x.reshape(*x.shape, *(1,) * (4 - x.dim()))  # Caffe: Blob::LegacyShape
    if any(crop):
        begin, end = crop
        x = x[:, :, begin : x.shape[2] - end, begin : x.shape[3] - end]
    height, width = size or ((((edge - 1) // shrink) * zoom + 1) for edge in x.shape[2:])
    return F.interpolate(x, (height, width), mode="bilinear", align_corners=True)


def _resize_like(x: Tensor, like: Tensor, crop: tuple[int, int]) -> Tensor:
    height, width = (*like.shape[2:], 1, 1)[:2]
    return _resize(x, crop, (height, width))


@BUILDERS.register("InterpHalfPixel")
def interp_half_pixel(row: Row) -> nn.Module:
    """Bilinear resizing at pixel centres, which ncnn's Interp computes (interp.cpp); Caffe has no layer for it."""
    options = row.layer.interp_param
    size = (options.height, options.width) if options.height or options.width else None
    return Apply(_resize_half_pixel, size=size, shrink=options.shrink_factor, zoom=options.zoom_factor)


def _resize_half_pixel(x: Tensor, size: tuple[int, int] | None, shrink: int, zoom: int) -> Tensor:
    height, width = size or (edge * zoom // shrink for edge in x.shape[2:])
    return F.interpolate(x, (height, width), mode="bilinear", align_corners=False)


@BUILDERS.register("Upsample")
def upsample(row: Row) -> nn.Module:
    """Each pixel `scale` times on both axes (forks for YOLO: upsample_layer.cpp)."""
    return nn.UpsamplingNearest2d(scale_factor=row.layer.upsample_param.scale)
