"""Binary networks, in which forks of Caffe have numbers of their own for the fields that they add to a layer.

Binary files of the DF release's fork use field 148 of a layer for `interp_param`, BVLC Caffe for `clip_param`. Here the
two are separate fields (see caffe.proto); `from_binary` and `to_binary` move `interp_param` from and to 148. Other
tools have other numbers: `numbers` says which, field by field.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Literal, TypeAlias

from prototxt_gen.errors import FormatError, UnsupportedError
from prototxt_gen.proto import LayerParameter, Message, NetParameter, fields_of, merge_bytes, set_fields, to_bytes

Dialect: TypeAlias = Literal["bvlc", "release"]
#: Numbers in a tool's binary files of fields of a layer, by name, as in {"upsample_param": 160}.
Numbers: TypeAlias = Mapping[str, int]

FORK_FIELDS = ("shuffle_channel_param", "permute_param", "norm_param", "interp_param", "upsample_param")
"""The fields of a layer that BVLC Caffe does not have. In text their names count; binary files need a number."""
RELEASE: Numbers = {**{name: fields_of(LayerParameter)[name].number for name in FORK_FIELDS}, "interp_param": 148}
"""The numbers of the DF release's fork; those that nobody states are ours."""
_LAYER = 100


def from_binary(data: bytes, source: str = "<bytes>", numbers: Numbers | None = None) -> NetParameter:
    """Reads a network, weights included, from the bytes of either dialect, or of a tool with numbers of its own."""
    if numbers:
        data = _renumbered(data, numbers, source)
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


def to_binary(net: NetParameter, dialect: Dialect = "bvlc", numbers: Numbers | None = None) -> bytes:
    """The network as bytes: `bvlc` for stock Caffe (it skips our number of interp_param), `release` for the fork.

    With `numbers` they are for another tool: its own fields have these numbers, and those of FORK_FIELDS that it has no
    number for are left out. UnsupportedError lists the layers with a field whose number stands for another one there.
    """
    if dialect == "release" and numbers is None:
        numbers = RELEASE
    try:
        if numbers is None:
            return to_bytes(net)
        check_numbers(net, numbers)
        outside = NetParameter()
        outside.CopyFrom(net)
        outside.ClearField("layer")
        from prototxt_gen import wire  # brings numpy

        layers = [wire.field(_LAYER, layer_bytes(layer, numbers)) for layer in net.layer]
        return b"".join([to_bytes(outside), *layers])
    except FormatError as fault:
        raise FormatError(f"network {net.name!r}: {fault}") from fault


def check_numbers(net: NetParameter, numbers: Numbers) -> None:
    """UnsupportedError lists the layers with a field of whose number the tool makes another field."""
    theirs = {number: name for name, number in numbers.items()}
    for field in fields_of(LayerParameter).values():
        other = theirs.get(field.number, field.name)
        clashing = [layer.name for layer in net.layer if other != field.name and _is_set(layer, field.name)]
        if clashing and field.name not in (*numbers, *FORK_FIELDS):
            tool = "the release's fork has no Clip, its" if numbers.get("interp_param") == 148 else "their"
            raise UnsupportedError(f"layers {clashing}: {tool} field {field.number} is {other}")


def layer_bytes(layer: LayerParameter, numbers: Numbers | None) -> bytes:
    """A layer as bytes, fields in the order of their numbers in the file; `numbers` as in `to_binary`."""
    moved = [] if numbers is None else [name for name in {*FORK_FIELDS, *numbers} if _is_set(layer, name)]
    if not moved:
        return to_bytes(layer)
    from prototxt_gen import wire  # brings numpy

    rest = LayerParameter()
    rest.CopyFrom(layer)
    places = []
    for name in moved:
        if numbers and name in numbers:
            places.append((numbers[name], wire.field(numbers[name], to_bytes(getattr(layer, name)))))
        rest.ClearField(name)
    made = b""
    for number, content in sorted(places):
        before = LayerParameter()
        before.CopyFrom(rest)
        for field in fields_of(LayerParameter).values():
            (before if field.number > number else rest).ClearField(field.name)
        before.DiscardUnknownFields()
        made += to_bytes(before) + content
    return made + to_bytes(rest)


def _is_set(layer: LayerParameter, name: str) -> bool:
    return any(field.name == name for field, _ in set_fields(layer))


def _renumbered(data: bytes, numbers: Numbers, source: str) -> bytes:
    """The bytes of a network with our numbers in the place of a tool's; what has them there by chance goes."""
    from prototxt_gen import wire  # brings numpy

    ours = {number: fields_of(LayerParameter)[name].number for name, number in numbers.items()}
    reader = wire.Reader(BytesIO(data), len(data), source)
    made = []
    for span in list(wire.spans(reader, len(data))):
        if span.number != _LAYER or span.kind != wire.BYTES:
            made.append(data[span.start : span.end])
            continue
        reader.at = span.content
        inner = []
        for one in list(wire.spans(reader, span.end)):
            if one.kind == wire.BYTES and one.number in ours:
                inner.append(wire.field(ours[one.number], data[one.content : one.end]))
            elif one.number not in ours.values():
                inner.append(data[one.start : one.end])
        made.append(wire.field(_LAYER, b"".join(inner)))
    return b"".join(made)
