"""Compiles caffe.proto by protoc into caffe.desc, which proto.py loads, and proto.pyi, which type checkers read.

With --check nothing is written: the exit status is 1, and a line names the file, where one of the two is not current.
"""

from __future__ import annotations

import argparse
import ast
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from google.protobuf import descriptor_pb2
from grpc_tools import protoc

PACKAGE = Path(__file__).parents[1] / "prototxt_gen"
FIELD = descriptor_pb2.FieldDescriptorProto
SCALARS = {
    FIELD.TYPE_BOOL: "bool",
    FIELD.TYPE_BYTES: "bytes",
    FIELD.TYPE_DOUBLE: "float",
    FIELD.TYPE_ENUM: "int",
    FIELD.TYPE_FLOAT: "float",
    FIELD.TYPE_INT32: "int",
    FIELD.TYPE_INT64: "int",
    FIELD.TYPE_STRING: "str",
    FIELD.TYPE_UINT32: "int",
}

# What all messages have. Descriptors are left out: only proto.py looks at them.
HEAD = '''"""The messages of caffe.proto and the functions of proto.py, for type checkers and editors.

Made by tools/compile_proto.py: `make proto` writes it anew.
"""

from collections.abc import Iterable, Iterator, Mapping, MutableSequence, Sequence
from typing import Any, ClassVar, Generic, NamedTuple, SupportsIndex, TypeVar, overload

from typing_extensions import Self

_T = TypeVar("_T")

class Message:
    """What every message can do (google.protobuf.message.Message)."""

    def HasField(self, field_name: str) -> bool: ...
    def ClearField(self, field_name: str) -> None: ...
    def Clear(self) -> None: ...
    def CopyFrom(self, other_msg: Self) -> None: ...
    def MergeFrom(self, other_msg: Self) -> None: ...
    def SetInParent(self) -> None: ...
    def IsInitialized(self) -> bool: ...
    def DiscardUnknownFields(self) -> None: ...
    def ByteSize(self) -> int: ...
    def SerializeToString(self) -> bytes: ...
    def SerializePartialToString(self) -> bytes: ...
    def MergeFromString(self, serialized: bytes) -> int: ...
    def ParseFromString(self, serialized: bytes) -> int: ...
    @classmethod
    def FromString(cls, s: bytes) -> Self: ...

class Enum:
    """The names of an enum and their numbers (google.protobuf.internal.enum_type_wrapper)."""

    def Name(self, number: int) -> str: ...
    def Value(self, name: str) -> int: ...
    def keys(self) -> list[str]: ...
    def values(self) -> list[int]: ...
    def items(self) -> list[tuple[str, int]]: ...

class Values(MutableSequence[_T]):
    """A repeated field of numbers or texts."""

    @overload
    def __getitem__(self, index: SupportsIndex) -> _T: ...
    @overload
    def __getitem__(self, index: slice) -> list[_T]: ...
    @overload
    def __setitem__(self, index: SupportsIndex, value: _T) -> None: ...
    @overload
    def __setitem__(self, index: slice, value: Iterable[_T]) -> None: ...
    def __delitem__(self, index: SupportsIndex | slice) -> None: ...
    def __len__(self) -> int: ...
    def insert(self, index: SupportsIndex, value: _T) -> None: ...
    def sort(self, *, key: Any = None, reverse: bool = False) -> None: ...
    def MergeFrom(self, other: Self) -> None: ...

class Messages(Sequence[_T]):
    """A repeated field of messages: they are copied into it, or made in it by `add`."""

    @overload
    def __getitem__(self, index: SupportsIndex) -> _T: ...
    @overload
    def __getitem__(self, index: slice) -> list[_T]: ...
    def __delitem__(self, index: SupportsIndex | slice) -> None: ...
    def __len__(self) -> int: ...
    def append(self, value: _T) -> None: ...
    def extend(self, values: Iterable[_T]) -> None: ...
    def insert(self, index: SupportsIndex, value: _T) -> None: ...
    def pop(self, index: SupportsIndex = -1) -> _T: ...
    def remove(self, value: _T) -> None: ...
    def reverse(self) -> None: ...
    def sort(self, *, key: Any = None, reverse: bool = False) -> None: ...
    def MergeFrom(self, other: Self) -> None: ...
'''


