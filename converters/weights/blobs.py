"""One BlobProto, Caffe's array of numbers, read from and written to the wire without copies."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prototxt_gen import wire
from prototxt_gen.errors import WeightsError
from prototxt_gen.wire import BYTES, FIXED32, FIXED64, KINDS, VARINT, Reader

Array = NDArray[np.float32]

# BlobProto's fields.
_DATA, _SHAPE, _DOUBLE_DATA = 5, 7, 8
# Not Caffe's: where NVIDIA's fork keeps numbers of other types.
_RAW_DATA = 12

# Caffe: blob.hpp, kMaxBlobAxes; blob.cpp, Reshape counts in an int.
MOST_AXES = 32
MOST_VALUES = 2**31 - 1

_FLOAT = np.dtype("<f4")
_DOUBLE = np.dtype("<f8")
_BLOCK = 1 << 17


class _Span(NamedTuple):
    """A run of a blob's numbers in the file: `size` of them, from `offset` on, one every `stride` bytes."""

    offset: int
    size: int
    stride: int
    dtype: np.dtype


def read_blob(reader: Reader, end: int, owner: str) -> Array:
    """The BlobProto from the reader's place to `end` as a new float32 array in the shape that the file states.

    Sizes in num, channels, height and width go before `shape`, double_data before data (Caffe: Blob::FromProto).
    Numbers may be packed, in several pieces, or one field each. Nothing is allocated before the shape and the number
    of values agree. A FormatError begins with `owner`, which says whose blob it is.
    """
    start = reader.at
    legacy: dict[int, int] = {}
    shape: list[int] = []
    spans: dict[int, list[_Span]] = {_DATA: [], _DOUBLE_DATA: []}
    raw = False
    for number, kind, value in reader.fields(end):
        if number in spans:
            spans[number].append(_span(reader, number, kind, value, owner))
        elif number == _SHAPE:
            expect(reader, kind, BYTES, f"{owner}: shape")
            shape += _dims(reader, reader.at + value, MOST_AXES - len(shape), owner)
        elif number <= 4:
            expect(reader, kind, VARINT, f"{owner}: num, channels, height or width")
            legacy[number] = wire.signed(value)
        raw = raw or number == _RAW_DATA
    sizes = tuple(legacy.get(number, 0) for number in (1, 2, 3, 4)) if legacy else tuple(shape)
    used = spans[_DOUBLE_DATA] if any(span.size for span in spans[_DOUBLE_DATA]) else spans[_DATA]
    found = sum(span.size for span in used)
    if any(size < 0 for size in sizes) or math.prod(size or 1 for size in sizes) > MOST_VALUES:
        raise reader.fault(start, f"{owner}: found shape {sizes}, expected sizes of 0 or more and < 2^31 values")
    if found != math.prod(sizes):
        hint = "; its numbers are in raw_data, a field of NVIDIA's fork that is not read" if raw else ""
        text = f"{owner}: found {found} values, expected {math.prod(sizes)} for shape {sizes}{hint}"
        raise reader.fault(start, text)
    return _gather(reader, used, found).reshape(sizes)


