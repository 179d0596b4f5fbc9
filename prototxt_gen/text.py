"""Caffe text: prototxts read and written, with the fields that caffe.proto does not know told by name."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

from prototxt_gen.errors import FormatError
from prototxt_gen.files import read_bytes, write_bytes
from prototxt_gen.proto import Message, NetParameter, fields_of, merge_text, print_text

_MOST_LISTED = 20

M = TypeVar("M", bound=Message)


class UnknownFieldWarning(UserWarning):
    """A text file has fields that are not in caffe.proto; they were left out."""


def parse_text(text: str, message: M, source: str = "<text>", *, strict: bool = False) -> M:
    """Fills `message` from Caffe text and returns it. FormatError names `source`, the line and what is wrong there.

    Fields that caffe.proto does not know, as forks add them, are left out and named in one UnknownFieldWarning; with
    `strict` they are a FormatError.
    """
    text = text.removeprefix("\ufeff")
    kind = type(message)
    unknown: list[_UnknownField] = []
    try:
        made = merge_text(text, kind())
    except FormatError as fault:
        try:
            if not (unknown := _unknown_fields(text, kind)):
                raise
            made = merge_text(_blanked(text, [field.span for field in unknown]), kind())
        except FormatError as left:
            raise FormatError(f"{source}: {left}") from fault
    if unknown:
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


class _UnknownField(NamedTuple):
    path: str
    line: int
    span: tuple[int, int]


def _unknown_fields(text: str, root: type[Message]) -> list[_UnknownField]:
    """Every field that its message does not have, with its value; stops where the text is no Caffe text at all.

    protobuf can skip unknown fields but neither tell which nor survive all that forks write in them.
    """
    found: list[_UnknownField] = []
    scopes: list[tuple[str, type[Message], bool]] = [("", root, False)]  # path, message, whether a list of messages
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
            field = fields_of(message).get(name)
            token = next(tokens, None)
            if has_colon := token is not None and token.lastgroup == "colon":
                token = next(tokens, None)
            if token is None or (token.lastgroup not in ("open", "list") and not has_colon):
                break
            if field is not None and field.message is not None and token.lastgroup in ("open", "list"):
                scopes.append((f"{path}{name}.", field.message, token.lastgroup == "list"))
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


def to_text(message: Message) -> str:
    """The message (a network, a layer, a solver) as Caffe text, fields in the order of their numbers."""
    return print_text(message)


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


def write_prototxt(message: Message, path: str | os.PathLike[str]) -> None:
    """Writes a network or a solver as Caffe text, in one step."""
    write_bytes(path, to_text(message).encode())
