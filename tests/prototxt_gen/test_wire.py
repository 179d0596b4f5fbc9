"""The wire format: what the library writes is read, what we write the library reads, and nothing runs over an end."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prototxt_gen import wire
from prototxt_gen.errors import FileError, FormatError
from prototxt_gen.proto import SolverState


def walk(data: bytes) -> list[tuple[int, int, int]]:
    reader = wire.Reader(io.BytesIO(data), len(data), "bytes")
    return list(reader.fields(len(data)))


def test_reads_what_the_library_writes() -> None:
    state = SolverState(iter=300, learned_net="a name", current_step=-1)
    data = state.SerializeToString()
    assert walk(data) == [(1, wire.VARINT, 300), (2, wire.BYTES, 6), (4, wire.VARINT, 2**64 - 1)]
    assert wire.signed(2**64 - 1) == -1


@given(st.integers(0, 2**64 - 1))
def test_numbers_go_through_the_wire(number: int) -> None:
    assert walk(b"\x08" + wire.varint(number)) == [(1, wire.VARINT, number)]


@given(st.binary(max_size=300), st.integers(1, 2**29 - 1))
def test_fields_go_through_the_wire(content: bytes, number: int) -> None:
    data = wire.field(number, content)
    reader = wire.Reader(io.BytesIO(data), len(data), "bytes")
    for found in reader.fields(len(data)):
        assert found == (number, wire.BYTES, len(content))
        assert bytes(reader.read(reader.at, len(content))) == content


@pytest.mark.parametrize("count", [1, 2, 9, 1000, 5000])
def test_fields_of_one_number_come_as_a_run(count: int) -> None:
    data = b"".join(b"\x2d" + struct.pack("<f", index) for index in range(count)) + b"\x08\x01"
    assert walk(data) == [(5, wire.FIXED32, count), (1, wire.VARINT, 1)]


def test_groups_are_skipped() -> None:
    inner = b"\x08\x01\x12\x02hi\x1d\0\0\0\0\x21\0\0\0\0\0\0\0\0"
    assert walk(b"\x0b" + inner + b"\x13" + inner + b"\x14\x0c\x28\x07") == [(5, wire.VARINT, 7)]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x08", "ends at byte 1"),
        (b"\x08\x80", "ends at byte 2"),
        (b"\x0a\x05abc", "reaches to byte 7, but the file ends at byte 5"),
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "but the file ends"),
        (b"\x0d\0\0\0", "reaches to byte 5"),
        (b"\x08" + b"\xff" * 10 + b"\x01", "more than 10 bytes"),
        (b"\x00\x01", "field number 0"),
        (b"\x0e", "wire type 6"),
        (b"\x0c", "wire type 4"),
        (b"\x0b\x08\x01", "has no end"),
        (b"\x0b\x14", "not begun"),
        (b"\x0b" * 200, "nested more than 100 deep"),
    ],
)
def test_faults(data: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        walk(data)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_to_the_end_or_refused(data: bytes) -> None:
    try:
        walk(data)
    except FormatError as fault:
        assert str(fault).startswith("bytes: byte ")


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git-lfs"),
        (b"<!DOCTYPE html><html>", "HTML"),
        (b'name: "net"\nlayer { }\n', "prototxt"),
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00", "gzip"),
        (b"\x89HDF\r\n\x1a\n\x00\x00\x00", "HDF5"),
        (b"", "empty file"),
    ],
)
def test_other_files_are_recognized(content: bytes, hint: str, tmp_path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=hint) as caught, wire.reading(path) as reader:
        list(reader.fields(reader.size))
    assert str(path) in str(caught.value)


def test_files_that_cannot_be_opened(tmp_path) -> None:
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(FileError, match=str(path)), wire.reading(path):
            pass


def test_a_file_cut_while_it_is_read(tmp_path) -> None:
    path = tmp_path / "file"
    path.write_bytes(wire.field(1, bytes(100_000)) + b"\x08\x01")
    with pytest.raises(FormatError, match="shorter"), wire.reading(path) as reader:
        path.write_bytes(path.read_bytes()[:50_000])
        list(reader.fields(reader.size))
