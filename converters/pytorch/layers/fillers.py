"""How Caffe fills blobs before training, with torch's random numbers. Caffe: filler.hpp."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from prototxt_gen.layers.fillers import check_filler
from prototxt_gen.proto import FillerParameter


def filled(spec: FillerParameter, shape: Sequence[int]) -> Tensor:
    """A new tensor of `shape` filled as the FillerParameter says. UnsupportedError for a type Caffe does not have."""
    check_filler(spec, shape)
    return _FILLERS[spec.type](spec, torch.empty(tuple(shape)))


def _constant(spec: FillerParameter, blob: Tensor) -> Tensor:
    return blob.fill_(spec.value)


def _uniform(spec: FillerParameter, blob: Tensor) -> Tensor:
    return blob.uniform_(spec.min, spec.max)


def _gaussian(spec: FillerParameter, blob: Tensor) -> Tensor:
    blob.normal_(spec.mean, spec.std)
    if spec.sparse >= 0:  # so many inputs of each output are not zero, on average
        blob *= torch.bernoulli(torch.full_like(blob, min(1.0, spec.sparse / blob.shape[0])))
    return blob


def _positive_unitball(_: FillerParameter, blob: Tensor) -> Tensor:
    rows = blob.uniform_(0, 1).reshape(blob.shape[0], -1)
    return (rows / rows.sum(1, keepdim=True)).reshape(blob.shape)


def _fan(spec: FillerParameter, blob: Tensor) -> float:
    fan_in = blob.numel() / blob.shape[0]
    fan_out = blob.numel() / blob.shape[1] if blob.dim() > 1 else blob.numel()
    return (fan_in, fan_out, (fan_in + fan_out) / 2)[spec.variance_norm]


def _xavier(spec: FillerParameter, blob: Tensor) -> Tensor:
    bound = math.sqrt(3 / _fan(spec, blob))
    return blob.uniform_(-bound, bound)


def _msra(spec: FillerParameter, blob: Tensor) -> Tensor:
    return blob.normal_(0, math.sqrt(2 / _fan(spec, blob)))


def _bilinear(_: FillerParameter, blob: Tensor) -> Tensor:
    width = blob.shape[-1]
    half = math.ceil(width / 2)
    centre = (width - 1) / (2 * half)
    line = 1 - (torch.arange(width, dtype=torch.float32) / half - centre).abs()
    return blob.copy_(line[:, None] * line)


_FILLERS: dict[str, Callable[[FillerParameter, Tensor], Tensor]] = {
    "bilinear": _bilinear,
    "constant": _constant,
    "gaussian": _gaussian,
    "msra": _msra,
    "positive_unitball": _positive_unitball,
    "uniform": _uniform,
    "xavier": _xavier,
}
