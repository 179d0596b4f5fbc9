"""Convolution, Deconvolution, DepthwiseConvolution and Im2col."""

from __future__ import annotations

from converters.onnx.layers.emitters import EMITTERS, Layer
from prototxt_gen.layers.convolution import windows


@EMITTERS.register("Convolution", "DepthwiseConvolution")
def convolution(layer: Layer) -> None:
    """Caffe: conv_layer.cpp, base_conv_layer.cpp."""
    window = windows(layer.parameter, layer.row.bottom_shapes[0])
    names = ("weight", "bias")
    blobs = [layer.constant(blob, name) for blob, name in zip(layer.blobs, names, strict=False)]
    for bottom, top in zip(layer.bottoms, layer.tops, strict=True):
        layer.node(
            "Conv", [bottom, *blobs], top, kernel_shape=window.kernel, strides=window.stride,
            pads=window.pad * 2, dilations=window.dilation, group=layer.parameter.convolution_param.group,
        )  # fmt: skip
