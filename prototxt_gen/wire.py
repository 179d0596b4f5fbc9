"""Protobuf's wire format read from a file in place, and written, without the protobuf library.

The library needs the whole file in memory, copies every number once more and stops at 2 GB. A `Reader` walks over the
fields of a file of any size and reads only what it is asked for. Rules of the format: protobuf.dev, "Encoding".
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from prototxt_gen.errors import FileError, FormatError
from prototxt_gen.files import reason

VARINT, FIXED64, BYTES, GROUP, GROUP_END, FIXED32 = range(6)
KINDS = ("a number", "8 bytes", "bytes", "a group", "the end of a group", "4 bytes")

_WINDOW = 8192
_LONGEST_VARINT = 10
_DEEPEST = 100
# The first bytes of files that are often mistaken for a protobuf message.
_SIGNS = (
    (b"version https://git-lfs", "a pointer of git-lfs: fetch the file itself with `git lfs pull`"),
    (b"\x89HDF", "an HDF5 file: name it .caffemodel.h5"),
    (b"\x1f\x8b", "a gzip file: unpack it first"),
    (b"\xfd7zXZ", "an xz file: unpack it first"),
    (b"PK\x03\x04", "a zip archive (or weights of PyTorch): unpack or convert it first"),
    (b"\x93NUMPY", "a .npy file"),
    (b"<", "a page of HTML or XML: the download went wrong"),
)


class Reader:
    """The fields of one message, or of messages within messages, straight from a seekable file.

    `at` is the offset of the next byte to read. Small things come from a window of a few kilobytes; large ones are
    read by `read_into` where the caller wants them. Lengths are checked against the end of the message around them
    before anything is allocated.
    """

    def __init__(self, file: BinaryIO, size: int, source: str) -> None:
        """`file` is unbuffered and `size` bytes long; `source` names it in errors."""
        self.size = size
        self.source = source
        self.at = 0
        self._file = file
        self._window = b""
        self._base = 0

    def fault(self, at: int, text: str) -> FormatError:
        """The error that says what is wrong at the offset `at`."""
        return FormatError(f"{self.source}: byte {at}: {text}")

    def fields(self, end: int) -> Iterator[tuple[int, int, int]]:
        """The fields from `at` to `end`: (field number, wire type, value), with `at` on the field's content.

        The value is the number for VARINT and the length in bytes for BYTES. For FIXED32 and FIXED64 it is how many
        fields of this number follow one another, each with its tag of one byte: lists of numbers that are not packed
        come as one run, 5 or 9 bytes from one to the next. Content that the caller leaves is skipped, and groups
        always are. FormatError on anything that runs over `end`.
        """
        position = self.at
        while position < end:
            window, begin = self._around(position)
            tag = window[begin]
            stop = begin + 1
            if tag >= 0x80:
                tag, stop = self._varint(window, begin, position, end)
            number, wire = tag >> 3, tag & 7
            if not 0 < number < 1 << 29:
                raise self.fault(position, f"found a field number {number}, expected 1 to {(1 << 29) - 1}")
            value = 0
            if wire in (VARINT, BYTES):
                if position + stop - begin >= end:
                    raise self._cut(position, end)
                value = window[stop]
                stop += 1
                if value >= 0x80:
                    value, stop = self._varint(window, stop - 1, position + stop - 1 - begin, end)
            content = position + stop - begin
            after = content
            if wire == BYTES:
                after += value
            elif wire in (FIXED32, FIXED64):
                width = 4 if wire == FIXED32 else 8
                after += width
                value = 1
                following = stop + width  # looking at the next tag, where the window has it, avoids most runs of one
                if stop == begin + 1 and after < end and window[following : following + 1] in (bytes([tag]), b""):
                    value = self._run(tag, width + 1, position, end)
                    after += (value - 1) * (width + 1)
            elif wire == GROUP:
                self.at = content
                after = self._skip_group(number, end)
            elif wire != VARINT:
                raise self.fault(position, f"found wire type {wire} (field {number}), expected 0, 1, 2, 3 or 5")
            if after > end:
                raise self._cut(position, end, after)
            if wire != GROUP:
                self.at = content
                yield number, wire, value
            position = after
        self.at = position

    def varints(self, end: int) -> Iterator[int]:
        """The numbers packed from `at` to `end`."""
        position = self.at
        while position < end:
            window, begin = self._around(position)
            value, stop = self._varint(window, begin, position, end)
            position += stop - begin
            yield value

    def text(self, length: int) -> str:
        """The `length` bytes at `at` as text. Bytes that are not UTF-8 become escapes, so that it can be printed."""
        return bytes(self.read(self.at, length)).decode("utf-8", "backslashreplace")

    def read(self, offset: int, length: int) -> memoryview:
        """The bytes from `offset` on, for small things and for blocks."""
        if length > _WINDOW // 2:
            data = memoryview(bytearray(length))
            self.read_into(offset, data)
            return data
        begin = offset - self._base
        if begin < 0 or begin + length > len(self._window):
            self._move(offset, length)
            begin = 0
        return memoryview(self._window)[begin : begin + length]

    def read_into(self, offset: int, target: memoryview) -> None:
        """Fills `target`, a view of bytes, with what stands from `offset` on."""
        length = len(target)
        if length <= _WINDOW // 2:
            target[:] = self.read(offset, length)
            return
        self._file.seek(offset)
        done = 0
        while done < length:  # one call gives 2 GB at most
            count = self._file.readinto(target[done:])  # type: ignore[attr-defined]
            if not count:
                raise self.fault(offset + done, "the file became shorter while it was read")
            done += count

    def _move(self, position: int, needed: int) -> None:
        """Begins the window at `position`."""
        self._file.seek(position)
        self._window = self._file.read(_WINDOW)
        self._base = position
        if len(self._window) < needed:
            raise self.fault(position + len(self._window), "the file became shorter while it was read")

    def _around(self, position: int) -> tuple[bytes, int]:
        """A window in which at least one whole field head follows `position`, if the file has as much."""
        begin = position - self._base
        needed = min(2 * _LONGEST_VARINT, self.size - position)
        if begin < 0 or begin + needed > len(self._window):
            self._move(position, needed)
            begin = 0
        return self._window, begin

    def _varint(self, window: bytes, begin: int, position: int, end: int) -> tuple[int, int]:
        """The number at `begin` in the window (`position` in the file), and where in the window it ends."""
        value = 0
        for index in range(begin, min(begin + _LONGEST_VARINT, begin + end - position, len(window))):
            byte = window[index]
            value |= (byte & 0x7F) << 7 * (index - begin)
            if byte < 0x80:
                return value & 0xFFFF_FFFF_FFFF_FFFF, index + 1
        if end - position < _LONGEST_VARINT:
            raise self._cut(position, end)
        raise self.fault(position, f"found a number of more than {_LONGEST_VARINT} bytes")

    def _run(self, tag: int, stride: int, start: int, end: int) -> int:
        """How many fields with the one-byte `tag` stand one after the other, `stride` bytes each, from `start`."""
        count, block = 1, 1
        while (wanted := min(block, (end - start) // stride - count)) > 0:
            raw = np.frombuffer(self.read(start + count * stride, wanted * stride), np.uint8)
            others = np.flatnonzero(raw[::stride] != tag)
            if others.size:
                return count + int(others[0])
            count += wanted
            # Growing blocks keep a file of many short runs as cheap as one of a single long run.
            block = min(block * 8, 1 << 18)
        return count

    def _skip_group(self, number: int, end: int) -> int:
        """Where the group of field `number` ends, whose content begins at `at`."""
        start = self.at
        open_groups = [number]
        position = start
        while position < end:
            window, begin = self._around(position)
            tag, stop = self._varint(window, begin, position, end)
            number, wire = tag >> 3, tag & 7
            content = position + stop - begin
            if wire == GROUP:
                open_groups.append(number)
                if len(open_groups) > _DEEPEST:
                    raise self.fault(position, f"found groups nested more than {_DEEPEST} deep")
            elif wire == GROUP_END:
                if open_groups.pop() != number:
                    raise self.fault(position, f"found the end of a group {number} that was not begun")
                if not open_groups:
                    return content
            elif wire in (VARINT, BYTES):
                if content >= end:
                    raise self._cut(position, end)
                window, begin = self._around(content)
                value, stop = self._varint(window, begin, content, end)
                content += stop - begin + (value if wire == BYTES else 0)
            elif wire in (FIXED32, FIXED64):
                content += 4 if wire == FIXED32 else 8
            else:
                raise self.fault(position, f"found wire type {wire} (field {number}), expected 0 to 5")
            position = content
        raise self.fault(start, f"the group of field {open_groups[0]} has no end")

    def _cut(self, position: int, end: int, needed: int | None = None) -> FormatError:
        what = "the file" if end == self.size else "the message around it"
        need = f"reaches to byte {needed}" if needed is not None else "goes on"
        return self.fault(position, f"a field {need}, but {what} ends at byte {end}: a damaged or incomplete file?")


class Span(NamedTuple):
    """A field in its file: from its tag at `start`, with its content from `content` to `end`."""

    number: int
    kind: int
    start: int
    content: int
    end: int


def spans(reader: Reader, end: int) -> Iterator[Span]:
    """The fields from the reader's place to `end`. A group, which Caffe never uses, counts to the next field."""
    start = reader.at
    for number, kind, value in reader.fields(end):
        content = after = reader.at
        if kind == BYTES:
            after += value
        elif kind in (FIXED32, FIXED64):
            width = 4 if kind == FIXED32 else 8
            after += width + (value - 1) * (width + 1)
        yield Span(number, kind, start, content, after)
        start = after


@contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[Reader]:
    """Opens the file as a Reader. FileError when it cannot be read, FormatError when it has no bytes.

    A FormatError from within the block also says what the file looks like, where that is known.
    """
    source = os.fspath(path)
    try:
        with Path(path).open("rb", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            if size == 0:
                raise FormatError(f"{source}: found an empty file, expected a protobuf message")
            try:
                yield Reader(file, size, source)
            except FormatError as fault:
                file.seek(0)
                raise FormatError(f"{fault}{_looks_like(file.read(512))}") from fault
    except OSError as fault:
        if isinstance(fault, FileError):
            raise
        raise FileError(f"{source}: cannot be read: {reason(fault)}") from fault


def _looks_like(head: bytes) -> str:
    for sign, meaning in _SIGNS:
        if head.lstrip().startswith(sign):
            return f"; this looks like {meaning}"
    if head.isascii() and all(byte >= 0x20 or byte in b"\t\n\r\f" for byte in head):
        return "; this looks like text: is it a prototxt?"
    return ""


def signed(value: int) -> int:
    """The number that a VARINT of type int32 or int64 stands for."""
    return value - (1 << 64) if value >> 63 else value


def varint(value: int) -> bytes:
    """A number from 0 to 2^64 - 1 as the wire holds it."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def head(number: int, length: int) -> bytes:
    """What stands before the content, `length` bytes long, of the field `number`: a message, a text, packed numbers."""
    return varint(number << 3 | BYTES) + varint(length)


def field(number: int, content: bytes) -> bytes:
    """A whole field: a message, a text or packed numbers."""
    return head(number, len(content)) + content


def number(number: int, value: int) -> bytes:
    """A whole field that is a number from 0 to 2^64 - 1."""
    return varint(number << 3 | VARINT) + varint(value)
