"""Windows of ONNX operators: what nodes state, how Caffe's symmetric padding holds them, and cutting maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from converters.onnx.moving.rearranging import part
from converters.onnx.network import Network
from converters.onnx.operators.readers import Call
from converters.onnx.values import Tensor
from prototxt_gen.errors import need
from prototxt_gen.layers import Shape
from prototxt_gen.stock import Step


@dataclass(frozen=True)
class Axis:
    """Windows along one axis of a map: window i begins at `i * stride - begin` and there are `outputs` of them.

    `margin` is the padding behind the map, which windows need not reach, and may reach beyond where sizes round up.
    A mean counts `counted` positions before the map and behind it as zeros, and no others that are not in the map.
    """

    size: int
    kernel: int
    stride: int
    dilation: int
    begin: int
    outputs: int
    margin: int = 0
    counted: tuple[int, int] = (0, 0)

    @property
    def extent(self) -> int:
        """How far a window reaches."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def end(self) -> int:
        """How far the last window reaches beyond the map; negative where it leaves some of it."""
        return (self.outputs - 1) * self.stride + self.extent - self.begin - self.size

    @property
    def trivial(self) -> bool:
        """Whether every window is one position and every position one window."""
        return self.kernel == self.stride == 1 and self.begin == 0 and self.outputs == self.size


def spatial(call: Call, name: str, axes: int, default: Sequence[int] | None = None) -> list[int]:
    """An attribute with one whole number for each of `axes`."""
    found = call.attribute(name)
    values = list(default if default is not None else [1] * axes) if found is None else [int(size) for size in found]
    need(len(values) == (2 * axes if name == "pads" else axes), f"{name}: found {values} for {axes} axes")
    return values


def window_axes(call: Call, sizes: Shape, kernel: Sequence[int], ceil: bool = False) -> list[Axis]:
    """The windows of a Conv or of a pooling over a map of these sizes (ONNX: Conv, MaxPool, AveragePool).

    With `ceil` sizes round up, and a last window that would begin behind the map is dropped, as onnxruntime and torch
    do it.
    """
    axes = len(sizes)
    strides, dilations = spatial(call, "strides", axes), spatial(call, "dilations", axes)
    need(min([*strides, *dilations, *kernel]) > 0, "kernel, strides and dilations: found less than 1")
    pads, automatic = spatial(call, "pads", axes, [0] * 2 * axes), call.attribute("auto_pad", "NOTSET")
    need(automatic in ("NOTSET", "", "VALID", "SAME_UPPER", "SAME_LOWER"), f"auto_pad {automatic!r}")
    made = []
    for place, (size, window, stride, stated) in enumerate(zip(sizes, kernel, strides, dilations, strict=True)):
        dilation = stated if window > 1 else 1
        extent = dilation * (window - 1) + 1
        begin, end = pads[place], pads[place + axes]
        if automatic.startswith("SAME"):
            outputs = -(-size // stride)
            total = max((outputs - 1) * stride + extent - size, 0)
            begin = total // 2 if automatic == "SAME_UPPER" else -(-total // 2)
            end = total - begin
        else:
            if automatic == "VALID":
                begin = end = 0
            room = size + begin + end - extent
            outputs = (-(-room // stride) if ceil else room // stride) + 1
            if ceil and (outputs - 1) * stride >= size + begin:
                outputs -= 1
        need(outputs > 0, f"windows {list(kernel)}: none fits a map of {list(sizes)} padded by {pads}")
        made.append(Axis(size, window, stride, dilation, begin, outputs, end))
    return made


def unpadded(net: Network, value: Tensor, axes: Sequence[Axis]) -> tuple[Tensor, list[Axis]]:
    """What lies inside a border of zeros, and the windows over that; the value itself where it has none."""
    if value.view is not None or value.blob not in net.padded:
        return value, list(axes)
    inner, added = net.padded[value.blob]
    made = []
    for place, axis in enumerate(axes, 2):
        begin, end = added.get(place, (0, 0))
        counted = axis.counted[0] + begin, axis.counted[1] + end
        made.append(replace(axis, size=inner.shape[place], begin=axis.begin + begin, counted=counted))
    return inner, made


def cut(
    net: Network,
    value: Tensor,
    parts: Mapping[int, tuple[int, int]],
    like: Tensor | None = None,
    suffix: str = "",
) -> Tensor:
    """The value with `size` positions from `begin` on left of some axes: `parts` is axis -> (begin, size).

    One Crop where `like` is a blob of the sizes wanted, else a Slice for each axis.
    """
    parts = {axis: kept for axis, kept in parts.items() if kept != (0, value.shape[axis])}
    if not parts:
        return value
    wanted = tuple(parts[axis][1] if axis in parts else size for axis, size in enumerate(value.shape))
    first = min(parts)
    if like is not None and like.view is None and like.shape[first:] == wanted[first:]:
        offsets = [parts[axis][0] if axis in parts else 0 for axis in range(first, len(wanted))]
        return net.layer("Crop", [value, like], suffix=suffix, crop_param={"axis": first, "offset": offsets})
    for axis, (begin, size) in parts.items():
        name = suffix if axis == max(parts) else f"{suffix}_cut_{axis}" if suffix else f"cut_{axis}"
        value = part(net, value, axis, begin, size, name)
    return value


def write_steps(net: Network, value: Tensor, steps: Sequence[Step], what: str, last: bool = True) -> Tensor:
    """The value after layers with fixed weights; with `last` the last of them makes what the node makes."""
    for place, step in enumerate(steps):
        suffix = "" if last and step is steps[-1] else f"{what}_{step.what}" if place else what
        value = net.layer(step.kind, [value], blobs=step.blobs, suffix=suffix, fixed=True, **step.options)
    return value
