"""Caffe text: prototxts read and written; a warning names the fields that caffe.proto does not know."""

from __future__ import annotations

import os
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from prototxt_gen.errors import FormatError
from prototxt_gen.files import read_bytes, write_bytes
from prototxt_gen.proto import (
    Field,
    LayerParameter,
    M,
    Message,
    NetParameter,
    SolverParameter,
    V0LayerParameter,
    V1LayerParameter,
    fields_of,
    merge_text,
    print_text,
    set_fields,
)

_MOST_LISTED = 20


class UnknownFieldWarning(UserWarning):
    """A text file has fields that are not in caffe.proto; they were left out."""


def parse_text(text: str, message: M, source: str = "<text>", *, strict: bool = False) -> M:
    """Fills `message` from Caffe text and returns it. FormatError names `source`, the line and what is wrong there.

    Fields that caffe.proto does not know, as forks add them, are left out and named in one UnknownFieldWarning; with
    `strict` they are a FormatError. It is always an error when the message has none of the fields at the top of the
    text, as when a solver is read as a network, or when a layer of the old format has a field that only the current
    format knows.
    """
    text = text.removeprefix("\ufeff")
    kind = type(message)
    unknown: list[_Entry] = []
    try:
        made = merge_text(text, kind())
    except FormatError as fault:
        entries = list(_entries(text, kind))
        unknown = [entry for entry in entries if entry.field is None]
        respelled = _respelled(text, entries)
        if respelled == text:
            raise FormatError(f"{source}: {fault}") from fault
        try:
            made = merge_text(respelled, kind())
        except FormatError as left:
            raise FormatError(f"{source}: {left}") from left
    if unknown:
        _check_kind(source, made, unknown)
        fields = _listed(source, unknown)
        if strict:
            raise FormatError(fields)
        warnings.warn(fields, UnknownFieldWarning, stacklevel=3)
    message.MergeFrom(made)
    return message


