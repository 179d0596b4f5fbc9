"""Conv and ConvTranspose.

Caffe pads both sides of an axis alike. Where ONNX does not, one of two exact forms is written, by `_held`:
a kernel that zeros enlarge on one side, or more padding than is asked for and a cut of what it adds. The first is one
layer and what every toolchain takes; it is chosen while its multiply-adds are at most twice the operator's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from converters.onnx.moving import views
from converters.onnx.network import Network
from converters.onnx.operators.blocks import along, float_array
from converters.onnx.operators.readers import OPERATORS, Call
from converters.onnx.operators.windows import Axis, cut, spatial, unpadded, window_axes
from converters.onnx.values import Constant, Tensor
from prototxt_gen.errors import need
from prototxt_gen.layers.windows import spatial_options

_MOST_ZEROS = 2.0


@dataclass(frozen=True)
class _Held:
    """One axis in Caffe's terms: `zeros` before and behind the kernel's numbers, then `pad`.

    Of the layer's output `size` positions from `first` on are the operator's.
    """

    zeros: tuple[int, int]
    pad: int
    first: int
    size: int


@OPERATORS.register("Conv")
def conv(call: Call, net: Network) -> Tensor:
    """Convolution over any number of axes (ONNX: Conv)."""
    bottom, weight, bias = _operands(call)
    group = call.attribute("group", 1)
    fits = group > 0 and weight.shape[1] * group == bottom.shape[1] and weight.shape[0] % group == 0
    need(fits, f"weight {weight.shape} in {group} groups for an input of {bottom.shape}")
    axes = window_axes(call, bottom.shape[2:], weight.shape[2:])
    if bottom.view is not None and group == 1 and all(axis.trivial for axis in axes):
        matrix, row = float_array(weight).reshape(weight.shape[:2]), None if bias is None else bias.reshape(-1)
        made = views.mapped(net, bottom, 1, lambda blob, place: along(net, blob, place, matrix, row))
        if made is not None:
            return made
        bottom = net.plain(bottom)
    bottom, axes = unpadded(net, views.as_map(net, bottom), axes)
    held = [_enlarged(axis) for axis in axes]
    if _too_large(held, axes):
        held = [_overlong(axis) for axis in axes]
    return _write(net, "Convolution", bottom, weight, bias, weight.shape[0], group, axes, held)


@OPERATORS.register("ConvTranspose")
def conv_transpose(call: Call, net: Network) -> Tensor:
    """Transposed convolution (ONNX: ConvTranspose)."""
    bottom, weight, bias = _operands(call)
    group = call.attribute("group", 1)
    fits = group > 0 and weight.shape[0] == bottom.shape[1] and weight.shape[0] % group == 0
    need(fits, f"weight {weight.shape} in {group} groups for an input of {bottom.shape}")
    bottom = views.as_map(net, bottom)
    axes = _transposed_axes(call, bottom.shape[2:], weight.shape[2:])
    held = [_enlarged_transposed(axis) for axis in axes]
    if _too_large(held, axes):
        held = [_overlong_transposed(axis) for axis in axes]
    return _write(net, "Deconvolution", bottom, weight, bias, weight.shape[1] * group, group, axes, held)


def _operands(call: Call) -> tuple[Tensor, Constant, Constant | None]:
    bottom, weight, bias = call.tensor(0), call.constant(1), call.constant(2)
    need(weight is not None, "no weight")
    assert weight is not None
    need(len(bottom.shape) == weight.ndim > 2, f"weight {weight.shape} for an input of {bottom.shape}")
    stated = spatial(call, "kernel_shape", weight.ndim - 2, weight.shape[2:])
    need(tuple(stated) == weight.shape[2:], f"kernel_shape {stated} for a weight of {weight.shape}")
    return bottom, weight, bias


def _transposed_axes(call: Call, sizes: Sequence[int], kernel: Sequence[int]) -> list[Axis]:
    """Each axis, with `outputs` positions of the full result from `begin` on (ONNX: ConvTranspose)."""
    axes = len(sizes)
    strides, dilations = spatial(call, "strides", axes), spatial(call, "dilations", axes)
    need(min([*strides, *dilations, *kernel]) > 0, "kernel, strides and dilations: found less than 1")
    pads, more = spatial(call, "pads", axes, [0] * 2 * axes), spatial(call, "output_padding", axes, [0] * axes)
    automatic, stated = call.attribute("auto_pad", "NOTSET"), call.attribute("output_shape")
    need(automatic in ("NOTSET", "", "VALID", "SAME_UPPER", "SAME_LOWER"), f"auto_pad {automatic!r}")
    shape = None if stated is None else [int(size) for size in stated][-axes:]
    need(shape is None or len(shape) == axes, f"output_shape {stated} for {axes} axes")
    made = []
    for place, (size, window, stride, dilation) in enumerate(zip(sizes, kernel, strides, dilations, strict=True)):
        full = stride * (size - 1) + dilation * (window - 1) + 1 + more[place]
        begin, end = pads[place], pads[place + axes]
        if shape is not None or automatic.startswith("SAME"):
            total = max(full - (shape[place] if shape is not None else size * stride), 0)
            begin = total // 2 if automatic == "SAME_UPPER" else total - total // 2
            end = total - begin
        elif automatic == "VALID":
            begin = end = 0
        outputs = full - begin - end if shape is None else shape[place]
        need(outputs > 0, f"an output of {outputs} positions")
        made.append(Axis(size, window, stride, dilation, begin, outputs))
    return made


def _enlarged(axis: Axis) -> _Held | None:
    """A convolution's axis with zeros around the kernel; None where no number of them gives the size."""
    for before in range(axis.size + axis.extent):
        pad = axis.begin + before * axis.dilation
        if pad < 0:
            continue
        room = axis.size + 2 * pad - axis.extent - before * axis.dilation
        # Each zero behind the kernel takes away what `dilation` positions are to the number of windows.
        behind = max(0, -(-(room - axis.outputs * axis.stride + 1) // axis.dilation))
        room -= behind * axis.dilation
        if room >= 0 and room // axis.stride + 1 == axis.outputs:
            return _Held((before, behind), pad, 0, axis.outputs)
        if pad > axis.begin + axis.end + axis.stride * axis.dilation:
            break
    return None


def _overlong(axis: Axis) -> _Held:
    """A convolution's axis with more padding: the windows wanted, and some before and behind them."""
    more = -(-max(-axis.begin, axis.end - axis.begin, 0) // axis.stride)
    pad = axis.begin + more * axis.stride
    made = (axis.size + 2 * pad - axis.extent) // axis.stride + 1
    return _Held((0, 0), pad, more, made)


def _enlarged_transposed(axis: Axis) -> _Held | None:
    """A transposed axis with zeros around the kernel, so that as much is cut on either side."""
    full = axis.stride * (axis.size - 1) + axis.extent
    # With `pad` off both sides of a result that zeros make longer: full + (before + behind) * dilation - 2 * pad.
    missing = axis.outputs - (full - 2 * axis.begin)
    if missing % axis.dilation:
        return None
    more = missing // axis.dilation
    before = max(0, -more, -(axis.begin // axis.dilation))
    return _Held((before, before + more), axis.begin + before * axis.dilation, 0, axis.outputs)


def _overlong_transposed(axis: Axis) -> _Held:
    """A transposed axis cut less on one side; zeros behind the kernel where it has to reach further."""
    full = axis.stride * (axis.size - 1) + axis.extent
    end = full - axis.outputs - axis.begin
    pad, behind = max(0, min(axis.begin, end)), max(0, -(end // axis.dilation))
    before = max(0, -(axis.begin // axis.dilation))
    made = full + (before + behind) * axis.dilation - 2 * pad
    return _Held((before, behind), pad, axis.begin + before * axis.dilation - pad, made)


def _too_large(held: Sequence[_Held | None], axes: Sequence[Axis]) -> bool:
    """Whether the kernels enlarged by zeros would cost more than a cut."""
    growth = [
        (sum(one.zeros) + axis.kernel) / axis.kernel if one else np.inf for one, axis in zip(held, axes, strict=True)
    ]
    return prod(growth) > _MOST_ZEROS


def _write(
    net: Network,
    kind: str,
    bottom: Tensor,
    weight: Constant,
    bias: Constant | None,
    outputs: int,
    group: int,
    axes: Sequence[Axis],
    held: Sequence[_Held | None],
) -> Tensor:
    ways = [one for one in held if one is not None]
    parts = {place + 2: (one.first, axis.outputs) for place, (one, axis) in enumerate(zip(ways, axes, strict=True))}
    cuts = any(part != (0, one.size) for part, one in zip(parts.values(), ways, strict=True))
    # Before the zeros are made: a few bytes may ask for many.
    kernel = [size + sum(one.zeros) for size, one in zip(weight.shape[2:], ways, strict=True)]
    net.budget.check(prod(weight.shape[:2]) * prod(kernel))
    weight = np.pad(weight, [(0, 0), (0, 0), *(one.zeros for one in ways)])
    need(
        bias is None or bias.size == outputs, f"a bias of {None if bias is None else bias.shape} for {outputs} channels"
    )
    sizes = spatial_options(
        kernel_size=weight.shape[2:],
        stride=[axis.stride for axis in axes],
        pad=[one.pad for one in ways],
        dilation=[axis.dilation for axis in axes],
    )
    param = {"num_output": outputs, **sizes}
    if group > 1:
        param["group"] = group
    if bias is None:
        param["bias_term"] = False
    blobs = [weight] if bias is None else [weight, bias]
    made = net.layer(kind, [bottom], blobs=blobs, suffix="padded" if cuts else "", convolution_param=param)
    wanted = (*bottom.shape[:1], outputs, *(axis.outputs for axis in axes))
    result = cut(net, made, parts, like=bottom if bottom.shape[2:] == wanted[2:] else None)
    need(result.shape == wanted, f"an output of {result.shape}, expected {wanted}")
    return result
