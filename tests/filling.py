"""Weights and inputs of our own for any network: the same numbers on every machine, from names and places alone."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from prototxt_gen import NetParameter, select_phase
from prototxt_gen.layers import LAYERS, is_input
from prototxt_gen.trace import trace

Array = NDArray[np.float32]


def levels(key: str, shape: Sequence[int]) -> Array:
    """Numbers from -1 to 1 in steps of 1/32, which float32 holds exactly."""
    count = int(np.prod(shape, dtype=int))
    # Knuth's multiplicative hash of the place, begun where the name says.
    places = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(2654435761) + np.uint64(zlib.crc32(key.encode()))
    mixed = (places ^ (places >> np.uint64(13))) * np.uint64(0x9E3779B1)
    return ((mixed >> np.uint64(24)) % np.uint64(65)).astype(np.float32).reshape(shape) / 32 - 1


def fill_weights(net: NetParameter, input_shapes: Mapping[str, Sequence[int]] | None = None) -> dict[str, list[Array]]:
    """Blobs for every layer of the TEST phase, so scaled that numbers neither grow nor vanish from layer to layer."""
    weights = {}
    for row in trace(select_phase(net, "TEST"), input_shapes):
        blobs = [levels(f"{row.name}:{index}", shape) for index, shape in enumerate(row.blob_shapes)]
        if row.type == "BatchNorm":
            mean, variance, _ = blobs
            blobs = [mean * 2, variance * 4 + 12, np.full((1,), 8, np.float32)]
        elif blobs and row.type in ("Scale", "PReLU", "Normalize"):
            blobs[0] = (0.75 + blobs[0] / 4).astype(np.float32)
        elif blobs and blobs[0].ndim > 1:
            fan_in = np.prod(blobs[0].shape[1:], dtype=int)
            blobs[0] = blobs[0] * np.float32(2 / np.sqrt(fan_in))
        if blobs:
            weights[row.name] = [blob.astype(np.float32) for blob in blobs]
    return weights


def fill_inputs(net: NetParameter) -> dict[str, Array]:
    """Arrays for the inputs of a network: 0, 1, 2, ... for labels and places, 0 and 1 for switches, else any number.

    An input called `positive` has numbers above 0.
    """
    rows = trace(select_phase(net, "TEST"))
    uses = [
        (LAYERS[row.type], index, len(row.bottoms), bottom) for row in rows for index, bottom in enumerate(row.bottoms)
    ]
    inputs = {}
    for row in rows:
        for name, shape in zip(row.tops, row.top_shapes, strict=True) if is_input(row.type) else ():
            taken = [(kind, {index, index - count}) for kind, index, count, bottom in uses if bottom == name]
            numbers = levels(name, shape)
            if any(places & set(kind.labels) for kind, places in taken):
                numbers = np.arange(numbers.size, dtype=np.float32).reshape(shape) % 2
            elif any(places & set(kind.switches) for kind, places in taken):
                numbers = (numbers > -0.5).astype(np.float32)
            inputs[name] = numbers + 1.25 if name == "positive" else numbers
    return inputs
