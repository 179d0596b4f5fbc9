"""Binary networks in the two dialects of field 148: BVLC Caffe's and that of the DF release's fork.

Binary files of the fork use field 148 of a layer for `interp_param`, BVLC Caffe for `clip_param`. Here the two are
separate fields (see caffe.proto); `from_binary` and `to_binary` move `interp_param` from and to 148.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from prototxt_gen.errors import FormatError, UnsupportedError
from prototxt_gen.proto import Message, NetParameter, merge_bytes, set_fields, to_bytes

Dialect: TypeAlias = Literal["bvlc", "release"]


def from_binary(data: bytes, source: str = "<bytes>") -> NetParameter:
    """Reads a network, weights included, from the bytes of either dialect."""
    try:
        net = merge_bytes(data, NetParameter())
    except FormatError as fault:
        raise FormatError(f"{source}: {fault}") from fault
    _check_texts(net, source)
    for layer in net.layer:
        # `min` and `max` are required floats; an Interp's sizes are integers and stay behind as unknown fields.
        if layer.HasField("clip_param") and (layer.type == "Interp" or not layer.clip_param.IsInitialized()):
            merge_bytes(to_bytes(layer.clip_param), layer.interp_param)
            layer.ClearField("clip_param")
    return net


def _check_texts(message: Message, path: str) -> None:
    """FormatError where a text is not UTF-8: protobuf then gives bytes, which no field of text takes."""
    for field, value in set_fields(message):
        if field.name == "blobs" or field.kind not in ("message", "string"):
            continue
        for item in value if field.repeated else [value]:
            if field.message is not None:
                _check_texts(item, f"{path}: {field.name}")
            elif isinstance(item, bytes):
                raise FormatError(f"{path}: {field.name}: found {item[:100]!r}, expected text in UTF-8")


def to_binary(net: NetParameter, dialect: Dialect = "bvlc") -> bytes:
    """The network as bytes: `bvlc` for stock Caffe (it skips our number of interp_param), `release` for the fork."""
    if dialect == "release":
        clips = [layer.name for layer in net.layer if layer.HasField("clip_param")]
        if clips:
            raise UnsupportedError(f"layers {clips}: the release's fork has no Clip, its field 148 is interp_param")
        original, net = net, NetParameter()
        net.CopyFrom(original)
        for layer in net.layer:
            if layer.HasField("interp_param"):
                merge_bytes(to_bytes(layer.interp_param), layer.clip_param)
                layer.ClearField("interp_param")
    try:
        return to_bytes(net)
    except FormatError as fault:
        raise FormatError(f"network {net.name!r}: {fault}") from fault
