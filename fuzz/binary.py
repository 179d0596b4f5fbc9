"""Fuzz target: any bytes are weights, a network, a mean or a solver state, or a CaffeError."""

from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["prototxt_gen", "converters"]):
    from converters.weights.caffemodel import read_caffemodel, write_caffemodel
    from converters.weights.dialects import change_dialect, read_network
    from converters.weights.mean import load_mean
    from converters.weights.solver_state import read_solver_state
    from prototxt_gen.binary import from_binary, to_binary
    from prototxt_gen.errors import CaffeError
    from prototxt_gen.passes.upgrade import upgrade
    from prototxt_gen.text import to_text

import seeds


def weights(data: bytes) -> None:
    """What is read is written and read back."""
    found = read_caffemodel(FILE)
    assert sum(blob.nbytes for blobs in found.values() for blob in blobs) <= 4 * len(data)
    write_caffemodel(found, OUT)
    again = read_caffemodel(OUT)
    assert list(again) == [name for name, blobs in found.items() if blobs]
    for name, blobs in again.items():
        assert all(one.tobytes() == other.tobytes() for one, other in zip(blobs, found[name], strict=True))


def structure(data: bytes) -> None:
    """The network within weights, and the whole file through protobuf."""
    to_text(upgrade(read_network(FILE)))
    net = from_binary(data)
    to_text(net)
    assert from_binary(to_binary(net)).ByteSize() == net.ByteSize()
    to_binary(net, "release")


def dialects(data: bytes) -> None:
    """A file in one dialect and back holds the same weights."""
    for dialect in ("bvlc", "release"):
        change_dialect(FILE, OUT, dialect)
        assert list(read_caffemodel(OUT)) == list(read_caffemodel(FILE))


def mean(data: bytes) -> None:
    """One blob."""
    load_mean(FILE)


def solver_state(data: bytes) -> None:
    """Iteration and history."""
    read_solver_state(FILE)


READERS = (weights, structure, dialects, mean, solver_state)


def one_input(data: bytes) -> None:
    """Gives the bytes to every reader."""
    FILE.write_bytes(data)
    for reader in READERS:
        try:
            reader(data)
        except CaffeError:
            continue


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    FOLDER = Path(tempfile.mkdtemp(prefix="dongfeng-fuzz-"))
    FILE, OUT = FOLDER / "input.caffemodel", FOLDER / "output.caffemodel"
    atheris.Setup(seeds.arguments(sys.argv, FOLDER / "seeds", seeds.binaries()), one_input)
    atheris.Fuzz()
