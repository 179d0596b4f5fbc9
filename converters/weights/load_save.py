"""Weights of a network, `{layer: [arrays]}`, from and to the files that hold them; the suffix says which kind."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from numpy.typing import ArrayLike

from converters.weights.blobs import Array, as_blob, fit
from converters.weights.caffemodel import read_caffemodel, write_caffemodel
from converters.weights.hdf5 import read_hdf5, write_hdf5
from converters.weights.safetensors import read_safetensors, write_safetensors
from prototxt_gen.binary import Numbers
from prototxt_gen.errors import CaffeError, WeightsError
from prototxt_gen.layers import LAYERS
from prototxt_gen.passes.phase import select_phase
from prototxt_gen.passes.upgrade import upgrade
from prototxt_gen.proto import LayerParameter, NetParameter
from prototxt_gen.trace import trace

__all__ = ["Weights", "fit", "load_weights", "save_weights"]

_SUFFIXES = (".caffemodel", ".h5", ".safetensors")

Weights = dict[str, list[Array]]


def load_weights(path: str | os.PathLike[str], net: NetParameter | None = None) -> Weights:
    """Every layer's blobs as float32 arrays, by layer name, in Caffe's blob order and in the shapes of the file.

    The suffix .h5 means HDF5 and .safetensors safetensors, anything else a binary .caffemodel. Layers without blobs
    are left out. `net` is needed only where a .caffemodel.h5 leaves out blobs because layers share them. FileError and
    FormatError name the file, and where in it something is wrong.
    """
    suffix = Path(path).suffix
    if suffix == ".h5":  # Caffe: Net::CopyTrainedLayersFrom decides so, too
        return read_hdf5(path, None if net is None else upgrade(net))
    return read_safetensors(path) if suffix == ".safetensors" else read_caffemodel(path)


def save_weights(
    weights: Mapping[str, Sequence[ArrayLike]],
    path: str | os.PathLike[str],
    net: NetParameter | None = None,
    *,
    numbers: Numbers | None = None,
) -> None:
    """Writes the weights in one step, in the kind of file that the suffix says: .caffemodel, .h5 or .safetensors.

    Other real numbers become float32. With `net` a .caffemodel also holds the network, as Caffe's own do, and every
    layer of `weights` must be in it. Without it the layers have no types: Caffe loads such a file, since it copies by
    name alone (Net::CopyTrainedLayersFrom), but it says nothing about the network.

    Layers that should have blobs and have none in `weights` are not in the file: Caffe then leaves them to their
    fillers, while it aborts at a layer that is in the file without its blobs. Two layers of one name both get its
    blobs; Caffe gives them to the first. Caffe itself reads no .caffemodel of 2 GB or more. WeightsError lists every
    layer that cannot be written.
    """
    suffix = Path(path).suffix
    if suffix not in _SUFFIXES:
        raise WeightsError(f"{os.fspath(path)}: found suffix {suffix!r}, expected one of {', '.join(_SUFFIXES)}")
    if net is not None and net.layers:
        net = upgrade(net)
    checked: Weights = {}
    faults: list[str] = []
    known = None if net is None else {layer.name for layer in net.layer}
    for name, blobs in weights.items():
        if known is not None and name not in known:
            faults.append(f"layer {name!r}: not in the network {net.name!r}")  # type: ignore[union-attr]
        try:
            name.encode()
            arrays = [as_blob(blob, f"layer {name!r}: blob {index}") for index, blob in enumerate(blobs)]
            if arrays:
                checked[name] = arrays
        except (WeightsError, UnicodeEncodeError) as fault:
            faults.append(str(fault))
    if faults:
        raise WeightsError(f"{os.fspath(path)}: not written: {'; '.join(faults)}")
    if suffix == ".h5":
        write_hdf5(checked, path)
    elif suffix == ".safetensors":
        write_safetensors(checked, path)
    else:
        write_caffemodel(checked, path, net if net is None else _without_unfilled(net, checked), numbers)


def _without_unfilled(net: NetParameter, weights: Weights) -> NetParameter:
    """The network without the layers that should have blobs and have none in the weights."""
    doubtful = {layer.name for layer in net.layer if layer.name not in weights and _may_have_blobs(layer)}
    if not doubtful:
        return net
    unfilled: set[str] = set()
    for phase in ("TRAIN", "TEST"):
        try:
            unfilled.update(row.name for row in trace(select_phase(net, phase)) if row.blob_shapes)
        except CaffeError:  # the shapes are not known, as behind data layers: go by the types alone
            unfilled |= doubtful
    unfilled &= doubtful
    kept = NetParameter()
    kept.CopyFrom(net)
    kept.ClearField("layer")
    kept.layer.extend(layer for layer in net.layer if layer.name not in unfilled)
    return kept


def _may_have_blobs(layer: LayerParameter) -> bool:
    return layer.type in LAYERS and LAYERS[layer.type].has_blobs
