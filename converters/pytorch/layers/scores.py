"""Layers that score or decide: Accuracy and ArgMax."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from converters.pytorch.layers.builders import BUILDERS, Apply
from prototxt_gen.layers.layer_types import axis_of

if TYPE_CHECKING:
    from converters.pytorch.layers.builders import Row


@BUILDERS.register("Accuracy")
def accuracy(row: Row) -> nn.Module:
    """The share of labels for which fewer than top_k other scores are as high; a second top has it per class.

    A score equal to the label's counts as higher. Caffe: accuracy_layer.cpp.
    """
    options = row.layer.accuracy_param
    return Apply(
        _accuracy,
        axis=axis_of(row.layer, "accuracy_param", row.bottom_shapes[0]),
        top_k=options.top_k,
        ignore=options.ignore_label if options.HasField("ignore_label") else None,
        per_class=len(row.tops) > 1,
    )


def _accuracy(
    x: Tensor, label: Tensor, axis: int, top_k: int, ignore: int | None, per_class: bool
) -> Tensor | tuple[Tensor, Tensor]:
    classes = x.shape[axis]
    scores = x.reshape(math.prod(x.shape[:axis]), classes, -1)
    target = label.long().reshape(scores.shape[0], -1)
    valid = torch.ones_like(target, dtype=torch.bool) if ignore is None else target != ignore
    target = target.where(valid, torch.zeros_like(target))
    own = scores.gather(1, target[:, None])
    right = ((scores >= own).sum(1) - 1 < top_k) & valid
    share = right.sum().to(x.dtype) / valid.sum().clamp(min=1)
    if not per_class:
        return share
    zeros = x.new_zeros(classes)
    hits = zeros.index_add(0, target.flatten(), right.flatten().to(x.dtype))
    counts = zeros.index_add(0, target.flatten(), valid.flatten().to(x.dtype))
    return share, hits / counts.clamp(min=1)


@BUILDERS.register("ArgMax")
def argmax(row: Row) -> nn.Module:
    """The top_k positions, or values, along an axis or in each image; of equal values the last one comes first.

    Without `axis` the top is (N, 1, top_k), or (N, 2, top_k) with positions and values where out_max_val is set; if the
    bottom has more than three axes, axes of size 1 follow up to that number. Caffe: argmax_layer.cpp.
    """
    options = row.layer.argmax_param
    if options.HasField("axis"):
        axis = axis_of(row.layer, "argmax_param", row.bottom_shapes[0])
        return Apply(_argmax_along, axis=axis, top_k=options.top_k, values=options.out_max_val)
    return Apply(_argmax_image, top_k=options.top_k, values=options.out_max_val)


def _largest(x: Tensor, axis: int, top_k: int) -> tuple[Tensor, Tensor]:
    # Caffe sorts pairs (value, position) from high to low, so that of equal values the last position comes first.
    turned = x.flip(axis)
    if top_k == 1:
        places = turned.argmax(axis, keepdim=True)
        values = turned.gather(axis, places)
    else:
        values, places = turned.sort(stable=True, dim=axis, descending=True)
        values, places = values.narrow(axis, 0, top_k), places.narrow(axis, 0, top_k)
    return values, (x.shape[axis] - 1 - places).to(x.dtype)


def _argmax_along(x: Tensor, axis: int, top_k: int, values: bool) -> Tensor:
    return _largest(x, axis, top_k)[0 if values else 1]


def _argmax_image(x: Tensor, top_k: int, values: bool) -> Tensor:
    largest, places = _largest(x.reshape(x.shape[0], -1), 1, top_k)
    y = torch.stack([places, largest], 1) if values else places[:, None]
    return y.reshape(*y.shape, *(1,) * (x.dim() - 3))
