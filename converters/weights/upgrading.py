"""A .caffemodel of any format of Caffe's history, rewritten in the current one."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress

from converters.weights.caffemodel import read_caffemodel, write_caffemodel
from converters.weights.dialects import read_network
from converters.weights.load_save import Weights, fit
from prototxt_gen.errors import CaffeError
from prototxt_gen.layers import Shape
from prototxt_gen.passes.phase import select_phase
from prototxt_gen.passes.upgrade import upgrade
from prototxt_gen.proto import NetParameter
from prototxt_gen.trace import trace


def upgrade_caffemodel(
    source: str | os.PathLike[str], target: str | os.PathLike[str], net: NetParameter | None = None
) -> int:
    """Writes the file's own structure and its blobs in BVLC's current format; returns how many layers have blobs.

    Blobs of four sizes, as old files have them, get the shapes that their layers have: in `net`, or in the file's own
    structure where that tells them. FileError and FormatError name the file, NetworkError what cannot be upgraded.
    """
    own = upgrade(read_network(source))
    weights = read_caffemodel(source)
    _fit_all(weights, _blob_shapes(own) | (_blob_shapes(net) if net is not None else {}))
    write_caffemodel(weights, target, own)
    return len(weights)


def upgraded_weights(source: str | os.PathLike[str]) -> Weights:
    """The blobs of a .caffemodel in the shapes that layers have today, as far as its own structure tells them."""
    weights = read_caffemodel(source)
    with suppress(CaffeError):  # names and blobs are all that weights need
        _fit_all(weights, _blob_shapes(upgrade(read_network(source))))
    return weights


def _fit_all(weights: Weights, shapes: Mapping[str, Sequence[Shape]]) -> None:
    for name, blobs in weights.items():
        for index, (blob, shape) in enumerate(zip(blobs, shapes.get(name, ()), strict=False)):
            if (fitted := fit(blob, shape)) is not None:
                blobs[index] = fitted


def _blob_shapes(net: NetParameter) -> dict[str, tuple[Shape, ...]]:
    """By layer; empty where a network's shapes depend on its data, as those of data layers do."""
    shapes: dict[str, tuple[Shape, ...]] = {}
    for phase in ("TRAIN", "TEST"):
        try:
            rows = trace(select_phase(net, phase))
        except CaffeError:
            continue
        # Of layers of one name Caffe gives the blobs to the first.
        shapes |= {row.name: row.blob_shapes for row in reversed(rows)}
    return shapes
