"""Fuzz target: any text is a network, or a CaffeError; what is read is written and read back, and has shapes."""

from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["prototxt_gen", "google.protobuf.text_format"]):
    from prototxt_gen.errors import CaffeError
    from prototxt_gen.fingerprints import fingerprint
    from prototxt_gen.passes.merging import merge_batchnorm
    from prototxt_gen.passes.upgrade import upgrade
    from prototxt_gen.proto import NetParameter
    from prototxt_gen.summary import summarize
    from prototxt_gen.text import parse_text, read_prototxt, to_text

import seeds


def one_input(data: bytes) -> None:
    """Reads the bytes as a prototxt and does with the network what every command does."""
    FILE.write_bytes(data)
    try:
        net = read_prototxt(FILE)
        assert parse_text(to_text(net), NetParameter(), strict=True) == net or "nan" in to_text(net)
        fingerprint(net)
        current = upgrade(net)
        assert upgrade(current) == current or "nan" in to_text(net)
        for phase in ("TEST", "TRAIN"):
            str(summarize(current, phase))
        merge_batchnorm(current)
    except CaffeError:
        return


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    FOLDER = Path(tempfile.mkdtemp(prefix="dongfeng-fuzz-"))
    FILE = FOLDER / "input.prototxt"
    atheris.Setup(seeds.arguments(sys.argv, FOLDER / "seeds", seeds.texts()), one_input)
    atheris.Fuzz()
