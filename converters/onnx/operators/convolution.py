"""Conv and ConvTranspose."""

from __future__ import annotations

from converters.onnx.network import Network
from converters.onnx.operators.readers import OPERATORS, Call
from converters.onnx.values import Tensor
from prototxt_gen.errors import need


@OPERATORS.register("Conv")
def conv(call: Call, net: Network) -> Tensor:
    """Convolution. (First form, to be built.)"""
    weight, bias = call.constant(1), call.constant(2)
    assert weight is not None
    axes = weight.ndim - 2
    pads = call.attribute("pads", [0] * 2 * axes)
    need(pads[:axes] == pads[axes:], "asymmetric pads")
    options = {
        "num_output": weight.shape[0],
        "kernel_size": weight.shape[2:],
        "stride": call.attribute("strides", [1] * axes),
        "pad": pads[:axes],
        "dilation": call.attribute("dilations", [1] * axes),
        "group": call.attribute("group", 1),
        "bias_term": bias is not None,
    }
    blobs = [weight] if bias is None else [weight, bias]
    return net.layer("Convolution", [call.tensor(0)], blobs=blobs, convolution_param=options)
