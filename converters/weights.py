"""Weights of a network, `{layer: [arrays]}`, from and to the files that hold them; the suffix says which kind."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from numpy.typing import ArrayLike

from converters.blobs import Array, as_blob, fit
from converters.caffemodel import read_caffemodel, write_caffemodel
from prototxt_gen.errors import WeightsError
from prototxt_gen.proto import NetParameter

__all__ = ["Weights", "fit", "load_weights", "save_weights"]

Weights = dict[str, list[Array]]


def load_weights(path: str | os.PathLike[str]) -> Weights:
    """Every layer's blobs as float32 arrays, by layer name, in Caffe's blob order and in the shapes of the file.

    Layers without blobs are left out. FileError and FormatError name the file, and where in it something is wrong.
    """
    return read_caffemodel(path)


def save_weights(
    weights: Mapping[str, Sequence[ArrayLike]], path: str | os.PathLike[str], net: NetParameter | None = None
) -> None:
    """Writes the weights in one step, in the kind of file that the suffix says.

    Other real numbers become float32. With `net`, in current form, a .caffemodel also holds the network, as Caffe's
    own do; every layer of `weights` must then be in it. Without it the layers have no types: Caffe loads such a file,
    since it copies by name alone (Net::CopyTrainedLayersFrom), but skips what it does not know and never asks.
    Caffe itself reads no .caffemodel of 2 GB or more. WeightsError lists every layer that cannot be written.
    """
    checked: Weights = {}
    faults: list[str] = []
    known = None if net is None else {layer.name for layer in net.layer}
    for name, blobs in weights.items():
        if known is not None and name not in known:
            faults.append(f"layer {name!r}: not in the network {net.name!r}")  # type: ignore[union-attr]
        try:
            name.encode()
            checked[name] = [as_blob(blob, f"layer {name!r}: blob {index}") for index, blob in enumerate(blobs)]
        except (WeightsError, UnicodeEncodeError) as fault:
            faults.append(str(fault))
    if faults:
        raise WeightsError(f"{os.fspath(path)}: not written: {'; '.join(faults)}")
    write_caffemodel(checked, Path(path), net)
