"""Pass: brings networks of every format in Caffe's history to the current one.

It takes any network; one in the current format comes out as it went in.

1. V0 layers become V1 layers (upgrade_v0.py).
2. V1 layers become current ones (upgrade_v1.py).
3. Inputs named by the network itself become a layer "input" of type Input, the first one.
4. BatchNorm layers with three `param` messages get lr_mult 0 and decay_mult 0 in each: their blobs are no weights.

What the network computes, the names of its layers (except padding layers of V0, which go) and blobs, and its weights
stay equal. (Caffe: upgrade_proto.cpp.)
"""

from __future__ import annotations

from prototxt_gen.errors import NetworkError
from prototxt_gen.passes.upgrade_v0 import upgrade_v0
from prototxt_gen.passes.upgrade_v1 import from_v1
from prototxt_gen.proto import LayerParameter, NetParameter


def upgrade(net: NetParameter, *, strict: bool = False) -> NetParameter:
    """The network in the current format: `layer` only, inputs as layers. Blobs are carried along.

    NetworkError lists V0 layers of unknown type and misplaced padding, and refuses a network with both `layers` and
    `layer`, of which Caffe would drop the latter. An UnknownFieldWarning names V0 options that their layer's type has
    no place for; with `strict` they are a FormatError.
    """
    new = NetParameter()
    new.CopyFrom(net)
    if new.layers:
        if new.layer:
            raise NetworkError(f"network {net.name!r}: found both layers (V0 or V1) and layer, expected one of the two")
        if any(layer.HasField("layer") for layer in new.layers):
            upgrade_v0(new, strict)
        new.layer.extend(from_v1(layer) for layer in new.layers)
        new.ClearField("layers")
    _upgrade_inputs(new)
    for layer in new.layer:
        if _has_norm_rates(layer):
            for spec in layer.param:
                spec.lr_mult = spec.decay_mult = 0
    return new


def is_current(net: NetParameter) -> bool:
    """Whether `upgrade` would change nothing. Then a caller who only reads the network need not copy it."""
    return not (net.layers or net.input or net.input_dim or net.input_shape or any(map(_has_norm_rates, net.layer)))


def _has_norm_rates(layer: LayerParameter) -> bool:
    return layer.type == "BatchNorm" and len(layer.param) == 3


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
