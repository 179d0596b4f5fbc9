"""Pass: brings the formats of Caffe's history to the current one.

1. V0 (`layers { layer { ... } }`, one message for all options): padding layers go into the pad of the convolution or
   pooling after them, then each option goes to the message of its layer's type.
2. scale, mean_file, crop_size and mirror of V1 data layers move to transform_param.
3. V1 (`layers`, types as enums): types become strings; param, blob_share_mode, blobs_lr and weight_decay become
   `param` messages.
4. Inputs named by the network itself become a layer "input" of type Input, the first one.
5. BatchNorm layers with three `param` messages get lr_mult 0 and decay_mult 0 in each: their blobs are no weights.

(Caffe: upgrade_proto.cpp.)
"""

from __future__ import annotations

import warnings
from typing import Any

from prototxt_gen.errors import FormatError, NetworkError
from prototxt_gen.proto import LayerParameter, NetParameter, V0LayerParameter, V1LayerParameter, set_fields
from prototxt_gen.text import UnknownFieldWarning

_V0_TYPES = {
    "accuracy": "ACCURACY",
    "bnll": "BNLL",
    "concat": "CONCAT",
    "conv": "CONVOLUTION",
    "data": "DATA",
    "dropout": "DROPOUT",
    "euclidean_loss": "EUCLIDEAN_LOSS",
    "flatten": "FLATTEN",
    "hdf5_data": "HDF5_DATA",
    "hdf5_output": "HDF5_OUTPUT",
    "im2col": "IM2COL",
    "images": "IMAGE_DATA",
    "infogain_loss": "INFOGAIN_LOSS",
    "innerproduct": "INNER_PRODUCT",
    "lrn": "LRN",
    "multinomial_logistic_loss": "MULTINOMIAL_LOGISTIC_LOSS",
    "pool": "POOLING",
    "relu": "RELU",
    "sigmoid": "SIGMOID",
    "softmax": "SOFTMAX",
    "softmax_loss": "SOFTMAX_LOSS",
    "split": "SPLIT",
    "tanh": "TANH",
    "window_data": "WINDOW_DATA",
}

# V0's option -> the type's own: {V0 type: "message.field"}, or one place for all types.
_CONV, _POOL, _DENSE = "convolution_param", "pooling_param", "inner_product_param"
_DATA, _IMAGES, _WINDOWS = "data_param", "image_data_param", "window_data_param"
_V0_OPTIONS: dict[str, dict[str, str] | str] = {
    "num_output": {"conv": f"{_CONV}.num_output", "innerproduct": f"{_DENSE}.num_output"},
    "biasterm": {"conv": f"{_CONV}.bias_term", "innerproduct": f"{_DENSE}.bias_term"},
    "weight_filler": {"conv": f"{_CONV}.weight_filler", "innerproduct": f"{_DENSE}.weight_filler"},
    "bias_filler": {"conv": f"{_CONV}.bias_filler", "innerproduct": f"{_DENSE}.bias_filler"},
    "pad": {"conv": f"{_CONV}.pad", "pool": f"{_POOL}.pad"},
    "kernelsize": {"conv": f"{_CONV}.kernel_size", "pool": f"{_POOL}.kernel_size"},
    "group": {"conv": f"{_CONV}.group"},
    "stride": {"conv": f"{_CONV}.stride", "pool": f"{_POOL}.stride"},
    "pool": {"pool": f"{_POOL}.pool"},
    "dropout_ratio": {"dropout": "dropout_param.dropout_ratio"},
    "local_size": {"lrn": "lrn_param.local_size"},
    "alpha": {"lrn": "lrn_param.alpha"},
    "beta": {"lrn": "lrn_param.beta"},
    "k": {"lrn": "lrn_param.k"},
    "source": {
        "data": f"{_DATA}.source",
        "hdf5_data": "hdf5_data_param.source",
        "images": f"{_IMAGES}.source",
        "window_data": f"{_WINDOWS}.source",
        "infogain_loss": "infogain_loss_param.source",
    },
    "scale": "transform_param.scale",
    "meanfile": "transform_param.mean_file",
    "batchsize": {
        "data": f"{_DATA}.batch_size",
        "hdf5_data": "hdf5_data_param.batch_size",
        "images": f"{_IMAGES}.batch_size",
        "window_data": f"{_WINDOWS}.batch_size",
    },
    "cropsize": "transform_param.crop_size",
    "mirror": "transform_param.mirror",
    "rand_skip": {"data": f"{_DATA}.rand_skip", "images": f"{_IMAGES}.rand_skip"},
    "shuffle_images": {"images": f"{_IMAGES}.shuffle"},
    "new_height": {"images": f"{_IMAGES}.new_height"},
    "new_width": {"images": f"{_IMAGES}.new_width"},
    "concat_dim": {"concat": "concat_param.concat_dim"},
    "det_fg_threshold": {"window_data": f"{_WINDOWS}.fg_threshold"},
    "det_bg_threshold": {"window_data": f"{_WINDOWS}.bg_threshold"},
    "det_fg_fraction": {"window_data": f"{_WINDOWS}.fg_fraction"},
    "det_context_pad": {"window_data": f"{_WINDOWS}.context_pad"},
    "det_crop_mode": {"window_data": f"{_WINDOWS}.crop_mode"},
    "hdf5_output_param": {"hdf5_output": "hdf5_output_param"},
}