def _span(reader: Reader, number: int, kind: int, value: int, owner: str) -> _Span:
    dtype, unpacked = (_FLOAT, FIXED32) if number == _DATA else (_DOUBLE, FIXED64)
    width = dtype.itemsize
    if kind == unpacked:
        return _Span(reader.at, value, width + 1, dtype)
    expect(reader, kind, BYTES, f"{owner}: data")
    if value % width:
        raise reader.fault(reader.at, f"{owner}: data: found {value} bytes, expected a multiple of {width}")
    return _Span(reader.at, value // width, width, dtype)


def _dims(reader: Reader, end: int, most: int, owner: str) -> list[int]:
    """The sizes in a BlobShape."""
    dims: list[int] = []
    for number, kind, value in reader.fields(end):
        if number != 1:
            continue
        if kind == VARINT:
            dims.append(wire.signed(value))
        else:
            expect(reader, kind, BYTES, f"{owner}: shape.dim")
            dims += map(wire.signed, islice(reader.varints(reader.at + value), MOST_AXES + 1))
        if len(dims) > most:
            raise reader.fault(reader.at, f"{owner}: found more than {MOST_AXES} axes, Caffe's most")
    return dims


def _gather(reader: Reader, spans: Sequence[_Span], total: int) -> Array:
    values = np.empty(total, _FLOAT)
    raw = values.view(np.uint8).data
    done = 0
    for offset, count, stride, dtype in spans:
        if dtype is _FLOAT and stride == _FLOAT.itemsize:
            reader.read_into(offset, raw[done * 4 : (done + count) * 4])
        else:
            for begin in range(0, count, _BLOCK):
                many = min(_BLOCK, count - begin)
                block = reader.read(offset + begin * stride, (many - 1) * stride + dtype.itemsize)
                numbers: np.ndarray = np.ndarray(many, dtype, block, strides=(stride,))
                with np.errstate(over="ignore"):  # as a C++ cast does: numbers too large for float32 become infinite
                    values[done + begin : done + begin + many] = numbers
        done += count
    return values


def expect(reader: Reader, found: int, expected: int, what: str) -> None:
    """FormatError unless the field `what` has the wire type it should have."""
    if found != expected:
        raise reader.fault(reader.at, f"{what}: found {KINDS[found]}, expected {KINDS[expected]}")


def as_blob(values: ArrayLike, owner: str) -> Array:
    """The numbers as a contiguous float32 array; one that is so already is not copied.

    WeightsError for anything but an array of real numbers, for shapes that Caffe does not allow, and for numbers too
    large for float32. Infinite numbers and NaN stay.
    """
    try:
        array = np.asarray(values)
    except (TypeError, ValueError) as fault:
        raise WeightsError(f"{owner}: found no array ({fault}), expected real numbers") from fault
    if array.dtype.kind not in "fiu":
        raise WeightsError(f"{owner}: found {array.dtype} values, expected real numbers")
    if array.ndim > MOST_AXES or array.size > MOST_VALUES:
        raise WeightsError(f"{owner}: found shape {array.shape}, expected at most {MOST_AXES} axes and < 2^31 values")
    if array.dtype == _FLOAT:
        return np.require(array, _FLOAT, "C").reshape(array.shape)
    with np.errstate(over="ignore"):
        made = array.astype(_FLOAT, order="C")
    if array.dtype.itemsize > 2 and not np.array_equal(np.isfinite(array), np.isfinite(made)):
        raise WeightsError(f"{owner}: found values up to {np.abs(array).max()}, expected numbers that fit into float32")
    return made


def blob_length(shape: Sequence[int]) -> int:
    """How many bytes `blob_pieces` gives for an array of this shape."""
    return sum(map(len, _around(shape))) + 4 * math.prod(shape)


def blob_pieces(array: Array) -> Iterator[bytes | memoryview]:
    """The bytes of the BlobProto: packed data, then shape, as Caffe writes them (Blob::ToProto).

    Four sizes of which the first is 1 may be an old file's way to write fewer. They are written as num, channels,
    height and width, where Caffe takes both meanings; in `shape` it would refuse the old one.
    """
    before, after = _around(array.shape)
    yield before
    yield array.reshape(-1).view(np.uint8).data
    yield after


def _around(shape: Sequence[int]) -> tuple[bytes, bytes]:
    data = wire.head(_DATA, 4 * math.prod(shape)) if math.prod(shape) else b""
    if len(shape) == 4 and shape[0] == 1:
        return b"".join(wire.number(field, size) for field, size in enumerate(shape, 1)) + data, b""
    dims = b"".join(map(wire.varint, shape))
    return data, wire.field(_SHAPE, wire.field(1, dims)) if dims else b""


def fit(array: Array, shape: Sequence[int]) -> Array | None:
    """The array in the network's `shape` where Caffe would take it for a blob of that shape, else None.

    Old files give every blob four sizes, filled up with ones in front: a bias (1, 1, 1, N), an inner product
    (1, 1, M, N). Such an array fits the shape without these ones (Caffe: Blob::ShapeEquals).
    """
    wanted = tuple(shape)
    if array.shape == wanted:
        return array
    if array.ndim == 4 and len(wanted) < 4 and array.shape == (1,) * (4 - len(wanted)) + wanted:
        return array.reshape(wanted)
    return None