_TEXT_TOKEN = re.compile(
    r"""(?P<skip>\s+|\#[^\n]*)|(?P<separator>[,;])|(?P<open>[{<])|(?P<close>[}>])|(?P<list>\[)|(?P<end>\])|(?P<colon>:)
    |(?P<string>"[^"\\\n]*(?:\\.[^"\\\n]*)*"|'[^'\\\n]*(?:\\.[^'\\\n]*)*')|(?P<scalar>[-+.\w]+)|(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)


_CLOSINGS = {"{": "}", "<": ">", "[": "]"}


class _Entry(NamedTuple):
    """A field with its value, as it stands in the text."""

    path: str  # of the messages around it, each with a dot behind it
    name: str
    message: type[Message]
    field: Field | None  # None where the message has no field of this name
    line: int
    span: tuple[int, int]  # from the name up to the end of the value and of the separator behind it
    value: tuple[int, int]
    item: int  # which of the outermost messages of its name it is in, from 0; -1 outside of all


def _entries(text: str, root: type[Message]) -> Iterator[_Entry]:
    """Every field that is not a message, and every field that its message does not have.

    The walk stops where the text is not Caffe text. protobuf itself can skip unknown fields, but it does not say which,
    and it stops at some of what forks write in them.
    """
    scopes: list[tuple[str, type[Message], bool]] = [("", root, False)]  # path, message, whether a list of messages
    tokens = (token for token in _TEXT_TOKEN.finditer(text) if token.lastgroup != "skip")
    line, counted = 1, 0
    items: Counter[str] = Counter()
    token = next(tokens, None)
    while token is not None:
        path, message, is_list = scopes[-1]
        kind = token.lastgroup
        if kind == "separator":
            pass
        elif kind == ("end" if is_list else "close") and len(scopes) > 1:
            scopes.pop()
        elif is_list and kind == "open":
            items[path] += len(scopes) == 2
            scopes.append((path, message, False))
        elif is_list or kind != "scalar":
            break
        else:
            name, start = token.group(), token.start()
            field = fields_of(message).get(name)
            token = next(tokens, None)
            if has_colon := token is not None and token.lastgroup == "colon":
                token = next(tokens, None)
            if token is None or (token.lastgroup not in ("open", "list") and not has_colon):
                break
            if field is not None and field.message is not None and token.lastgroup in ("open", "list"):
                items[f"{path}{name}."] += len(scopes) == 1 and token.lastgroup == "open"
                scopes.append((f"{path}{name}.", field.message, token.lastgroup == "list"))
            else:
                first = token.start()
                last, token = _after_value(token, tokens)
                if last is None:
                    break
                end = last
                if token is not None and token.lastgroup == "separator":
                    end, token = token.end(), next(tokens, None)
                line, counted = line + text.count("\n", counted, start), start
                item = items[f"{path.partition('.')[0]}."] - 1
                yield _Entry(path, name, message, field, line, (start, end), (first, last), item)
                continue
        token = next(tokens, None)


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


# A comment, left as it is, or a minus with what Caffe takes between it and its number.
_MINUS = re.compile(r"(\#[^\n]*)|-((?:\s|\#[^\n]*\n)+)(?=[.\w])")
_FLOAT = re.compile(r"(?<=[\d.])F(?![\w.])")
_BOOL = re.compile(r"(?<![\w.])0[xX]?0*([01])(?![\w.])")


def _respelled(text: str, entries: Iterable[_Entry]) -> str:
    """The text without its unknown fields, and with numbers as Python's protobuf reads them.

    In C++ (protobuf: text_format.cc) a minus is a word of its own, which blanks and comments may follow, a float may
    end in F, where older releases for Python know f alone, and a bool may be any integer that is 0 or 1. Every line
    stays where it was.
    """
    pieces, done = [], 0
    for entry in entries:
        if entry.field is None:
            (start, end), new = entry.span, _blank(text[slice(*entry.span)])
        elif entry.field.kind in ("string", "bytes"):
            continue
        else:
            (start, end), new = entry.value, text[slice(*entry.value)]
            new = _MINUS.sub(lambda found: found[1] or f"{found[2]}-", new)
            if entry.field.kind in ("float", "double"):
                new = _FLOAT.sub("f", new)
            elif entry.field.kind == "bool":
                new = _BOOL.sub(lambda found: found[1].rjust(len(found[0])), new)
        pieces += [text[done:start], new]
        done = end
    return "".join([*pieces, text[done:]])


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


_KINDS = {NetParameter: "a network", SolverParameter: "a solver"}


def _check_kind(source: str, made: Message, unknown: Sequence[_Entry]) -> None:
    """FormatError where unknown fields show that the text is of another kind, or mixes the two formats of layers.

    Caffe refuses every unknown field. These are not the additions of a fork, so leaving them out would be wrong.
    """
    for entry in unknown:
        if entry.message in (V0LayerParameter, V1LayerParameter) and entry.name in fields_of(LayerParameter):
            raise FormatError(
                f"{source}: {entry.path}{entry.name} (line {entry.line}): found a field of `layer`, the current format,"
                " expected one that `layers`, the old format, has"
            )
    strange = [entry for entry in unknown if not entry.path]
    known = {field.name for field, _ in set_fields(made)}
    wanted = _KINDS.get(type(made), f"a {type(made).__name__}")
    for other, name in _KINDS.items():
        of_other = [entry for entry in strange if entry.name in fields_of(other)]
        if of_other and known <= fields_of(other).keys():
            first = of_other[0]
            raise FormatError(f"{source}: found {name} ({first.name} in line {first.line}), expected {wanted}")
    if strange and not known:
        raise FormatError(f"{source}: found {_names(strange)}, expected the fields of {wanted}")


def _listed(source: str, unknown: Sequence[_Entry]) -> str:
    return f"{source}: unknown fields: {_names(unknown)}"


def _names(entries: Sequence[_Entry]) -> str:
    fields = ", ".join(f"{entry.path}{entry.name} (line {entry.line})" for entry in entries[:_MOST_LISTED])
    return fields + (f" and {len(entries) - _MOST_LISTED} more" if len(entries) > _MOST_LISTED else "")


def to_text(message: Message) -> str:
    """The message (a network, a layer, a solver) as Caffe text, fields in the order of their numbers."""
    return print_text(message)


def read_prototxt(path: str | os.PathLike[str], *, strict: bool = False) -> NetParameter:
    """Reads a network from Caffe text. FileError or FormatError name the file; `strict` as in `parse_text`.

    A solver, and any other text without a field of a network, is a FormatError; an empty file is an empty network, as
    for Caffe. Text is UTF-8, with or without a byte order mark; comments may be in any encoding that keeps ASCII.
    """
    return parse_text(_read_text(path), NetParameter(), os.fspath(path), strict=strict)


def unknown_fields(path: str | os.PathLike[str]) -> dict[str, tuple[str, ...]]:
    """The fields of a network's text that caffe.proto does not know and `read_prototxt` leaves out, by layer.

    They are paths within the layer, as in "pooling_param.ceil_mode"; those outside of layers stand under "". Errors are
    those of `read_prototxt`, which has to have read the file before: its warning is not repeated.
    """
    text = _read_text(path).removeprefix("\ufeff")
    entries = [entry for entry in _entries(text, NetParameter) if entry.field is None]
    if not entries:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnknownFieldWarning)
        net = parse_text(text, NetParameter(), os.fspath(path))
    found: dict[str, dict[str, None]] = {}
    for entry in entries:
        outer, _, inner = entry.path.partition(".")
        if outer == "layer":
            name = net.layer[entry.item].name
        elif outer == "layers":
            old = net.layers[entry.item]
            name = old.layer.name if old.HasField("layer") else old.name
            inner = inner.removeprefix("layer.")
        else:
            name, inner = "", entry.path
        found.setdefault(name, {})[f"{inner}{entry.name}"] = None
    return {name: tuple(fields) for name, fields in found.items()}


def read_solver(path: str | os.PathLike[str], *, strict: bool = False) -> SolverParameter:
    """Reads a solver from Caffe text as it stands there (see `upgrade_solver`), otherwise like `read_prototxt`."""
    return parse_text(_read_text(path), SolverParameter(), os.fspath(path), strict=strict)


def _read_text(path: str | os.PathLike[str]) -> str:
    source, data = os.fspath(path), read_bytes(path)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        # One character for each byte: comments in another encoding become blanks, and everything else is as it was.
        text = data.decode("latin-1")
    words = (token.group() for token in _TEXT_TOKEN.finditer(text))
    try:
        return "".join(_blank(word) if word[0] == "#" else word for word in words).encode("latin-1").decode("utf-8")
    except UnicodeDecodeError as fault:
        raise FormatError(f"{source}: not text: byte {fault.start} is not UTF-8; is it a .caffemodel?") from fault


def write_prototxt(message: Message, path: str | os.PathLike[str]) -> None:
    """Writes a network or a solver as Caffe text, in one step."""
    write_bytes(path, to_text(message).encode())