# Where V1's name of a type is not the current one with capitals and underscores.
_V1_TYPES = {
    "NONE": "",
    "ABSVAL": "AbsVal",
    "ARGMAX": "ArgMax",
    "BNLL": "BNLL",
    "HDF5_DATA": "HDF5Data",
    "HDF5_OUTPUT": "HDF5Output",
    "IM2COL": "Im2col",
    "LRN": "LRN",
    "MVN": "MVN",
    "RELU": "ReLU",
    "SOFTMAX_LOSS": "SoftmaxWithLoss",
    "TANH": "TanH",
}
# V1's lists, one item for each blob -> the field of the blob's `param` message.
_V1_SPECS = {
    "param": "name",
    "blob_share_mode": "share_mode",
    "blobs_lr": "lr_mult",
    "weight_decay": "decay_mult",
}
_V1_DATA = {"DATA": _DATA, "IMAGE_DATA": _IMAGES, "WINDOW_DATA": _WINDOWS}


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
            _upgrade_v0(new, strict)
        new.layer.extend(_from_v1(layer) for layer in new.layers)
        new.ClearField("layers")
    _upgrade_inputs(new)
    for layer in new.layer:
        if _has_norm_rates(layer):
            for spec in layer.param:
                spec.lr_mult = spec.decay_mult = 0
    return new


def is_current(net: NetParameter) -> bool:
    """Whether `upgrade` would change nothing, so that who only reads the network need not copy it."""
    return not (net.layers or net.input or net.input_dim or net.input_shape or any(map(_has_norm_rates, net.layer)))


def _has_norm_rates(layer: LayerParameter) -> bool:
    return layer.type == "BatchNorm" and len(layer.param) == 3


def _upgrade_v0(net: NetParameter, strict: bool) -> None:
    """V0 layers -> V1 layers (UpgradeV0Net)."""
    faults: list[str] = []
    upgraded = NetParameter()
    dropped: list[str] = []
    for layer in _without_padding(net, faults):
        if layer.HasField("layer"):
            new = upgraded.layers.add(bottom=layer.bottom, top=layer.top)
            _move_options(layer.layer, new, faults, dropped)
        else:
            upgraded.layers.append(layer)
    if faults:
        raise NetworkError(f"network {net.name!r}: {'; '.join(faults)}")
    if dropped and strict:
        raise FormatError(f"network {net.name!r}: options without a place: {', '.join(dropped)}")
    if dropped:
        warnings.warn(f"network {net.name!r}: left out {', '.join(dropped)}", UnknownFieldWarning, stacklevel=4)
    net.ClearField("layers")
    net.MergeFrom(upgraded)


def _without_padding(net: NetParameter, faults: list[str]) -> list[V1LayerParameter]:
    """The layers without those of type padding, their options padded (UpgradeV0PaddingLayers)."""
    makers: dict[str, V1LayerParameter] = {}
    kept = []
    for layer in net.layers:
        options = layer.layer
        if options.type != "padding":
            kept.append(layer)
        for number, bottom in enumerate(layer.bottom):
            source = makers.get(bottom)
            if source is None or source.layer.type != "padding":
                continue
            if options.type not in ("conv", "pool") or len(layer.bottom) != 1:
                faults.append(
                    f"layer {options.name!r}: type: found {options.type!r} after padding, expected conv or pool"
                )
            elif len(source.bottom) != 1 or len(source.top) != 1:
                faults.append(f"layer {source.layer.name!r}: padding: expected one bottom and one top")
            else:
                options.pad = source.layer.pad
                layer.bottom[number] = source.bottom[0]
        makers.update(dict.fromkeys(layer.top, layer))
    return kept


def _move_options(options: V0LayerParameter, new: V1LayerParameter, faults: list[str], dropped: list[str]) -> None:
    """V0's options into the messages of a V1 layer (UpgradeV0LayerParameter).

    Like Caffe it goes on without options that the layer's type has no place for, and says so.
    """
    kind = options.type
    for field, value in set_fields(options):
        name = field.name
        if name == "type":
            if kind not in _V0_TYPES:
                faults.append(f"layer {options.name!r}: type: found {kind!r}, expected one of {', '.join(_V0_TYPES)}")
            else:
                new.type = new.LayerType.Value(_V0_TYPES[kind])
        elif name in ("name", "blobs", "blobs_lr", "weight_decay"):
            _set(new, name, value)
        else:
            places = _V0_OPTIONS.get(name, {})
            place = places if isinstance(places, str) else places.get(kind)
            if place is None:
                dropped.append(f"{name} of layer {options.name!r}, type {kind!r}")
            else:
                *path, last = place.split(".")
                _set(getattr(new, path[0]) if path else new, last, value)


def _set(message: Any, field: str, value: Any) -> None:
    """Sets a field of any kind; a single value becomes the one item of a repeated field."""
    old = getattr(message, field)
    if hasattr(old, "extend"):
        old.extend(value if hasattr(value, "extend") else [value])
    elif hasattr(old, "CopyFrom"):
        old.CopyFrom(value)
    else:
        setattr(message, field, value)


def _from_v1(old: V1LayerParameter) -> LayerParameter:
    """One V1 layer as a current one (UpgradeV1LayerParameter, UpgradeNetDataTransformation)."""
    new = LayerParameter()
    kind = old.LayerType.Name(old.type)
    for field, value in set_fields(old):
        if field.name == "type":
            new.type = _V1_TYPES.get(kind, kind.title().replace("_", ""))
        elif field.name == "layer":
            continue  # a V0 layer, upgraded already
        elif field.name in _V1_SPECS:
            target = _V1_SPECS[field.name]
            while len(new.param) < len(value):
                new.param.add()
            for spec, item in zip(new.param, value, strict=False):
                setattr(spec, target, item)
        else:
            _set(new, field.name, value)
    if kind in _V1_DATA and new.HasField(_V1_DATA[kind]):
        data = getattr(new, _V1_DATA[kind])
        for name in ("scale", "mean_file", "crop_size", "mirror"):
            if data.HasField(name):
                setattr(new.transform_param, name, getattr(data, name))
                data.ClearField(name)
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
