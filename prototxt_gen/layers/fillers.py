"""Which filler each blob has, and which fillers Caffe knows (Caffe: filler.hpp)."""

from __future__ import annotations

from collections.abc import Sequence

from prototxt_gen.errors import UnsupportedError
from prototxt_gen.layers.table import Filler
from prototxt_gen.proto import FillerParameter, LayerParameter

# They count the numbers of each output, the first axis.
_OVER_OUTPUTS = ("msra", "positive_unitball", "xavier")
FILLERS = ("bilinear", "constant", "gaussian", "msra", "positive_unitball", "uniform", "xavier")


def filler_parameter(layer: LayerParameter, fillers: Sequence[Filler], index: int) -> FillerParameter:
    """The FillerParameter of a layer's blob: the stated one, or what stands for it where none is stated."""
    filler = fillers[index] if index < len(fillers) else Filler()
    if filler.field:
        options, field = filler.field.split(".")
        message = getattr(layer, options)
        if message.HasField(field):
            stated: FillerParameter = getattr(message, field)
            return stated
    if filler.default is None:
        return FillerParameter(type="msra")
    return FillerParameter(type="constant", value=filler.default)


def check_filler(filler: FillerParameter, shape: Sequence[int]) -> None:
    """UnsupportedError unless Caffe has this FillerParameter's filler for blobs of this shape."""
    if filler.type not in FILLERS:
        raise UnsupportedError(f"filler {filler.type!r}, expected one of {', '.join(FILLERS)}")
    if not shape and filler.type in _OVER_OUTPUTS:
        raise UnsupportedError(f"filler {filler.type!r} for a blob without axes, expected 1 axis or more")
    if filler.type == "bilinear" and (len(shape) != 4 or shape[2] != shape[3]):
        raise UnsupportedError(f"filler 'bilinear' for a blob of shape {tuple(shape)}, expected four axes, square")
