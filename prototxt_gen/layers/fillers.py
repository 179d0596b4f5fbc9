"""Which filler each blob has, which fillers Caffe knows, and what the fixed ones give (filler.hpp)."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, prod

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.errors import UnsupportedError
from prototxt_gen.layers.layer_types import Filler
from prototxt_gen.proto import FillerParameter, LayerParameter

FILLERS = ("bilinear", "constant", "gaussian", "msra", "positive_unitball", "uniform", "xavier")

# They count the numbers of each output, the first axis.
_OVER_OUTPUTS = ("msra", "positive_unitball", "xavier")


def stated_filler(layer: LayerParameter, fillers: Sequence[Filler], index: int) -> FillerParameter | None:
    """The FillerParameter that a layer states for its blob, if any."""
    field = fillers[index].field if index < len(fillers) else ""
    if not field:
        return None
    options, _, name = field.partition(".")
    message = getattr(layer, options)
    return getattr(message, name) if message.HasField(name) else None


def filler_parameter(layer: LayerParameter, fillers: Sequence[Filler], index: int) -> FillerParameter:
    """The FillerParameter of a layer's blob: the stated one, or the default where none is stated."""
    stated = stated_filler(layer, fillers, index)
    if stated is not None:
        return stated
    default = fillers[index].default if index < len(fillers) else 0.0
    return FillerParameter(type="msra") if default is None else FillerParameter(type="constant", value=default)


def check_filler(filler: FillerParameter, shape: Sequence[int]) -> None:
    """UnsupportedError unless Caffe has this FillerParameter's filler and fills blobs of this shape with it."""
    if filler.type not in FILLERS:
        raise UnsupportedError(f"filler {filler.type!r}, expected one of {', '.join(FILLERS)}")
    found = f"filler {filler.type!r} for a blob of shape {tuple(shape)}"
    if filler.type == "bilinear" and (len(shape) != 4 or shape[2] != shape[3]):
        raise UnsupportedError(f"{found}, expected four axes, square")
    sparse = filler.type == "gaussian" and filler.sparse >= 0
    if not shape and (sparse or filler.type in _OVER_OUTPUTS):
        raise UnsupportedError(f"{found}, expected 1 axis or more")
    if prod(shape) == 0:
        raise UnsupportedError(f"{found}, expected numbers to fill")


def fixed_values(filler: FillerParameter, shape: Sequence[int]) -> NDArray[np.float32] | None:
    """What a constant or bilinear filler puts into a blob of this shape; None for those that draw random numbers.

    UnsupportedError as `check_filler`.
    """
    check_filler(filler, shape)
    if filler.type == "constant":
        return np.full(tuple(shape), filler.value, np.float32)
    if filler.type != "bilinear":
        return None
    width = shape[-1]
    half = ceil(width / 2)
    centre = (width - 1) / (2 * half)
    line = np.float32(1) - np.abs(np.arange(width, dtype=np.float32) / np.float32(half) - np.float32(centre))
    values = np.empty(tuple(shape), np.float32)
    values[:] = line[:, None] * line
    return values
