"""Tensors of an ONNX file as arrays: of every type, in the file itself or in another one beside it."""

from __future__ import annotations

import os
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prototxt_gen.errors import FileError, FormatError, UnsupportedError
from prototxt_gen.files import reason
from prototxt_gen.layers.layer_types import INT_MAX, MAX_AXES


class _Type(NamedTuple):
    """An element type: its bytes as numpy reads them, and the field that holds its numbers where they are not raw."""

    stored: str
    field: str


# ONNX: onnx.proto, TensorProto. What is missing here (text, complex numbers, floats of 8 bits, integers of 4 or 2) has
# no numbers that Caffe could take.
_TYPES = {
    1: _Type("<f4", "float_data"),
    2: _Type("<u1", "int32_data"),
    3: _Type("<i1", "int32_data"),
    4: _Type("<u2", "int32_data"),
    5: _Type("<i2", "int32_data"),
    6: _Type("<i4", "int32_data"),
    7: _Type("<i8", "int64_data"),
    9: _Type("<u1", "int32_data"),
    10: _Type("<f2", "int32_data"),
    11: _Type("<f8", "double_data"),
    12: _Type("<u4", "uint64_data"),
    13: _Type("<u8", "uint64_data"),
    16: _Type("<u2", "int32_data"),
}
_BOOL, _FLOAT16, _BFLOAT16 = 9, 10, 16
_EXTERNAL = 1
_KINDS = {1: "f", 10: "f", 11: "f", 16: "f", 9: "b", **dict.fromkeys((2, 3, 4, 5, 6, 7, 12, 13), "i")}


def kind_of(data_type: int) -> str | None:
    """Whether a type has real numbers (f), whole ones (i) or truth values (b); None: nothing that Caffe can take."""
    return _KINDS.get(data_type)


def type_name(data_type: int) -> str:
    """The name of an element type, such as "FLOAT16"."""
    from onnx import TensorProto

    names = dict(zip(TensorProto.DataType.values(), TensorProto.DataType.keys(), strict=True))
    return str(names.get(data_type, f"number {data_type}"))


def array_of(tensor: Any, folder: Path | None, where: str) -> NDArray[Any]:
    """The numbers of a TensorProto; `folder` holds its external data, `where` begins every message.

    float16 and bfloat16 become float32, which holds them exactly; other numbers and booleans keep their types. Nothing
    is allocated before the file has shown that it holds that much. FormatError for contents that do not fit the shape;
    FileError for external data that is missing, short, or not in the folder; UnsupportedError for other types.
    """
    shape = tuple(tensor.dims)
    if len(shape) > MAX_AXES:
        raise FormatError(f"{where}: found {len(shape)} axes, expected at most {MAX_AXES}")
    if any(size < 0 for size in shape):
        raise FormatError(f"{where}: found shape {shape}, expected no negative size")
    numbers = prod(shape)
    if numbers > INT_MAX:
        raise FormatError(f"{where}: found shape {shape}, expected at most {INT_MAX} numbers")
    if tensor.data_type not in _TYPES:
        raise UnsupportedError(f"type {type_name(tensor.data_type)}, which no blob of Caffe can hold")
    kind = _TYPES[tensor.data_type]
    stored = np.dtype(kind.stored)
    if tensor.data_location == _EXTERNAL:
        flat = _external(tensor, stored, numbers, folder, where)
    elif tensor.HasField("raw_data"):
        if len(tensor.raw_data) != numbers * stored.itemsize:
            raise FormatError(
                f"{where}: found {len(tensor.raw_data)} bytes, expected {numbers * stored.itemsize} for shape {shape}"
            )
        flat = np.frombuffer(tensor.raw_data, stored)
    else:
        listed = getattr(tensor, kind.field)
        if len(listed) != numbers:
            raise FormatError(f"{where}: found {len(listed)} numbers, expected {numbers} for shape {shape}")
        flat = _from_list(listed, tensor.data_type, stored)
    return _plain(flat, tensor.data_type).reshape(shape)


