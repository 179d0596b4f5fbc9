"""The two dialects of a .caffemodel: field 148 of a layer is clip_param in BVLC Caffe, interp_param in the DF release.

Stock Caffe stops at a file in which 148 is an Interp: a Clip without its required numbers. Files are rewritten field by
field on the wire, so that everything else in them stays as it was, byte for byte, in files of any size.
"""

from __future__ import annotations

import os
from typing import BinaryIO

from prototxt_gen import wire
from prototxt_gen.binary import Dialect, Numbers, from_binary
from prototxt_gen.errors import UnsupportedError
from prototxt_gen.files import replacing
from prototxt_gen.layers import LAYERS
from prototxt_gen.proto import LayerParameter, NetParameter, fields_of
from prototxt_gen.wire import BYTES, FIXED32, Reader, Span, reading, spans

_LAYERS, _LAYER = 2, 100
_TYPE, _CLIP_OR_INTERP, _INTERP = 2, 148, 20148
_CLIP_MIN, _CLIP_MAX = 1, 2
# The blobs of a layer today, in V1, and in V0, which is field 1 of V1.
_BLOBS, _V1_BLOBS, _V0_BLOBS, _V0 = 7, 6, 50, 1
_BLOCK = 1 << 20


def change_dialect(source: str | os.PathLike[str], target: str | os.PathLike[str], dialect: Dialect) -> list[str]:
    """Copies a .caffemodel of either dialect into `dialect`, in one step; returns the names of the changed layers.

    For `bvlc` an Interp moves from field 148 to one that stock Caffe skips, for `release` back to 148; there and back
    gives the same bytes. A layer is recognised by its type, or by the required numbers of a Clip. UnsupportedError
    lists the Clips that the release's fork has no field for.
    """
    changed: list[str] = []
    with reading(source) as reader:
        clips = []
        edits: list[tuple[Span, Span]] = []
        for layer in spans(reader, reader.size):
            if layer.number != _LAYER or layer.kind != BYTES:
                continue
            name, kind, field = _interp_or_clip(reader, layer)
            if field is None:
                continue
            is_clip = field.number == _CLIP_OR_INTERP and kind != "Interp" and _is_clip(reader, field)
            if is_clip and dialect == "release":
                clips.append(name)
            elif not is_clip and field.number == (_INTERP if dialect == "release" else _CLIP_OR_INTERP):
                edits.append((layer, field))
                changed.append(name)
        if clips:
            raise UnsupportedError(
                f"{os.fspath(source)}: layers {clips}: the release's fork has no Clip, its field 148 is interp_param"
            )
        with replacing(target) as temporary, temporary.open("wb") as file:
            at = 0
            for layer, field in edits:
                _copy(reader, at, layer.start, file)
                length = field.end - field.content
                head = wire.head(_CLIP_OR_INTERP if dialect == "release" else _INTERP, length)
                size = layer.end - layer.content - (field.content - field.start) + len(head)
                file.write(wire.head(_LAYER, size))
                _copy(reader, layer.content, field.start, file)
                file.write(head)
                at = field.content
            _copy(reader, at, reader.size, file)
    return changed


def read_network(path: str | os.PathLike[str], numbers: Numbers | None = None) -> NetParameter:
    """The structure that a .caffemodel of either dialect states, in the format of the file, without the blobs.

    `numbers`: of fields, as in `to_binary`, for a file that may have been written with them. It is read with them where
    a layer has a field that its type reads under a number that is theirs alone.
    Nothing of the blobs is read, so files may be of any size. FileError and FormatError name the file.
    """
    with reading(path) as reader:
        pieces, layers = [], []
        for field in list(spans(reader, reader.size)):
            if field.number == _LAYER and field.kind == BYTES:
                layers.append(field)
            if field.number in (_LAYER, _LAYERS) and field.kind == BYTES:
                blobs = _BLOBS if field.number == _LAYER else _V1_BLOBS
                pieces.append(wire.field(field.number, _without(reader, field, blobs, old=field.number == _LAYERS)))
            else:
                pieces.append(bytes(reader.read(field.start, field.end - field.start)))
        theirs = numbers if any(_is_numbered(reader, field, numbers or {}) for field in layers) else None
    return from_binary(b"".join(pieces), os.fspath(path), theirs)


def _is_numbered(reader: Reader, layer: Span, numbers: Numbers) -> bool:
    """Whether a layer has a field that its type reads under a number of `numbers` that is not ours."""
    moved = {number: name for name, number in numbers.items() if fields_of(LayerParameter)[name].number != number}
    if not moved:
        return False
    kind = ""
    found = set()
    reader.at = layer.content
    for field in list(spans(reader, layer.end)):
        if field.kind == BYTES and field.number == _TYPE:
            reader.at = field.content
            kind = reader.text(field.end - field.content)
        elif field.kind == BYTES and field.number in moved:
            found.add(moved[field.number])
    return kind in LAYERS and bool(found & set(LAYERS[kind].options))


def _without(reader: Reader, message: Span, blobs: int, old: bool = False) -> bytes:
    pieces = []
    reader.at = message.content
    for field in list(spans(reader, message.end)):
        if old and field.number == _V0 and field.kind == BYTES:
            pieces.append(wire.field(_V0, _without(reader, field, _V0_BLOBS)))
        elif field.number != blobs:
            pieces.append(bytes(reader.read(field.start, field.end - field.start)))
    return b"".join(pieces)


def _interp_or_clip(reader: Reader, layer: Span) -> tuple[str, str, Span | None]:
    """The layer's name and type, and its field that is an Interp or a Clip."""
    texts = {1: "", _TYPE: ""}
    found = None
    reader.at = layer.content
    for field in list(spans(reader, layer.end)):
        if field.kind != BYTES:
            continue
        if field.number in texts:
            reader.at = field.content
            texts[field.number] = reader.text(field.end - field.content)
        elif field.number in (_CLIP_OR_INTERP, _INTERP):
            found = field
    return texts[1], texts[_TYPE], found


def _is_clip(reader: Reader, field: Span) -> bool:
    reader.at = field.content
    return {_CLIP_MIN, _CLIP_MAX} <= {inner.number for inner in spans(reader, field.end) if inner.kind == FIXED32}


def _copy(reader: Reader, start: int, end: int, file: BinaryIO) -> None:
    for at in range(start, end, _BLOCK):
        file.write(reader.read(at, min(_BLOCK, end - at)))
