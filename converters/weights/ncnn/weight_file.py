"""ncnn's weight file: arrays one after another, some with a mark in front that says how their numbers are stored."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from converters.weights.blobs import Array
from converters.weights.ncnn.param_file import NcnnLayer
from prototxt_gen.errors import FileError, FormatError
from prototxt_gen.files import reason

_FLOAT32, _FLOAT16 = 0, 0x01306B47
_INT8, _FLOAT32_WITH_SCALES = 0x000D4B38, 0x0002C056
_TABLE = 256


@dataclass
class WeightFile:
    """The file, read from where the last array ended; `refused` collects arrays that are quantized."""

    source: str
    file: BinaryIO
    size: int
    refused: list[str]

    def marked(self, layer: NcnnLayer, what: str, count: int) -> Array:
        """`count` numbers behind a mark: float32, or float16 made float32. Others go to `refused`, as zeros.

        ncnn: modelbin.cpp, load with type 0.
        """
        mark = int(np.frombuffer(self._bytes(layer, f"{what}: mark", 4), "<u4")[0])
        if mark == _FLOAT32:
            return self.plain(layer, what, count)
        if mark == _FLOAT16:
            data = self._bytes(layer, what, _aligned(2 * count))
            return np.frombuffer(data, "<f2", count).astype(np.float32)
        kind, length = {
            _INT8: ("int8 numbers", _aligned(count)),
            _FLOAT32_WITH_SCALES: ("float32 numbers to be used as int8", 4 * count),
        }.get(mark, ("numbers that are places in a table", 4 * _TABLE + _aligned(count)))
        self.refused.append(f"{layer}: {what}: {kind} (mark {mark:#010x})")
        self._skip(layer, what, length)
        return np.zeros(count, np.float32)

    def plain(self, layer: NcnnLayer, what: str, count: int) -> Array:
        """`count` float32 numbers without a mark (ncnn: modelbin.cpp, load with type 1)."""
        return np.frombuffer(self._bytes(layer, what, 4 * count), "<f4").astype(np.float32)

    def finish(self) -> None:
        """FormatError unless every byte was taken."""
        if left := self.size - self.file.tell():
            raise FormatError(f"{self.source}: found {left} bytes behind the last layer's weights, expected 0")

    def _bytes(self, layer: NcnnLayer, what: str, length: int) -> bytes:
        self._check(layer, what, length)
        return self.file.read(length)

    def _skip(self, layer: NcnnLayer, what: str, length: int) -> None:
        self._check(layer, what, length)
        self.file.seek(length, os.SEEK_CUR)

    def _check(self, layer: NcnnLayer, what: str, length: int) -> None:
        left = self.size - self.file.tell()
        if length > left:
            text = f"found {left} bytes at {self.file.tell()}, expected {length}"
            raise FormatError(f"{self.source}: {layer}: {what}: {text}")


@contextmanager
def weight_file(path: str | os.PathLike[str]) -> Iterator[WeightFile]:
    """Opens a .bin. FileError when it cannot be read."""
    source = os.fspath(path)
    try:
        with Path(path).open("rb") as file:
            yield WeightFile(source, file, os.fstat(file.fileno()).st_size, [])
    except OSError as fault:
        if isinstance(fault, FileError):
            raise
        raise FileError(f"{source}: cannot be read: {reason(fault)}") from fault


def _aligned(length: int) -> int:
    return (length + 3) // 4 * 4
