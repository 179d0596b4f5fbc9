"""The layers in ncnn's .param and .param.bin, as written: types, blob names, numbered parameters."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from prototxt_gen.errors import FormatError, need
from prototxt_gen.files import read_bytes

MAGIC = 7767517
ABSENT = -233
"""What ncnn writes for a number that is absent; in binary files also the mark after a layer's parameters."""

_ARRAYS = -23300
_CUSTOM = 1 << 8
_MOST_PARAMETERS = 64
# These change no number: shapes of the tops, and a mask of allowed shortcuts.
_HINTS = (30, 31)

# Places in this list are the type numbers of binary files. ncnn only ever adds at its end (src/CMakeLists.txt).
TYPES = """
AbsVal ArgMax BatchNorm Bias BNLL Concat Convolution Crop Deconvolution Dropout Eltwise ELU Embed Exp Flatten
InnerProduct Input Log LRN MemoryData MVN Pooling Power PReLU Proposal Reduction ReLU Reshape ROIPooling Scale Sigmoid
Slice Softmax Split SPP TanH Threshold Tile RNN LSTM BinaryOp UnaryOp ConvolutionDepthWise Padding Squeeze ExpandDims
Normalize Permute PriorBox DetectionOutput Interp DeconvolutionDepthWise ShuffleChannel InstanceNorm Clip Reorg
YoloDetectionOutput Quantize Dequantize Yolov3DetectionOutput PSROIPooling ROIAlign Packing Requantize Cast HardSigmoid
SELU HardSwish Noop PixelShuffle DeepCopy Mish StatisticsPooling Swish Gemm GroupNorm LayerNorm Softplus GRU
MultiHeadAttention GELU Convolution1D Pooling1D ConvolutionDepthWise1D Convolution3D ConvolutionDepthWise3D Pooling3D
MatMul Deconvolution1D DeconvolutionDepthWise1D Deconvolution3D DeconvolutionDepthWise3D Einsum DeformableConv2D GLU
Fold Unfold GridSample CumulativeSum
""".split()  # noqa: SIM905  # as a list it would take a hundred lines


@dataclass(frozen=True)
class Number:
    """A parameter's value. Binary files do not say whether its four bytes are an integer or a float: both are kept."""

    whole: int | None
    real: float


Value: TypeAlias = Number | tuple[Number, ...] | str


@dataclass
class NcnnLayer:
    """One layer as in the file; the getters remember which parameters were asked for."""

    source: str
    index: int
    type: str
    name: str
    bottoms: list[str]
    tops: list[str]
    values: dict[int, Value] = field(default_factory=dict)
    asked: set[int] = field(default_factory=set)

    def __str__(self) -> str:
        """Where a message says it happened."""
        return f"layer {self.index} ({self.type} {self.name!r})"

    def fault(self, what: str, found: object, expected: str) -> FormatError:
        """The error for a field of this layer."""
        return FormatError(f"{self.source}: {self}: {what}: found {found}, expected {expected}")

    def whole(self, key: int, default: int) -> int:
        """The integer with this number."""
        number = self._number(key)
        if number is None:
            return default
        if number.whole is None:
            raise self.fault(f"parameter {key}", number.real, "an integer")
        return number.whole

    def size(self, key: int, default: int, least: int = 0) -> int:
        """An integer, at least `least`, that counts something."""
        found = self.whole(key, default)
        if found < least:
            raise self.fault(f"parameter {key}", found, f"{least} or more")
        return found

    def real(self, key: int, default: float) -> float:
        """The floating-point number with this number."""
        number = self._number(key)
        return default if number is None else number.real

    def array(self, key: int) -> tuple[Number, ...]:
        """The array with this number, empty when there is none."""
        self.asked.add(key)
        value = self.values.get(key, ())
        if not isinstance(value, tuple):
            raise self.fault(f"parameter {key}", "no array", "an array")
        return value

    def refuse_unasked(self) -> None:
        """UnsupportedError for parameters that were never asked for and are not at their default."""
        unknown = [
            key
            for key, value in sorted(self.values.items())
            if key not in self.asked and key not in _HINTS and value not in (Number(0, 0.0), ())
        ]
        need(not unknown, f"parameters {unknown}, which are not known here")

    def _number(self, key: int) -> Number | None:
        self.asked.add(key)
        value = self.values.get(key)
        if value is not None and not isinstance(value, Number):
            raise self.fault(f"parameter {key}", "an array or a text", "a number")
        return value


