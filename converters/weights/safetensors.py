"""Weights as .safetensors: one tensor `<layer>.<index>` per blob, marked as Caffe's in the metadata."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np

from converters.weights.blobs import Array
from prototxt_gen.errors import FileError, FormatError, NotInstalledError
from prototxt_gen.files import reason, write_bytes

_METADATA = {"format": "caffe"}


def read_safetensors(path: str | os.PathLike[str]) -> dict[str, list[Array]]:
    """Every layer's blobs by its name, as `write_safetensors` left them; numbers of other types become float32.

    FormatError when the file is not a .safetensors, or holds anything but Caffe's blobs.
    """
    library = _library()
    try:
        with Path(path).open("rb"):
            pass
    except OSError as fault:
        raise FileError(f"{path}: cannot be read: {reason(fault)}") from fault
    found: dict[str, dict[int, Array]] = {}
    try:
        with library.safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != _METADATA["format"]:
                text = f"found metadata {metadata}, expected format: {_METADATA['format']}"
                raise FormatError(f"{path}: not Caffe's blobs: {text}")
            for key in file.keys():  # noqa: SIM118  # no mapping
                layer, _, index = key.rpartition(".")
                if not (index.isascii() and index.isdecimal() and len(index) < 10 and index == str(int(index))):
                    raise FormatError(f"{path}: found a tensor {key!r}, expected names <layer>.<index>")
                found.setdefault(layer, {})[int(index)] = np.asarray(file.get_tensor(key), np.float32, "C")
    except (library.SafetensorError, OSError, TypeError, ValueError, AttributeError, KeyError) as fault:
        if isinstance(fault, FormatError):
            raise
        raise FormatError(f"{path}: not a sound .safetensors file: {fault}") from fault
    for layer, blobs in found.items():
        if sorted(blobs) != list(range(len(blobs))):
            raise FormatError(f"{path}: layer {layer!r}: found blobs {sorted(blobs)}, expected 0 to {len(blobs) - 1}")
    return {layer: [blobs[index] for index in range(len(blobs))] for layer, blobs in found.items()}


def write_safetensors(weights: Mapping[str, Sequence[Array]], path: str | os.PathLike[str]) -> None:
    """Writes checked float32 arrays in one step."""
    library = _library()
    tensors = {f"{layer}.{index}": blob for layer, blobs in weights.items() for index, blob in enumerate(blobs)}
    # Made in memory: what save_file raises on a full disk is no OSError.
    write_bytes(path, library.numpy.save(tensors, _METADATA))


def _library() -> ModuleType:
    try:
        import safetensors
        import safetensors.numpy
    except ImportError as fault:
        raise NotInstalledError("safetensors", "safetensors", ".safetensors files") from fault
    return safetensors
