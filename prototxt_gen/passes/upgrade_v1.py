"""Step of `upgrade`: a V1 layer, `layers` with the type as an enum, becomes a current one.

1. The type becomes a string: CONVOLUTION is "Convolution".
2. param (names), blob_share_mode, blobs_lr and weight_decay become one `param` message a blob.
3. scale, mean_file, crop_size and mirror of a data layer move to transform_param.
4. Every other field moves as it is: the current layer has one of the same name and type.

(Caffe: UpgradeV1LayerParameter and UpgradeNetDataTransformation in upgrade_proto.cpp.)
"""

from __future__ import annotations

from typing import Any

from prototxt_gen.proto import LayerParameter, Message, V1LayerParameter, set_fields

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
_V1_DATA = {"DATA": "data_param", "IMAGE_DATA": "image_data_param", "WINDOW_DATA": "window_data_param"}


def from_v1(old: V1LayerParameter) -> LayerParameter:
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
            put(new, field.name, value)
    if kind in _V1_DATA and new.HasField(_V1_DATA[kind]):
        data = getattr(new, _V1_DATA[kind])
        for name in ("scale", "mean_file", "crop_size", "mirror"):
            if data.HasField(name):
                setattr(new.transform_param, name, getattr(data, name))
                data.ClearField(name)
    return new


def put(message: Message, field: str, value: Any) -> None:
    """Sets a field of any kind; a single value becomes the one item of a repeated field."""
    old = getattr(message, field)
    if hasattr(old, "extend"):
        old.extend(value if hasattr(value, "extend") else [value])
    elif hasattr(old, "CopyFrom"):
        old.CopyFrom(value)
    else:
        setattr(message, field, value)
