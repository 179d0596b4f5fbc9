"""Fuzz target: any bytes are an ONNX model that becomes a network, or a CaffeError."""

from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path

# This folder comes first on the path, and the package onnx would be this file.
sys.path.append(sys.path.pop(0))

import atheris

with atheris.instrument_imports(include=["prototxt_gen", "converters"]):
    from converters.onnx.reading import read_onnx
    from prototxt_gen.errors import CaffeError
    from prototxt_gen.proto import NetParameter
    from prototxt_gen.text import parse_text, to_text
    from prototxt_gen.trace import trace

import seeds


def one_input(data: bytes) -> None:
    """What is read has shapes, and survives being written and read again."""
    FILE.write_bytes(data)
    for dialect in ("bvlc", "fork"):
        try:
            net, weights = read_onnx(FILE, dialect)
        except CaffeError:
            continue
        rows = trace(net)
        assert {row.name: [blob.shape for blob in weights.get(row.name, ())] for row in rows} == {
            row.name: list(row.blob_shapes) for row in rows
        }
        assert parse_text(to_text(net), NetParameter(), strict=True) == net or "nan" in to_text(net)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    FOLDER = Path(tempfile.mkdtemp(prefix="dongfeng-fuzz-"))
    FILE = FOLDER / "input.onnx"
    atheris.Setup(seeds.arguments(sys.argv, FOLDER / "seeds", seeds.models()), one_input)
    atheris.Fuzz()
