"""The one file that knows protobuf: Caffe's messages, their fields, their text and their bytes.

Every message of caffe.proto is a name of this module: NetParameter, LayerParameter, FillerParameter, ... They are made
when the module is imported from caffe.desc, which protoc compiles from caffe.proto (`make proto`), and live in a
descriptor pool of their own, so that any other caffe_pb2 may live in the same process and no generated code ties the
package to one release of protobuf. proto.pyi, made by the same command, tells type checkers and editors their fields.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any, NamedTuple, TypeVar

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from google.protobuf.message import DecodeError, EncodeError, Message

from prototxt_gen.errors import FormatError

M = TypeVar("M", bound=Message)


class Field(NamedTuple):
    """A field as caffe.proto declares it."""

    name: str
    number: int
    kind: str  # "float", "int32", "string", ... or, for a type that caffe.proto defines, "message" or "enum"
    repeated: bool
    message: type[Message] | None  # for the kind "message": its class
    values: Mapping[str, int]  # for the kind "enum": its names and their numbers


def _load() -> tuple[dict[str, type[Message]], dict[type[Message], dict[str, Field]]]:
    """The messages by name, and the fields of each in the order of caffe.proto."""
    data = resources.files("prototxt_gen").joinpath("caffe.desc").read_bytes()
    (file,) = descriptor_pb2.FileDescriptorSet.FromString(data).file
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    messages = {
        message.name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{file.package}.{message.name}"))
        for message in file.message_type
    }
    enums = {f".{file.package}.{enum.name}": enum for enum in file.enum_type}
    for message in file.message_type:
        enums |= {f".{file.package}.{message.name}.{enum.name}": enum for enum in message.enum_type}

    def field(declared: descriptor_pb2.FieldDescriptorProto) -> Field:
        enum = enums.get(declared.type_name)
        return Field(
            declared.name,
            declared.number,
            declared.Type.Name(declared.type).removeprefix("TYPE_").lower(),
            declared.label == declared.LABEL_REPEATED,
            messages.get(declared.type_name.rpartition(".")[2]),
            {value.name: value.number for value in enum.value} if enum else {},
        )

    return messages, {messages[kind.name]: {one.name: field(one) for one in kind.field} for kind in file.message_type}


MESSAGES: Mapping[str, type[Message]]
MESSAGES, _FIELDS = _load()
globals().update(MESSAGES)

_BY_NUMBER = {kind: {field.number: field for field in fields.values()} for kind, fields in _FIELDS.items()}


def fields_of(message: type[Message]) -> Mapping[str, Field]:
    """The fields that a message has, by name, in the order of caffe.proto."""
    return _FIELDS[message]


def set_fields(message: Message) -> Iterator[tuple[Field, Any]]:
    """The fields that are set in the message, with their values, in the order of their numbers."""
    known = _BY_NUMBER[type(message)]
    for descriptor, value in message.ListFields():
        yield known[descriptor.number], value


def merge_text(text: str, message: M) -> M:
    """Adds what Caffe text says to the message and returns it. FormatError tells line, column and what is wrong."""
    try:
        return text_format.Parse(text, message)
    except text_format.ParseError as fault:
        reason = str(fault)
        # protobuf quotes the line where it stopped: at the end of the text an empty one, or none.
        if " : '': " in reason or reason.endswith(' : Expected "}".'):
            place = f"{fault.GetLine()}:{fault.GetColumn()}"
            raise FormatError(f"{place}: the text ends within a message; is it incomplete?") from fault
        # In a file that is no text at all the quoted line has no end.
        raise FormatError(reason[:300]) from fault
    except (RecursionError, ValueError) as fault:
        raise FormatError(f"not Caffe text: {str(fault)[:300]}") from fault


def print_text(message: Message) -> str:
    """The message as Caffe text, fields in the order of their numbers."""
    return text_format.MessageToString(message)


def merge_bytes(data: bytes, message: M) -> M:
    """Adds what the bytes hold to the message and returns it; required fields may be missing.

    FormatError where the bytes are not a message of this type.
    """
    try:
        message.MergeFromString(data)
    except (DecodeError, UnicodeDecodeError) as fault:
        raise FormatError(f"not a binary {type(message).__name__}: {fault}") from fault
    return message


def to_bytes(message: Message) -> bytes:
    """The message in protobuf's binary format; required fields may be missing.

    FormatError where it is too large for that format, or holds text that UTF-8 cannot spell.
    """
    try:
        return message.SerializePartialToString()
    except (EncodeError, ValueError) as fault:
        raise FormatError(f"cannot be written as protobuf: {fault}") from fault
