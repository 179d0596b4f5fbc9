"""Fuzz target: any bytes are a file of a target, or a CaffeError; networks held against what is read give a report."""

from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["converters.targets", "converters.yaml_files", "yaml"]):
    from converters.targets.checking import check_target
    from converters.targets.reading import read_target
    from prototxt_gen.errors import CaffeError

import seeds


def one_input(data: bytes) -> None:
    """Reads the bytes as a target, and checks a network of every type of layer against it."""
    FILE.write_bytes(data)
    try:
        target = read_target(FILE)
    except CaffeError:
        return
    for net in NETWORKS:
        try:
            str(check_target(net, target))
        except CaffeError:
            continue


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    NETWORKS = list(seeds.networks())
    FOLDER = Path(tempfile.mkdtemp(prefix="dongfeng-fuzz-"))
    FILE = FOLDER / "input.yaml"
    atheris.Setup(seeds.arguments(sys.argv, FOLDER / "seeds", seeds.targets()), one_input)
    atheris.Fuzz()
