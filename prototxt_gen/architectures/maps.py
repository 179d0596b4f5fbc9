"""The maps of a backbone: their strides, and their sizes for an image of any size."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, TypeAlias

from prototxt_gen.architectures.backbones import Backbone
from prototxt_gen.errors import ArchitectureError, NetworkError
from prototxt_gen.layers.convolution import convolved_sizes
from prototxt_gen.layers.pooling import pooled_sizes
from prototxt_gen.layers.windows import Windows

Size: TypeAlias = tuple[int, int]
"""Height and width."""


class _Window(NamedTuple):
    kernel: int
    stride: int
    pad: int
    pools: bool = False


# Every convolution is padded by half its kernel: whatever the kernel, stride 2 leaves half of the map, rounded up.
_HALVING = _Window(3, 2, 1)
_HALVED = (_HALVING,)
_RESNET_STEM = (_Window(7, 2, 3), _Window(3, 2, 0, pools=True))


def strides_of(backbone: Backbone) -> list[int]:
    """How many pixels of the image one step on a map is: after the stem, then after each stage."""
    strides, stride = [], 1
    for windows in _windows(backbone):
        for window in windows:
            stride *= window.stride
        strides.append(stride)
    return strides


def sizes_of(backbone: Backbone, height: int, width: int) -> list[Size]:
    """The map's size after the stem, then after each stage. ArchitectureError where the image is too small."""
    try:
        return list(_sizes(_windows(backbone), (height, width)))
    except NetworkError:
        raise ArchitectureError(
            f"input_shape has images of {height}x{width}, expected at least 3x3 for {backbone}"
        ) from None


@lru_cache(maxsize=1024)
def _sizes(windows: tuple[tuple[_Window, ...], ...], size: Size) -> tuple[Size, ...]:
    sizes = []
    for part in windows:
        for kernel, stride, pad, pools in part:
            window = Windows(2, (kernel,) * 2, (stride,) * 2, (pad,) * 2, dilation=(1, 1))
            height, width = pooled_sizes(size, window) if pools else convolved_sizes(size, window)
            size = height, width
        sizes.append(size)
    return tuple(sizes)


def last_stages(backbone: Backbone) -> dict[int, int]:
    """The index of the last stage at each stride, from the shallowest map to the deepest.

    DF networks have maps at strides 8, 16 and 32, ResNets at 4 to 32.
    """
    return {stride: index for index, stride in enumerate(strides_of(backbone)[1:])}


def _windows(backbone: Backbone) -> tuple[tuple[_Window, ...], ...]:
    """What changes the size of a map: in the stem, then in each stage."""
    stem = _RESNET_STEM if backbone.traits.stem == "pooled" else (_HALVING,) * len(backbone.stem)
    return (stem, *[_HALVED if stage.stride == 2 else () for stage in backbone.stages])
