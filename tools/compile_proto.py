"""Compiles caffe.proto by protoc into caffe.desc, which proto.py loads, and proto.pyi, which type checkers read.

With --check it writes nothing: where one of the two is not current, a line names it and the exit status is 1.
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
# The fields of a small message stand on one line of at most so many characters.
_SHORT = 100

HEAD = '''"""The messages of caffe.proto and the functions of proto.py, for type checkers and editors.

Made by tools/compile_proto.py: `make proto` writes it anew.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final, NamedTuple, TypeVar

from prototxt_gen.message import Enum as Enum
from prototxt_gen.message import Message as Message
from prototxt_gen.message import Messages as Messages
from prototxt_gen.message import Values as Values
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
    attributes = []
    for field in sorted(message.field, key=lambda field: field.name):
        kind = _kind(field)
        if field.label == FIELD.LABEL_REPEATED:
            kind = f"_{kind}List" if field.type == FIELD.TYPE_MESSAGE else f"Values[{kind}]"
        if field.label == FIELD.LABEL_REPEATED or field.type == FIELD.TYPE_MESSAGE:
            kind = f"Final[{kind}]"  # protobuf refuses assignments to them
        attributes.append(f"{field.name}: {kind}")
    together = "; ".join(attributes)
    yield from ([f"    {line}" for line in attributes] if len(together) > _SHORT else [f"    {together}"])
    yield from _taking(message, "__init__", "None")


def _taking(message: descriptor_pb2.DescriptorProto, name: str, result: str) -> Iterator[str]:
    """A method that takes every field of the message as a keyword."""
    if not message.field:
        yield f"    def {name}(self) -> {result}: ..."
        return
    taken = []
    for field in message.field:
        kind = _kind(field)
        if field.type == FIELD.TYPE_MESSAGE:
            kind += " | Mapping[str, Any]"
        elif field.type == FIELD.TYPE_ENUM:
            kind += " | str"
        if field.label == FIELD.LABEL_REPEATED:
            kind = f"Iterable[{kind}]"
        taken.append(f"{field.name}: {kind} | None = None")
    yield f"    def {name}(self, *, {', '.join(taken)}) -> {result}: ..."


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
