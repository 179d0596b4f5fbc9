"""The one file that knows protobuf: Caffe's messages, read and written as text and binary.

caffe.proto beside this file is parsed when the module is imported and its messages live in a descriptor pool of
their own, so that any other caffe_pb2 may live in the same process, and no generated code ties the package to one
release of protobuf.
"""

from __future__ import annotations

import re
from importlib import resources
from typing import TYPE_CHECKING, Any, TypeAlias

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

from prototxt_gen.errors import FormatError

_F = descriptor_pb2.FieldDescriptorProto
_LABELS = {"optional": _F.LABEL_OPTIONAL, "required": _F.LABEL_REQUIRED, "repeated": _F.LABEL_REPEATED}
_SCALARS = {
    "bool": _F.TYPE_BOOL,
    "bytes": _F.TYPE_BYTES,
    "double": _F.TYPE_DOUBLE,
    "float": _F.TYPE_FLOAT,
    "int32": _F.TYPE_INT32,
    "int64": _F.TYPE_INT64,
    "string": _F.TYPE_STRING,
    "uint32": _F.TYPE_UINT32,
}
_TOKEN = re.compile(r'//[^\n]*|\s+|("(?:[^"\\]|\\.)*"|[-+.\w]+|[{}\[\]=;,])')


def compile_schema(source: str, file_name: str) -> descriptor_pb2.FileDescriptorProto:
    """Compiles the part of the proto2 language that caffe.proto uses: messages, enums, defaults and `packed`.

    protoc would need a compiler at build time or generated code in the repository; a test holds this against protoc.
    """
    tokens = [found.group(1) for found in _TOKEN.finditer(source) if found.group(1)]
    tokens.reverse()
    file = descriptor_pb2.FileDescriptorProto(name=file_name)

    def expect(*wanted: str) -> None:
        for token in wanted:
            if (found := tokens.pop()) != token:
                raise FormatError(f"{file_name}: found {found!r}, expected {token!r}")

    def enum(target: descriptor_pb2.EnumDescriptorProto) -> None:
        target.name = tokens.pop()
        expect("{")
        while tokens[-1] != "}":
            value = target.value.add(name=tokens.pop())
            expect("=")
            value.number = int(tokens.pop())
            expect(";")
        expect("}")

    def field(target: descriptor_pb2.DescriptorProto) -> None:
        made = target.field.add(label=_LABELS[tokens.pop()])
        kind = tokens.pop()
        if kind in _SCALARS:
            made.type = _SCALARS[kind]
        else:
            made.type_name = kind
        made.name = tokens.pop()
        expect("=")
        made.number = int(tokens.pop())
        if tokens[-1] == "[":
            while tokens.pop() != "]":
                option = tokens.pop()
                expect("=")
                value = tokens.pop()
                if option == "packed":
                    made.options.packed = value == "true"
                else:
                    made.default_value = value.strip('"')
        expect(";")

    def message(target: descriptor_pb2.DescriptorProto) -> None:
        target.name = tokens.pop()
        expect("{")
        while tokens[-1] != "}":
            if tokens[-1] == "enum":
                tokens.pop()
                enum(target.enum_type.add())
            else:
                field(target)
        expect("}")

    while tokens:
        keyword = tokens.pop()
        if keyword == "message":
            message(file.message_type.add())
        elif keyword == "enum":
            enum(file.enum_type.add())
        elif keyword == "package":
            file.package = tokens.pop()
            expect(";")
        else:
            expect("=", '"proto2"', ";")
    _resolve(file)
    return file


def _resolve(file: descriptor_pb2.FileDescriptorProto) -> None:
    """Turns the names of types into full ones, innermost scope first."""
    messages = {message.name for message in file.message_type}
    for message in file.message_type:
        nested = {kind.name for kind in message.enum_type}
        for field in message.field:
            if not field.type_name:
                continue
            is_message = field.type_name in messages
            scope = f"{message.name}." if field.type_name in nested else ""
            field.type = _F.TYPE_MESSAGE if is_message else _F.TYPE_ENUM
            field.type_name = f".{file.package}.{scope}{field.type_name}"


def _load_schema() -> dict[str, type[Message]]:
    source = resources.files("prototxt_gen").joinpath("caffe.proto").read_text("utf-8")
    file = compile_schema(source, "dongfeng/caffe.proto")
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return {
        message.name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{file.package}.{message.name}"))
        for message in file.message_type
    }


MESSAGES = _load_schema()

if TYPE_CHECKING:  # the fields of a class made at run time are unknown to a type checker
    NetParameter: TypeAlias = Any
    LayerParameter: TypeAlias = Any
    SolverParameter: TypeAlias = Any
else:
    NetParameter = MESSAGES["NetParameter"]
    LayerParameter = MESSAGES["LayerParameter"]
    SolverParameter = MESSAGES["SolverParameter"]