def read_layers(path: str | os.PathLike[str]) -> list[NcnnLayer]:
    """The layers of a .param.bin or a .param, in the order of the file.

    Names of layers are not in binary files: they become type and place, `Convolution_2`; blobs are called by their
    numbers. FormatError where a bottom is not the top of a layer before it, or a top is made twice.
    """
    source = os.fspath(path)
    data = read_bytes(path)
    if data[:4] == struct.pack("<i", MAGIC):
        layers = _Binary(source, data).layers()
    elif data.split(None, 1)[:1] == [str(MAGIC).encode()]:
        layers = _text_layers(source, data)
    else:
        raise FormatError(f"{source}: not an ncnn network: found {data[:8]!r}, expected the magic number {MAGIC}")
    _check_blobs(layers)
    return layers


def network_name(path: str | os.PathLike[str]) -> str:
    """The file's name up to its first dot."""
    return Path(path).name.partition(".")[0]


def _check_blobs(layers: list[NcnnLayer]) -> None:
    made: set[str] = set()
    names: dict[str, int] = {}
    for layer in layers:
        for bottom in layer.bottoms:
            if bottom not in made:
                raise layer.fault(f"bottom {bottom!r}", "no layer before that makes it", "a top of one")
        for top in layer.tops:
            if top in made:
                raise layer.fault(f"top {top!r}", "a second layer that makes it", "one")
            made.add(top)
        first = names.setdefault(layer.name, layer.index)
        if first != layer.index:
            raise layer.fault("name", f"that of layer {first}", "one of its own")


class _Binary:
    """A walk over the 32-bit numbers of a .param.bin."""

    def __init__(self, source: str, data: bytes) -> None:
        self.source = source
        self.data = data
        self.at = 4
        self.where = "header"

    def layers(self) -> list[NcnnLayer]:
        layer_count = self.count("layer count")
        blob_count = self.count("blob count")
        layers = []
        for index in range(layer_count):
            self.where = f"layer {index}"
            number = self.integer("type")
            kind = TYPES[number] if 0 <= number < len(TYPES) else f"type {number}"
            kind = f"custom type {number - _CUSTOM}" if number & _CUSTOM and number >= _CUSTOM else kind
            self.where = f"layer {index} ({kind})"
            sizes = self.count("bottom count"), self.count("top count")
            bottoms, tops = (
                [self.blob(what, blob_count) for _ in range(size)] for what, size in zip(_ENDS, sizes, strict=True)
            )
            layers.append(NcnnLayer(self.source, index, kind, f"{kind}_{index}", bottoms, tops, self.values()))
        if self.at != len(self.data):
            left = len(self.data) - self.at
            raise FormatError(f"{self.source}: found {left} bytes behind the last of {layer_count} layers, expected 0")
        return layers

    def values(self) -> dict[int, Value]:
        values: dict[int, Value] = {}
        while (key := self.integer("parameter number")) != ABSENT:
            is_array = key <= _ARRAYS
            key = _ARRAYS - key if is_array else key
            if not 0 <= key < _MOST_PARAMETERS:
                raise self.fault("parameter number", key, f"0 to {_MOST_PARAMETERS - 1}, or {ABSENT} behind the last")
            what = f"parameter {key}"
            if is_array:
                length = self.count(f"{what}: length")
                values[key] = tuple(self.number(what) for _ in range(length))
            else:
                values[key] = self.number(what)
        return values

    def integer(self, what: str) -> int:
        return int(struct.unpack("<i", self.take(what))[0])

    def number(self, what: str) -> Number:
        piece = self.take(what)
        return Number(struct.unpack("<i", piece)[0], struct.unpack("<f", piece)[0])

    def count(self, what: str) -> int:
        """A count of things of four bytes each, checked against what is left of the file before anything is read."""
        found = self.integer(what)
        room = (len(self.data) - self.at) // 4
        if not 0 <= found <= room:
            raise self.fault(what, found, f"0 to {room}, which is what the file has room for")
        return found

    def blob(self, what: str, blob_count: int) -> str:
        found = self.integer(what)
        if not 0 <= found < blob_count:
            raise self.fault(what, f"blob {found}", f"0 to {blob_count - 1}")
        return str(found)

    def take(self, what: str) -> bytes:
        piece = self.data[self.at : self.at + 4]
        if len(piece) < 4:
            raise self.fault(what, f"the end of the file at byte {len(self.data)}", "4 bytes")
        self.at += 4
        return piece

    def fault(self, what: str, found: object, expected: str) -> FormatError:
        return FormatError(f"{self.source}: {self.where}: {what}: found {found}, expected {expected}")


