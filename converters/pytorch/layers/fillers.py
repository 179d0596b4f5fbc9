"""How Caffe fills blobs before training, with torch's random numbers. Caffe: filler.hpp."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from prototxt_gen.layers.fillers import fixed_values
from prototxt_gen.proto import FillerParameter


def filled(filler: FillerParameter, shape: Sequence[int]) -> Tensor:
    """A new tensor of `shape` filled as the FillerParameter says. UnsupportedError for fillers that Caffe refuses."""
    values = fixed_values(filler, shape)
    return _RANDOM[filler.type](filler, torch.empty(tuple(shape))) if values is None else torch.from_numpy(values)


def _uniform(filler: FillerParameter, blob: Tensor) -> Tensor:
    return blob.uniform_(filler.min, filler.max)


def _gaussian(filler: FillerParameter, blob: Tensor) -> Tensor:
    blob.normal_(filler.mean, filler.std)
    if filler.sparse >= 0:  # on average this many inputs of each output are not zero
        blob *= torch.bernoulli(torch.full_like(blob, min(1.0, filler.sparse / blob.shape[0])))
    return blob


def _positive_unitball(_: FillerParameter, blob: Tensor) -> Tensor:
    rows = blob.uniform_(0, 1).reshape(blob.shape[0], -1)
    return (rows / rows.sum(1, keepdim=True)).reshape(blob.shape)


def _fan(filler: FillerParameter, blob: Tensor) -> float:
    fan_in = blob.numel() / blob.shape[0]
    fan_out = blob.numel() / blob.shape[1] if blob.dim() > 1 else blob.numel()
    return (fan_in, fan_out, (fan_in + fan_out) / 2)[filler.variance_norm]


def _xavier(filler: FillerParameter, blob: Tensor) -> Tensor:
    bound = math.sqrt(3 / _fan(filler, blob))
    return blob.uniform_(-bound, bound)


def _msra(filler: FillerParameter, blob: Tensor) -> Tensor:
    return blob.normal_(0, math.sqrt(2 / _fan(filler, blob)))


_RANDOM: dict[str, Callable[[FillerParameter, Tensor], Tensor]] = {
    "gaussian": _gaussian,
    "msra": _msra,
    "positive_unitball": _positive_unitball,
    "uniform": _uniform,
    "xavier": _xavier,
}
