"""The one file that knows protobuf: Caffe's messages, read and written as text and binary.

caffe.proto beside this file is parsed when the module is imported and its messages live in a descriptor pool of
their own, so that any other caffe_pb2 may live in the same process, and no generated code ties the package to one
release of protobuf.

Binary files of the DF release's fork use field 148 of a layer for `interp_param`, BVLC Caffe for `clip_param`. Here
the two are separate fields (see caffe.proto); `from_binary` and `to_binary` move `interp_param` from and to 148.
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
import warnings
from collections.abc import Iterator, MutableSequence, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from google.protobuf.message import DecodeError, EncodeError, Message

from prototxt_gen.errors import FormatError, UnsupportedError
from prototxt_gen.files import read_bytes, write_bytes

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
_MOST_LISTED = 20
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

Dialect: TypeAlias = Literal["bvlc", "release"]


class UnknownFieldWarning(UserWarning):
    """A text file has fields that are not in caffe.proto; they were left out."""


def parse_text(text: str, message: Any, source: str = "<text>", *, strict: bool = False) -> Any:
    """Fills `message` from Caffe text and returns it. FormatError names `source`, the line and what is wrong there.

    Fields that caffe.proto does not know, as forks add them, are left out and named in one UnknownFieldWarning; with
    `strict` they are a FormatError.
    """
    made = type(message)()
    text = text.removeprefix("\ufeff")
    try:
        try:
            text_format.Parse(text, made)
        except text_format.ParseError:
            unknown = _unknown_fields(text, message.DESCRIPTOR)
            if not unknown:
                raise
            made = text_format.Parse(_blanked(text, [field.span for field in unknown]), type(message)())
            fields = _listed(source, unknown)
            if strict:
                raise FormatError(fields) from None
            warnings.warn(fields, UnknownFieldWarning, stacklevel=3)
    except text_format.ParseError as fault:
        # The message quotes the line it stopped at, which in a file that is no text at all has no end.
        raise FormatError(f"{source}: {str(fault)[:300]}") from fault
    except (RecursionError, ValueError) as fault:
        if isinstance(fault, FormatError):
            raise
        raise FormatError(f"{source}: not Caffe text: {str(fault)[:300]}") from fault
    message.MergeFrom(made)
    return message


_TEXT_TOKEN = re.compile(
    r"""(?P<skip>\s+|\#[^\n]*)|(?P<separator>[,;])|(?P<open>[{<])|(?P<close>[}>])|(?P<list>\[)|(?P<end>\])|(?P<colon>:)
    |(?P<string>"[^"\\\n]*(?:\\.[^"\\\n]*)*"|'[^'\\\n]*(?:\\.[^'\\\n]*)*')|(?P<scalar>[-+.\w]+)|(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)


_CLOSINGS = {"{": "}", "<": ">", "[": "]"}


class _UnknownField(NamedTuple):
    path: str
    line: int
    span: tuple[int, int]


def _unknown_fields(text: str, descriptor: Any) -> list[_UnknownField]:
    """Every field that its message does not have, with its value; stops where the text is no Caffe text at all.

    protobuf can skip unknown fields but neither tell which nor survive all that forks write in them.
    """
    found: list[_UnknownField] = []
    scopes: list[tuple[str, Any, bool]] = [("", descriptor, False)]  # path, message, whether a list of messages
    tokens = (token for token in _TEXT_TOKEN.finditer(text) if token.lastgroup != "skip")
    line, counted = 1, 0
    token = next(tokens, None)
    while token is not None:
        path, message, is_list = scopes[-1]
        kind = token.lastgroup
        if kind == "separator":
            pass
        elif kind == ("end" if is_list else "close") and len(scopes) > 1:
            scopes.pop()
        elif is_list and kind == "open":
            scopes.append((path, message, False))
        elif is_list or kind != "scalar":
            break
        else:
            name, start = token.group(), token.start()
            field = message.fields_by_name.get(name)
            token = next(tokens, None)
            if has_colon := token is not None and token.lastgroup == "colon":
                token = next(tokens, None)
            if token is None or (token.lastgroup not in ("open", "list") and not has_colon):
                break
            if field is not None and field.message_type is not None and token.lastgroup in ("open", "list"):
                scopes.append((f"{path}{name}.", field.message_type, token.lastgroup == "list"))
            else:
                end, token = _after_value(token, tokens)
                if end is None:
                    break
                if field is None:
                    if token is not None and token.lastgroup == "separator":
                        end, token = token.end(), next(tokens, None)
                    line, counted = line + text.count("\n", counted, start), start
                    found.append(_UnknownField(f"{path}{name}", line, (start, end)))
                continue
        token = next(tokens, None)
    return found


def _after_value(
    token: re.Match[str] | None, tokens: Iterator[re.Match[str]]
) -> tuple[int | None, re.Match[str] | None]:
    """Where the value that begins with `token` ends, if it does, and the token behind it."""
    closings: list[str] = []
    while token is not None:
        value, token = token, next(tokens, None)
        kind, spelled = value.lastgroup, value.group()
        if kind in ("open", "list"):
            closings.append(_CLOSINGS[spelled])
        elif kind in ("close", "end"):
            if not closings or closings.pop() != spelled:
                return None, token
        elif kind == "other":
            return None, token
        goes_on = spelled == "-" or (kind == "string" and token is not None and token.lastgroup == "string")
        if not closings and not goes_on:
            return value.end(), token
    return None, None


def _blanked(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """The text with blanks in these places; lines and columns stay what they were."""
    pieces, done = [], 0
    for start, end in spans:
        pieces += [text[done:start], re.sub(r"[^\n]", " ", text[start:end])]
        done = end
    return "".join([*pieces, text[done:]])


def _listed(source: str, unknown: Sequence[_UnknownField]) -> str:
    fields = ", ".join(f"{field.path} (line {field.line})" for field in unknown[:_MOST_LISTED])
    more = f" and {len(unknown) - _MOST_LISTED} more" if len(unknown) > _MOST_LISTED else ""
    return f"{source}: unknown fields: {fields}{more}"


def to_text(message: Any) -> str:
    """The message (a network, a layer, a solver) as Caffe text, fields in the order of their numbers."""
    return text_format.MessageToString(message)


def read_prototxt(path: str | os.PathLike[str], *, strict: bool = False) -> NetParameter:
    """Reads a network from Caffe text. FileError or FormatError name the file; `strict` as in `parse_text`.

    Text is UTF-8, with or without a byte order mark; comments may be in any encoding that keeps ASCII.
    """
    source = os.fspath(path)
    return parse_text(_decoded(read_bytes(path), source), NetParameter(), source, strict=strict)


def _decoded(data: bytes, source: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        # One character for each byte: comments in another encoding become blanks, and everything else is as it was.
        text = data.decode("latin-1")
    comments = [token.span() for token in _TEXT_TOKEN.finditer(text) if token.group()[0] == "#"]
    try:
        return _blanked(text, comments).encode("latin-1").decode("utf-8")
    except UnicodeDecodeError as fault:
        raise FormatError(f"{source}: not text: byte {fault.start} is not UTF-8; is it a .caffemodel?") from fault


def write_prototxt(message: Any, path: str | os.PathLike[str]) -> None:
    """Writes a network or a solver as Caffe text, in one step."""
    write_bytes(path, to_text(message).encode())


def from_binary(data: bytes, source: str = "<bytes>") -> NetParameter:
    """Reads a network, weights included, from the bytes of either dialect."""
    net = NetParameter()
    try:
        net.MergeFromString(data)
    except (DecodeError, UnicodeDecodeError) as fault:
        raise FormatError(f"{source}: not a binary NetParameter: {fault}") from fault
    _check_texts(net, source)
    for layer in net.layer:
        # `min` and `max` are required floats; an Interp's sizes are integers and stay behind as unknown fields.
        if layer.HasField("clip_param") and (layer.type == "Interp" or not layer.clip_param.IsInitialized()):
            layer.interp_param.MergeFromString(layer.clip_param.SerializePartialToString())
            layer.ClearField("clip_param")
    return net


def _check_texts(message: Any, path: str) -> None:
    """FormatError where a text is not UTF-8: protobuf gives its bytes when it is asked for it, which fit nowhere."""
    for field, value in message.ListFields():
        if field.name == "blobs" or (field.message_type is None and field.type != _F.TYPE_STRING):
            continue
        for item in value if isinstance(value, MutableSequence) else [value]:
            if field.message_type is not None:
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
                layer.clip_param.MergeFromString(layer.interp_param.SerializeToString())
                layer.ClearField("interp_param")
    try:
        return net.SerializePartialToString()
    except (EncodeError, ValueError) as fault:
        raise FormatError(f"network {net.name!r}: cannot be written as protobuf: {fault}") from fault


def fingerprint(net: NetParameter) -> str:
    """A digest of the network: sha256 over every set field but weights, as names and values.

    Order of fields, spelling of numbers, blanks and comments do not change it; any value does, and so does setting
    a field to its default, because tools downstream of Caffe read files as they are written.
    """
    digest = hashlib.sha256()
    for piece in _canonical(net):
        digest.update(piece.encode())
    return digest.hexdigest()


def _canonical(message: Any) -> Iterator[str]:
    for field, value in message.ListFields():
        if field.name == "blobs":
            continue
        # FieldDescriptor.is_repeated came with protobuf 6.31.
        values = value if isinstance(value, MutableSequence) else [value]
        for item in values:
            yield f"{field.name}="
            if field.message_type is not None:
                yield "{"
                yield from _canonical(item)
                yield "}"
            elif field.type == _F.TYPE_FLOAT:
                yield struct.pack("<f", item).hex()
            elif isinstance(item, bytes):
                yield item.hex()
            else:
                yield repr(item)
            yield ";"