def _from_list(listed: Any, data_type: int, stored: np.dtype[Any]) -> NDArray[Any]:
    if data_type in (_FLOAT16, _BFLOAT16):  # ONNX: the bits of a half stand in an int32
        return np.asarray(listed, np.int64).astype(np.uint16).view(stored)
    return np.asarray(listed).astype(stored)


def _plain(flat: NDArray[Any], data_type: int) -> NDArray[Any]:
    """The numbers in the machine's own types: float32, integers, bool."""
    if data_type == _BOOL:
        return flat != 0
    if data_type == _BFLOAT16:
        return (flat.astype(np.uint32) << 16).view(np.float32)
    if data_type == _FLOAT16:
        return flat.astype(np.float32)
    return flat.astype(flat.dtype.newbyteorder("="), copy=False)


def single(array: NDArray[Any]) -> NDArray[np.float32]:
    """Numbers of any type as Caffe's blobs hold them: doubles are rounded to the nearest float32.

    UnsupportedError for whole numbers that float32 cannot hold, such as 2^24 + 1, and for doubles beyond its range.
    """
    with np.errstate(over="ignore"):
        made = np.array(array, np.float32, order="C")
    kind = array.dtype.kind
    if kind in "iu" and not _is_same(made, array):
        raise UnsupportedError("a constant holds whole numbers that float32 cannot: Caffe's blobs are float32")
    if kind == "f" and array.dtype.itemsize > 4 and not np.array_equal(np.isinf(made), np.isinf(array)):
        raise UnsupportedError("a constant holds numbers beyond float32: Caffe's blobs are float32")
    return made


def _is_same(made: NDArray[np.float32], array: NDArray[Any]) -> bool:
    """Whether whole numbers are the same as float32."""
    large = (array > 2**24) if array.dtype.kind == "u" else (array > 2**24) | (array < -(2**24))
    return all(int(one) == int(other) for one, other in zip(made[large], array[large], strict=True))


def _external(tensor: Any, stored: np.dtype[Any], numbers: int, folder: Path | None, where: str) -> NDArray[Any]:
    """Numbers from a file beside the model (ONNX: ExternalData.md)."""
    # Bytes that are no UTF-8 come as bytes; as text they name no file and no number.
    entries = {str(entry.key): str(entry.value) for entry in tensor.external_data}
    location = entries.get("location", "")
    if folder is None:
        raise FileError(f"{where}: its data are in the file {location!r}, but a model in memory has no folder")
    path = _inside(folder, location, where)
    bounds = {}
    for key in ("offset", "length"):
        text = entries.get(key, "")
        if text and not (text.isascii() and text.isdecimal() and len(text) < 20):
            raise FormatError(f"{where}: external data: {key}: found {text!r}, expected a number of bytes")
        bounds[key] = int(text) if text else None
    offset, wanted = bounds["offset"] or 0, numbers * stored.itemsize
    if bounds["length"] not in (None, wanted):
        raise FormatError(
            f"{where}: external data: length: found {bounds['length']}, expected {wanted} "
            f"for shape {tuple(tensor.dims)}"
        )
    try:
        size = path.stat().st_size
        if offset + wanted > size:
            raise FileError(
                f"{where}: external data {path}: found {size} bytes, expected {offset + wanted}: the file is cut short"
            )
        return np.fromfile(path, stored, numbers, offset=offset)
    except FileError:
        raise
    except OSError as fault:
        raise FileError(f"{where}: external data {path}: cannot be read: {reason(fault)}") from fault


def _inside(folder: Path, location: str, where: str) -> Path:
    """The file at `location` in the folder; FileError where it leads out of it or is none."""
    outside = f"{where}: external data: found location {location!r}, expected a file inside {folder}"
    if not location or "\0" in location or Path(location).is_absolute():
        raise FileError(outside)
    home, path = os.path.realpath(folder), os.path.realpath(folder / location)
    if os.path.commonpath([home, path]) != home:
        raise FileError(outside)
    if not Path(path).is_file():
        raise FileError(f"{where}: external data {path}: no such file")
    return Path(path)