def compile_proto(source: Path) -> tuple[bytes, descriptor_pb2.FileDescriptorProto]:
    """What protoc makes of a .proto file: the descriptor set, and its one file with the comments."""
    with tempfile.TemporaryDirectory() as folder:
        plain, commented = Path(folder) / "plain", Path(folder) / "commented"
        for options in ([f"-o{plain}"], [f"-o{commented}", "--include_source_info"]):
            if protoc.main(["protoc", f"-I{source.parent}", *options, source.name]) != 0:
                raise SystemExit(f"protoc refuses {source}")
        (file,) = descriptor_pb2.FileDescriptorSet.FromString(commented.read_bytes()).file
        return plain.read_bytes(), file


def stub(file: descriptor_pb2.FileDescriptorProto, module: str) -> str:
    """The stub: the messages with their fields, and the public names of proto.py, whose source is `module`."""
    comments = {tuple(place.path): place.leading_comments for place in file.source_code_info.location}
    repeated = {
        field.type_name
        for message in file.message_type
        for field in message.field
        if field.label == FIELD.LABEL_REPEATED and field.type == FIELD.TYPE_MESSAGE
    }
    lines = [HEAD, *_module_lines(module)]
    for index, message in enumerate(file.message_type):
        lines += ["", f"class {message.name}(Message):"]
        if comment := comments.get((4, index)):
            lines += [f'    """{" ".join(comment.split())}"""', ""]
        lines += _message_lines(message)
        if f".{file.package}.{message.name}" in repeated:
            lines += ["", f"class _{message.name}List(Messages[{message.name}]):"]
            lines += _taking(message, "add", message.name)
    return "\n".join(lines) + "\n"


def _message_lines(message: descriptor_pb2.DescriptorProto) -> Iterator[str]:
    for enum in message.enum_type:
        yield f"    {enum.name}: ClassVar[Enum]"
        for value in enum.value:
            yield f"    {value.name}: ClassVar[int]"
    for field in message.field:
        kind = _kind(field)
        if field.label == FIELD.LABEL_REPEATED:
            kind = f"_{kind}List" if field.type == FIELD.TYPE_MESSAGE else f"Values[{kind}]"
        elif field.type != FIELD.TYPE_MESSAGE:
            yield f"    {field.name}: {kind}"
            continue
        yield "    @property"
        yield f"    def {field.name}(self) -> {kind}: ..."
    yield from _taking(message, "__init__", "None")


def _taking(message: descriptor_pb2.DescriptorProto, name: str, result: str) -> Iterator[str]:
    """A method that takes every field of the message as a keyword."""
    if not message.field:
        yield f"    def {name}(self) -> {result}: ..."
        return
    yield f"    def {name}("
    yield "        self,"
    yield "        *,"
    for field in message.field:
        kind = _kind(field)
        if field.type == FIELD.TYPE_MESSAGE:
            kind += " | Mapping[str, Any]"
        elif field.type == FIELD.TYPE_ENUM:
            kind += " | str"
        if field.label == FIELD.LABEL_REPEATED:
            kind = f"Iterable[{kind}]"
        yield f"        {field.name}: {kind} | None = None,"
    yield f"    ) -> {result}: ..."


def _kind(field: descriptor_pb2.FieldDescriptorProto) -> str:
    return field.type_name.rpartition(".")[2] if field.type == FIELD.TYPE_MESSAGE else SCALARS[field.type]


def _module_lines(source: str) -> Iterator[str]:
    """The public classes and functions of proto.py, without what they do."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            node.body = [ast.Expr(ast.Constant(...))]
            yield ast.unparse(node).replace(":\n    ...", ": ...")
        elif isinstance(node, ast.ClassDef):
            yield ast.unparse(node)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id.isupper():
            yield f"{node.target.id}: {ast.unparse(node.annotation)}"
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and "TypeVar" in ast.unparse(node.value):
            yield ast.unparse(node)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args(arguments).check
    descriptor, file = compile_proto(PACKAGE / "caffe.proto")
    made = {
        PACKAGE / "caffe.desc": descriptor,
        PACKAGE / "proto.pyi": stub(file, (PACKAGE / "proto.py").read_text("utf-8")).encode(),
    }
    stale = [path for path, data in made.items() if not path.exists() or path.read_bytes() != data]
    for path in stale:
        if check:
            print(f"{path}: not current: run `make proto`", file=sys.stderr)
        else:
            path.write_bytes(made[path])
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
