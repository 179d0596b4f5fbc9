"""Convolution, Deconvolution, DepthwiseConvolution and Im2col, over any number of spatial axes."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from converters.onnx.layers.emitters import EMITTERS, Layer
from converters.weights.blobs import Array
from prototxt_gen.layers import Shape
from prototxt_gen.layers.convolution import windows
from prototxt_gen.layers.windows import Windows


@EMITTERS.register("Convolution", "DepthwiseConvolution")
def convolution(layer: Layer) -> None:
    """Conv. Caffe: conv_layer.cpp, base_conv_layer.cpp."""
    window = windows(layer.parameter, layer.row.bottom_shapes[0])
    weight, *bias = layer.blobs
    group = layer.row.bottom_shapes[0][window.axis] // weight.shape[1]
    _convolve(layer, "Conv", window, weight, bias, group)


@EMITTERS.register("Deconvolution")
def deconvolution(layer: Layer) -> None:
    """ConvTranspose. Caffe: deconv_layer.cpp."""
    window = windows(layer.parameter, layer.row.bottom_shapes[0])
    weight, *bias = layer.blobs
    group = layer.parameter.convolution_param.num_output // weight.shape[1]
    _convolve(layer, "ConvTranspose", window, weight, bias, group)


@EMITTERS.register("Im2col")
def im2col(layer: Layer) -> None:
    """A Conv of each channel with a kernel for every place in the window, which has a one there (im2col_layer.cpp)."""
    window = windows(layer.parameter, layer.row.bottom_shapes[0])
    channels, places = layer.row.bottom_shapes[0][window.axis], prod(window.kernel)
    kernels = np.eye(places, dtype=np.float32).reshape(places, 1, *window.kernel)
    _convolve(layer, "Conv", window, np.tile(kernels, (channels, *(1,) * (kernels.ndim - 1))), [], channels)


def _convolve(layer: Layer, operator: str, window: Windows, weight: Array, bias: list[Array], group: int) -> None:
    """The node for each bottom, between those that bring its channels to axis 1 and back."""
    kernel = window.kernel
    stuck = tuple(2 + axis for axis, dilation in enumerate(window.dilation) if dilation == 0)
    if stuck:  # all of the kernel's numbers on such an axis meet one number of the map
        weight = weight.sum(stuck, keepdims=True)
        kernel = weight.shape[2:]
    dilation = tuple(size or 1 for size in window.dilation)
    sizes = layer.row.bottom_shapes[0][window.axis + 1 :]
    flat = not kernel
    if flat:
        weight = weight[..., None]
    constants = [layer.constant(blob, name) for blob, name in zip((weight, *bias), ("weight", "bias"), strict=False)]
    attributes: dict[str, Any] = {
        "kernel_shape": kernel or (1,),
        "strides": window.stride or (1,),
        "pads": _pads(window, sizes, operator == "Conv") or (0, 0),
        "dilations": dilation or (1,),
        "group": group,
    }
    for bottom, top in zip(layer.bottoms, layer.tops, strict=True):
        plain = window.axis == 1 and not flat
        value = _channels_second(layer, bottom, window.axis)
        if flat:
            value = layer.node("Unsqueeze", [value, layer.constant([2], "axes")])
        value = layer.node(operator, [value, *constants], top if plain else None, **attributes)
        if flat:
            value = layer.node("Squeeze", [value, layer.constant([2], "axes")], top if window.axis == 1 else None)
        if window.axis != 1:
            _channels_back(layer, value, bottom, top, window.axis)


def _pads(window: Windows, sizes: Shape, overhangs: bool) -> Shape:
    """Zeros before and behind each axis; a convolution's window may overhang the padded map by less than a stride."""
    if not overhangs:
        return window.pad * 2
    rooms = zip(sizes, window.pad, window.extents(), strict=True)
    return (*window.pad, *(pad + max(0, extent - size - 2 * pad) for size, pad, extent in rooms))


def _channels_second(layer: Layer, bottom: str, axis: int) -> str:
    """(..., C, spatial) -> (N, C, spatial): all axes before the channels are batch axes."""
    if axis == 1:
        return bottom
    if axis == 0:
        return layer.node("Unsqueeze", [bottom, layer.constant([0], "batch")])
    if layer.open_axes:
        sizes = layer.node("Shape", [bottom], start=axis)
        shape = layer.node("Concat", [layer.constant([-1], "batch"), sizes], axis=0)
    else:
        shape = layer.constant([-1, *layer.row.bottom_shapes[0][axis:]], "shape")
    return layer.node("Reshape", [bottom, shape])


def _channels_back(layer: Layer, value: str, bottom: str, top: str, axis: int) -> None:
    """(N, C, spatial) -> (..., C, spatial), with the axes of the bottom before its channels."""
    if axis == 0:
        layer.node("Squeeze", [value, layer.constant([0], "batch")], top)
        return
    if layer.open_axes:
        before = layer.node("Shape", [bottom], end=axis)
        shape = layer.node("Concat", [before, layer.node("Shape", [value], start=1)], axis=0)
    else:
        shape = layer.constant(list(layer.row.top_shapes[0]), "top_shape")
    layer.node("Reshape", [value, shape], top)