_ENDS = ("bottom", "top")


def _text_layers(source: str, data: bytes) -> list[NcnnLayer]:
    try:
        lines = [tokens for line in data.decode().splitlines() if (tokens := line.split())]
    except UnicodeDecodeError as fault:
        raise FormatError(f"{source}: not text: byte {fault.start} is not UTF-8") from fault
    counts = lines[1] if len(lines) > 1 else []
    if len(lines[0]) != 1 or len(counts) != 2 or not all(_is_count(token) for token in counts):
        raise FormatError(f"{source}: header: found {lines[0][1:] + counts}, expected numbers of layers and of blobs")
    if len(lines) - 2 != int(counts[0]):
        raise FormatError(f"{source}: layer count: found {len(lines) - 2} layers, expected {counts[0]} by the header")
    return [_text_layer(source, index, tokens) for index, tokens in enumerate(lines[2:])]


def _text_layer(source: str, index: int, tokens: list[str]) -> NcnnLayer:
    kind, name = (*tokens, "", "")[:2]
    layer = NcnnLayer(source, index, kind, name, [], [])
    sizes = tokens[2:4]
    if len(sizes) < 2 or not all(_is_count(token) for token in sizes):
        raise layer.fault("numbers of bottoms and tops", sizes, "two counts")
    bottoms, tops = map(int, sizes)
    if len(tokens) < 4 + bottoms + tops:
        raise layer.fault("blobs", f"{len(tokens) - 4} words", f"{bottoms} bottoms and {tops} tops")
    layer.bottoms = tokens[4 : 4 + bottoms]
    layer.tops = tokens[4 + bottoms : 4 + bottoms + tops]
    for token in tokens[4 + bottoms + tops :]:
        word, equals, text = token.partition("=")
        key = _integer(word)
        if not equals or key is None:
            raise layer.fault("parameter", repr(token), "number=value")
        is_array = key <= _ARRAYS
        key = _ARRAYS - key if is_array else key
        if not 0 <= key < _MOST_PARAMETERS:
            raise layer.fault("parameter number", word, f"0 to {_MOST_PARAMETERS - 1}, for arrays {_ARRAYS} and down")
        layer.values[key] = _text_array(layer, key, text) if is_array else _text_value(text)
    return layer


def _text_array(layer: NcnnLayer, key: int, text: str) -> tuple[Number, ...]:
    length, *pieces = text.split(",")
    numbers = [number for piece in pieces if isinstance(number := _text_value(piece), Number)]
    if not _is_count(length) or len(numbers) != len(pieces) or len(numbers) != int(length):
        raise layer.fault(f"parameter {key}", repr(text), "a length and that many numbers")
    return tuple(numbers)


def _text_value(text: str) -> Number | str:
    whole = _integer(text)
    if whole is not None:
        return Number(whole, float(whole))
    try:
        real = float(text)
    except ValueError:
        return text
    return Number(int(real) if real.is_integer() else None, real)


def _integer(text: str) -> int | None:
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdecimal() and len(digits) < 11 else None


def _is_count(text: str) -> bool:
    return (_integer(text) or 0) >= 0 and _integer(text) is not None
