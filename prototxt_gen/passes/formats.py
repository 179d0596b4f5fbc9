"""Pass: brings the formats of Caffe's history to the current one.

1. Inputs named by the network itself become a layer "input" of type Input, the first one.

(Caffe: upgrade_proto.cpp.)
"""

from __future__ import annotations

from prototxt_gen.errors import NetworkError
from prototxt_gen.proto import NetParameter


def upgrade(net: NetParameter) -> NetParameter:
    """The network in the current format: `layer` only, inputs as layers. Blobs are carried along."""
    new = NetParameter()
    new.CopyFrom(net)
    _upgrade_inputs(new)
    return new


def _upgrade_inputs(net: NetParameter) -> None:
    """Net-level `input` with `input_shape` or four `input_dim` each -> an Input layer (UpgradeNetInput).

    Without any size the layer has no shape, so that a caller can still give one.
    """
    if net.input:
        inputs = len(net.input)
        front = NetParameter()
        layer = front.layer.add(name="input", type="Input", top=net.input)
        if net.input_shape:
            if len(net.input_shape) < inputs:
                raise NetworkError(
                    f"network {net.name!r}: input_shape: found {len(net.input_shape)}, expected {inputs}"
                )
            layer.input_param.shape.extend(net.input_shape[:inputs])
        elif net.input_dim:
            if len(net.input_dim) < 4 * inputs:
                raise NetworkError(
                    f"network {net.name!r}: input_dim: found {len(net.input_dim)}, expected {4 * inputs}"
                )
            for index in range(inputs):
                layer.input_param.shape.add(dim=net.input_dim[4 * index : 4 * index + 4])
        front.layer.extend(net.layer)
        net.ClearField("layer")
        net.MergeFrom(front)
    for field in ("input", "input_dim", "input_shape"):
        net.ClearField(field)
