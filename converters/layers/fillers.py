"""How Caffe fills blobs before training, with torch's random numbers. Caffe: filler.hpp."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from prototxt_gen.errors import UnsupportedError
from prototxt_gen.proto import MESSAGES

if TYPE_CHECKING:
    from converters.layers.table import Row

# Where the fillers of a type stand: its message, and the field of the first and of the last blob.
_FIELDS = {
    "Bias": ("bias_param", "filler", "filler"),
    "Convolution": ("convolution_param", "weight_filler", "bias_filler"),
    "Deconvolution": ("convolution_param", "weight_filler", "bias_filler"),
    "DepthwiseConvolution": ("convolution_param", "weight_filler", "bias_filler"),
    "Embed": ("embed_param", "weight_filler", "bias_filler"),
    "InnerProduct": ("inner_product_param", "weight_filler", "bias_filler"),
    "LSTM": ("recurrent_param", "weight_filler", "bias_filler"),
    "Normalize": ("norm_param", "scale_filler", "scale_filler"),
    "PReLU": ("prelu_param", "filler", "filler"),
    "RNN": ("recurrent_param", "weight_filler", "bias_filler"),
    "Scale": ("scale_param", "filler", "bias_filler"),
}
# What Caffe fills with where nothing is stated, if not with 0.
_DEFAULTS = {"Normalize": 1.0, "PReLU": 0.25, "Scale": 1.0}
_RECURRENT_BIASES = ("b_c", "b_h", "b_o")


def filler(row: Row, name: str) -> Any:
    """The FillerParameter for the blob that the module calls `name`.

    Stated ones are Caffe's. Weights without one are filled by `msra`, not by Caffe's constant 0: a deploy file states
    none, and a network of zeros never learns.
    """
    make = MESSAGES["FillerParameter"]
    if row.type not in _FIELDS:
        return make(type="constant")
    message, weight, bias = _FIELDS[row.type]
    field = bias if name == "bias" or name in _RECURRENT_BIASES else weight
    parameters = getattr(row.layer, message)
    if parameters.HasField(field):
        return getattr(parameters, field)
    if field == "weight_filler":
        return make(type="msra")
    return make(type="constant", value=_DEFAULTS.get(row.type, 0.0) if field == weight else 0.0)


def filled(spec: Any, shape: Sequence[int]) -> Tensor:
    """A new tensor of `shape` filled as the FillerParameter says. UnsupportedError for a type Caffe does not have."""
    check(spec, shape)
    return _FILLERS[spec.type](spec, torch.empty(tuple(shape)))


def check(spec: Any, shape: Sequence[int]) -> None:
    """UnsupportedError unless Caffe has the filler for blobs of this shape."""
    if spec.type not in _FILLERS:
        raise UnsupportedError(f"filler {spec.type!r}, expected one of {', '.join(sorted(_FILLERS))}")
    if spec.type == "bilinear" and (len(shape) != 4 or shape[2] != shape[3]):
        raise UnsupportedError(f"filler 'bilinear' for a blob of shape {tuple(shape)}, expected four axes, square")


def _constant(spec: Any, blob: Tensor) -> Tensor:
    return blob.fill_(spec.value)


def _uniform(spec: Any, blob: Tensor) -> Tensor:
    return blob.uniform_(spec.min, spec.max)


def _gaussian(spec: Any, blob: Tensor) -> Tensor:
    blob.normal_(spec.mean, spec.std)
    if spec.sparse >= 0:  # so many inputs of each output are not zero, on average
        blob *= torch.bernoulli(torch.full_like(blob, min(1.0, spec.sparse / blob.shape[0])))
    return blob


def _positive_unitball(_: Any, blob: Tensor) -> Tensor:
    rows = blob.uniform_(0, 1).reshape(blob.shape[0], -1)
    return (rows / rows.sum(1, keepdim=True)).reshape(blob.shape)


def _fan(spec: Any, blob: Tensor) -> float:
    fan_in = blob.numel() / blob.shape[0]
    fan_out = blob.numel() / blob.shape[1] if blob.dim() > 1 else blob.numel()
    return (fan_in, fan_out, (fan_in + fan_out) / 2)[spec.variance_norm]


def _xavier(spec: Any, blob: Tensor) -> Tensor:
    bound = math.sqrt(3 / _fan(spec, blob))
    return blob.uniform_(-bound, bound)


def _msra(spec: Any, blob: Tensor) -> Tensor:
    return blob.normal_(0, math.sqrt(2 / _fan(spec, blob)))


def _bilinear(_: Any, blob: Tensor) -> Tensor:
    width = blob.shape[-1]
    half = math.ceil(width / 2)
    centre = (width - 1) / (2 * half)
    line = 1 - (torch.arange(width, dtype=torch.float32) / half - centre).abs()
    return blob.copy_(line[:, None] * line)


_FILLERS: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "bilinear": _bilinear,
    "constant": _constant,
    "gaussian": _gaussian,
    "msra": _msra,
    "positive_unitball": _positive_unitball,
    "uniform": _uniform,
    "xavier": _xavier,
}
