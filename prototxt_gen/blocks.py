"""The layers of one block, as functions of a few numbers, and the cached fragments that networks are joined from.

Names of layers and tops are the DF release's in every form, so that its weights fit by name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from prototxt_gen.proto import LayerParameter, NetParameter, to_binary, to_text


class Style(NamedTuple):
    """How layers are written: with batch norm folded into the convolutions, with fillers for training."""

    merged: bool = False
    fillers: bool = False


@dataclass(frozen=True)
class Fragment:
    """A run of layers in both languages. Joined texts, and joined binaries, are those of the joined network."""

    text: str
    binary: bytes
    top: str


def fragment(layers: Sequence[LayerParameter]) -> Fragment:
    """The layers as a fragment; `top` is the first top of the last of them."""
    net = NetParameter(layer=layers)
    return Fragment(to_text(net), to_binary(net), layers[-1].top[0])


def top_of(convolution: str, style: Style) -> str:
    """The top that holds a convolution's normalised output: `conv1/bn`, or `conv1` where batch norm is merged."""
    return convolution if style.merged else f"{convolution}/bn"


def convolution(
    name: str, bottom: str, num_output: int, kernel: int, stride: int, style: Style
) -> list[LayerParameter]:
    """A convolution that keeps the size at stride 1, then BatchNorm and Scale in place unless they are merged.

    The release forgets a dot in the names of a projection's batch norm (`res2.1skipConv/bn`), not in its tops.
    """
    layer = LayerParameter(name=name, type="Convolution", bottom=[bottom], top=[name])
    layer.convolution_param.num_output = num_output
    layer.convolution_param.bias_term = style.merged
    layer.convolution_param.pad.append(kernel // 2)
    layer.convolution_param.kernel_size.append(kernel)
    layer.convolution_param.stride.append(stride)
    if style.fillers:
        layer.convolution_param.weight_filler.type = "msra"
    if style.merged:
        return [layer]
    spelled, top = name.replace(".skipConv", "skipConv"), top_of(name, style)
    norm = LayerParameter(name=f"{spelled}/bn", type="BatchNorm", bottom=[name], top=[top])
    norm.batch_norm_param.moving_average_fraction = 0.9
    norm.batch_norm_param.eps = 1e-4
    scale = LayerParameter(name=f"{spelled}/bn_scale", type="Scale", bottom=[top], top=[top])
    scale.scale_param.bias_term = True
    return [layer, norm, scale]


def relu(name: str, blob: str) -> LayerParameter:
    """A ReLU in place."""
    return LayerParameter(name=name, type="ReLU", bottom=[blob], top=[blob])


def conv_relu(name: str, bottom: str, num_output: int, kernel: int, stride: int, style: Style) -> list[LayerParameter]:
    """A convolution, normalised, with its ReLU."""
    layers = convolution(name, bottom, num_output, kernel, stride, style)
    return [*layers, relu(f"{name}/relu", top_of(name, style))]


def basic(
    name: str, bottom: str, width: int, out_channels: int, stride: int, projection: bool, style: Style
) -> list[LayerParameter]:
    """A basic residual block: 3x3 with the stride, 3x3."""
    branch = [
        *conv_relu(f"{name}.conv1", bottom, width, 3, stride, style),
        *convolution(f"{name}.conv2", top_of(f"{name}.conv1", style), out_channels, 3, 1, style),
    ]
    return [*branch, *_shortcut(name, bottom, f"{name}.conv2", out_channels, stride, projection, style)]


def bottleneck(
    name: str, bottom: str, width: int, out_channels: int, stride: int, projection: bool, style: Style
) -> list[LayerParameter]:
    """A bottleneck residual block: 1x1, 3x3 with the stride, 1x1 to the output channels."""
    branch = [
        *conv_relu(f"{name}.conv1", bottom, width, 1, 1, style),
        *conv_relu(f"{name}.conv2", top_of(f"{name}.conv1", style), width, 3, stride, style),
        *convolution(f"{name}.conv3", top_of(f"{name}.conv2", style), out_channels, 1, 1, style),
    ]
    return [*branch, *_shortcut(name, bottom, f"{name}.conv3", out_channels, stride, projection, style)]


def _shortcut(
    name: str, bottom: str, branch_end: str, out_channels: int, stride: int, projection: bool, style: Style
) -> list[LayerParameter]:
    """The other way through a residual block (a 1x1 projection or the bottom itself), the sum of both, its ReLU."""
    skip = f"{name}.skipConv"
    layers = convolution(skip, bottom, out_channels, 1, stride, style) if projection else []
    bottoms = [top_of(branch_end, style), top_of(skip, style) if projection else bottom]
    total = LayerParameter(name=f"{name}.sum", type="Eltwise", bottom=bottoms, top=[f"{name}.sum"])
    total.eltwise_param.operation = total.eltwise_param.SUM
    return [*layers, total, relu(f"{name}.relu", f"{name}.sum")]


BUILDERS: dict[str, Callable[[str, str, int, int, int, bool, Style], list[LayerParameter]]] = {
    "basic": basic,
    "bottleneck": bottleneck,
}


# A space of twelve blocks a stage and five widths has some thousands of fragments, of about 3 kB each.
@lru_cache(maxsize=8192)
def block_fragment(
    kind: str, name: str, bottom: str, width: int, out_channels: int, stride: int, projection: bool, style: Style
) -> Fragment:
    """The fragment of one block of a kind in BUILDERS."""
    return fragment(BUILDERS[kind](name, bottom, width, out_channels, stride, projection, style))


@lru_cache(maxsize=1024)
def stem_fragment(stem: tuple[int, ...], style: Style) -> Fragment:
    """The fragment of the stem's convolutions, from `data`."""
    layers, bottom = [], "data"
    for number, width in enumerate(stem, 1):
        layers += conv_relu(f"conv{number}", bottom, width, 3, 2, style)
        bottom = top_of(f"conv{number}", style)
    return fragment(layers)
