"""The maps of a backbone: their strides, and their sizes for an image of any size."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from prototxt_gen.architectures.backbones import Backbone
from prototxt_gen.errors import ArchitectureError, NetworkError
from prototxt_gen.layers.convolution import convolved_sizes
from prototxt_gen.layers.layer_types import Shape
from prototxt_gen.layers.pooling import pooled_sizes
from prototxt_gen.layers.windows import Windows

Size: TypeAlias = tuple[int, int]
"""Height and width."""


_Rule: TypeAlias = Callable[[Shape, Windows], Shape]


class _Step(NamedTuple):
    """A layer that changes the size of a map: its window, and Caffe's rule for sizes."""

    windows: Windows
    rule: _Rule


def _step(kernel: int, stride: int, pad: int, rule: _Rule) -> _Step:
    return _Step(Windows(1, (kernel,) * 2, (stride,) * 2, (pad,) * 2, (1, 1)), rule)


# Every convolution is padded by half its kernel: whatever the kernel, stride 2 leaves half of the map, rounded up.
_HALVING = _step(3, 2, 1, convolved_sizes)
_RESNET_STEM = (_step(7, 2, 3, convolved_sizes), _step(3, 2, 0, pooled_sizes))


def strides_of(backbone: Backbone) -> tuple[int, ...]:
    """How many pixels of the image one step on a map spans: after the stem, then after each stage."""
    return _strides(*_plan(backbone))


def sizes_of(backbone: Backbone, height: int, width: int) -> tuple[Size, ...]:
    """The map's size after the stem, then after each stage. ArchitectureError where the image is too small."""
    try:
        return _sizes(*_plan(backbone), (height, width))
    except NetworkError:
        raise ArchitectureError(
            f"input_shape has images of {height}x{width}, expected at least 3x3 for {backbone}"
        ) from None


def last_stages(backbone: Backbone) -> dict[int, int]:
    """The index of the last stage at each stride, from the shallowest map to the deepest.

    DF networks have maps at strides 8, 16 and 32, ResNets at 4 to 32.
    """
    return {stride: index for index, stride in enumerate(strides_of(backbone)[1:])}


def _plan(backbone: Backbone) -> tuple[bool, int, tuple[int, ...]]:
    """What strides and sizes depend on: whether the stem pools, its convolutions, the stride of each stage."""
    strides = [stage.stride for stage in backbone.stages]
    return backbone.traits.stem == "pooled", len(backbone.stem), tuple(strides)


def _steps(pools: bool, convolutions: int, strides: tuple[int, ...]) -> list[tuple[_Step, ...]]:
    """What changes the size of a map: in the stem, then in each stage."""
    stem = _RESNET_STEM if pools else (_HALVING,) * convolutions
    return [stem, *((_HALVING,) if stride == 2 else () for stride in strides)]


@lru_cache(maxsize=1024)
def _strides(pools: bool, convolutions: int, strides: tuple[int, ...]) -> tuple[int, ...]:
    found, stride = [], 1
    for steps in _steps(pools, convolutions, strides):
        for windows, _ in steps:
            stride *= windows.stride[0]
        found.append(stride)
    return tuple(found)


@lru_cache(maxsize=1024)
def _sizes(pools: bool, convolutions: int, strides: tuple[int, ...], size: Size) -> tuple[Size, ...]:
    found = []
    for steps in _steps(pools, convolutions, strides):
        for windows, rule in steps:
            height, width = rule(size, windows)
            size = height, width
        found.append(size)
    return tuple(found)
