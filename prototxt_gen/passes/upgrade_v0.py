"""Step of `upgrade`: V0 layers, `layers { layer { ... } }` with one message for all options, become V1 layers.

It takes networks with V0 layers, also beside V1 layers, which stay as they are.

1. A layer of type padding goes: its pad moves to the convolution or pooling after it, its bottom takes the place of its
   top.
2. name, blobs, blobs_lr and weight_decay move to the V1 layer, and the type becomes V1's enum.
3. Every other option moves to the message of its layer's type, or to transform_param. One that the type has no place
   for is left out, with a warning.

The bottoms, the tops and what the network computes stay equal. (Caffe: UpgradeV0Net in upgrade_proto.cpp.)
"""

from __future__ import annotations

import warnings

from prototxt_gen.errors import FormatError, NetworkError
from prototxt_gen.passes.upgrade_v1 import put
from prototxt_gen.proto import NetParameter, V0LayerParameter, V1LayerParameter, set_fields
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


def upgrade_v0(net: NetParameter, strict: bool) -> None:
    """Makes the network's V0 layers V1 layers, in place.

    NetworkError lists layers of unknown type and misplaced padding. An UnknownFieldWarning names options that their
    layer's type has no place for; with `strict` they are a FormatError.
    """
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

    Options that the layer's type has no place for are left out, as in Caffe, and go to `dropped`.
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
            put(new, name, value)
        else:
            places = _V0_OPTIONS.get(name, {})
            place = places if isinstance(places, str) else places.get(kind)
            if place is None:
                dropped.append(f"{name} of layer {options.name!r}, type {kind!r}")
            else:
                *path, last = place.split(".")
                put(getattr(new, path[0]) if path else new, last, value)
