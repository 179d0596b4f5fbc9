"""Caffe's HDF5 layout of weights, .caffemodel.h5: data/<layer>/<index>, one dataset per blob."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from converters.weights.blobs import Array
from prototxt_gen.errors import CaffeError, FileError, FormatError, WeightsError
from prototxt_gen.files import reason, write_bytes
from prototxt_gen.proto import NetParameter

if TYPE_CHECKING:
    import h5py

# Deflate, HDF5's compression, never reaches a higher ratio.
_MOST_COMPRESSION = 1032


def read_hdf5(path: str | os.PathLike[str], net: NetParameter | None = None) -> dict[str, list[Array]]:
    """Every layer's blobs by its name; groups without datasets are layers without blobs and left out.

    Caffe leaves out a blob that a layer shares with an earlier one (`param { name }`, Caffe: Net::ToHDF5); `net` says
    whose it is, and both layers get the same array. WeightsError lists the blobs that are still missing.

    HDF5 reads "/" in a name as a group within a group. Layers of such names are found in the inner groups, where
    `write_hdf5` puts them; Caffe itself never wrote one.
    """
    import h5py  # takes longer to import than the rest of this package

    with opened(path) as file:
        data = file.get("data")
        if not isinstance(data, h5py.Group):
            raise FormatError(f"{path}: found {', '.join(file) or 'nothing'}, expected a group `data` of layers")
        found: dict[str, dict[int, Array]] = {}
        for layer, index, dataset in _datasets(data, path):
            found.setdefault(layer, {})[index] = read_dataset(dataset, f"{path}: layer {layer!r}: blob {index}")
    for (layer, index), (owner, owned) in _shared(net):
        if index not in found.get(layer, {}) and owned in found.get(owner, {}):
            found.setdefault(layer, {})[index] = found[owner][owned]
    gaps = [
        f"layer {layer!r}: found blobs {sorted(blobs)}, expected 0 to {max(blobs)}"
        for layer, blobs in found.items()
        if len(blobs) <= max(blobs)
    ]
    if gaps:
        text = "Caffe leaves out what layers share; read the file together with its network"
        raise WeightsError(f"{path}: {'; '.join(gaps)}: {text}")
    return {layer: [blobs[index] for index in sorted(blobs)] for layer, blobs in found.items()}


def write_hdf5(weights: Mapping[str, Sequence[Array]], path: str | os.PathLike[str]) -> None:
    """Writes checked float32 arrays in one step, as Caffe does (Net::ToHDF5) but with shared blobs too.

    A "/" in a name makes a group within a group, which `read_hdf5` finds again. Caffe aborts when it writes such a
    layer. When it reads one, it passes over it, or aborts at a layer whose name is the part before the "/". So these
    files are not for Caffe. WeightsError lists the names that HDF5 would change or that would take the place of
    another layer's blob.
    """
    import h5py

    faults = [fault for name in weights for fault in _name_faults(name, weights)]
    if faults:
        raise WeightsError(f"{path}: not written: {'; '.join(faults)}")
    # Made in memory: on a full disk HDF5 ends the whole process when it cannot close its file.
    made = io.BytesIO()
    try:
        with h5py.File(made, "w") as file:
            data = file.create_group("data")
            for name, blobs in weights.items():
                group = data.require_group(name)
                for index, blob in enumerate(blobs):
                    group.create_dataset(str(index), data=blob)
    except (RuntimeError, TypeError, ValueError) as fault:
        raise WeightsError(f"{path}: not written: {fault}") from fault
    write_bytes(path, made.getvalue())


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[h5py.File]:
    """The HDF5 file for reading. FileError when it cannot be opened, FormatError for all that HDF5 finds wrong in it.

    HDF5's own library reads the file: a crash of that library cannot be caught here.
    """
    import h5py

    try:
        with Path(path).open("rb"):
            pass
    except OSError as fault:
        raise FileError(f"{path}: cannot be read: {reason(fault)}") from fault
    try:
        with h5py.File(path, "r") as file:
            yield file
    except CaffeError:
        raise
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, AttributeError, MemoryError) as fault:
        raise FormatError(f"{path}: not a sound HDF5 file: {fault}") from fault


def read_dataset(dataset: h5py.Dataset, owner: str) -> Array:
    """The dataset as a new float32 array. FormatError before anything is allocated that the file does not hold."""
    if dataset.dtype.kind not in "fiu":
        raise FormatError(f"{owner}: found {dataset.dtype} values, expected real numbers")
    if dataset.shape is None or dataset.is_virtual or dataset.external:
        raise FormatError(f"{owner}: found no numbers in this file, expected an array of them")
    stored = dataset.id.get_storage_size()
    if dataset.nbytes > stored * _MOST_COMPRESSION or stored > Path(dataset.file.filename).stat().st_size:
        raise FormatError(f"{owner}: found {stored} bytes, expected {dataset.nbytes} for shape {dataset.shape}")
    values: Array = np.empty(dataset.shape, np.float32)
    if values.size:
        dataset.read_direct(values)
    return values


def members(group: h5py.Group, path: str | os.PathLike[str]) -> Iterator[tuple[str, h5py.Group | h5py.Dataset]]:
    """What is in a group, by name. FormatError for a link that leads out of the file."""
    import h5py

    for name in group:
        if isinstance(group.get(name, getlink=True), h5py.ExternalLink):
            raise FormatError(f"{path}: {group.name}/{name}: found a link to another file, expected the data itself")
        yield name, group[name]


def blob_index(name: str, where: str) -> int:
    """The number that a dataset's name is."""
    if not (name.isascii() and name.isdecimal() and len(name) < 10 and name == str(int(name))):
        raise FormatError(f"{where}: found a dataset {name!r}, expected blobs named 0, 1, ...")
    return int(name)


def _datasets(data: h5py.Group, path: str | os.PathLike[str]) -> Iterator[tuple[str, int, h5py.Dataset]]:
    import h5py

    seen = {data.id}
    groups = [("", data)]
    for layer, group in groups:  # which grows on the way
        for name, member in members(group, path):
            inner = f"{layer}/{name}" if layer else name
            if isinstance(member, h5py.Dataset) and layer:
                yield layer, blob_index(name, f"{path}: layer {layer!r}"), member
            elif not isinstance(member, h5py.Group):
                raise FormatError(f"{path}: data/{inner}: found {type(member).__name__}, expected a layer's group")
            elif member.id not in seen:  # links may run in circles
                seen.add(member.id)
                groups.append((inner, member))


def _shared(net: NetParameter | None) -> Iterator[tuple[tuple[str, int], tuple[str, int]]]:
    """(layer, blob) and the (layer, blob) that owns it: the first one of that parameter name."""
    owners: dict[str, tuple[str, int]] = {}
    for layer in net.layer if net is not None else ():
        for index, spec in enumerate(layer.param):
            owner = owners.setdefault(spec.name, (layer.name, index))
            if spec.name and owner != (layer.name, index):
                yield (layer.name, index), owner


def _name_faults(name: str, weights: Mapping[str, Sequence[Array]]) -> Iterator[str]:
    parts = name.split("/")
    if any(part in ("", ".") for part in parts) or "\0" in name:
        yield f"layer {name!r}: HDF5 cannot hold this name"
    for cut in range(1, len(parts)):
        layer, index = "/".join(parts[:cut]), parts[cut]
        if layer in weights and index in map(str, range(len(weights[layer]))):
            yield f"layer {name!r}: HDF5 keeps blob {index} of layer {layer!r} under this name"
