"""Devices that follow a rule: what a fit is held against where no real measurements are at hand."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable

import numpy as np

from prototxt_gen import parts
from prototxt_gen.layers import LAYERS
from prototxt_gen.trace import LayerSummary, trace
from search.spaces import BackboneSpace

SPACE = BackboneSpace(
    depths=((1, 3), (1, 4), (1, 3)), widths=(32, 64, 128, 256), stem=(16, 32), classes=100, input_shape=(1, 3, 96, 96)
)


def roofline(layer: LayerSummary) -> float:
    """Milliseconds by the slower of arithmetic and memory, and a little for each layer."""
    moved = sum(float(np.prod(shape)) for shape in (*layer.bottom_shapes, *layer.top_shapes)) + layer.parameters
    return max(layer.multiply_adds / 20e6, moved / 2e6) + 0.01


def uneven(layer: LayerSummary) -> float:
    """As `roofline`, in steps: channels fill lanes of 48, and 3x3 windows have a quicker way than others."""
    lanes = np.ceil(layer.top_shapes[0][1] / 48) * 48 / layer.top_shapes[0][1]
    quick = 0.6 if layer.blob_shapes and layer.blob_shapes[0][-1] == 3 else 1.0
    return roofline(layer) * float(lanes) * quick


def scattered(layer: LayerSummary) -> float:
    """As `roofline`, but half or twice as long, as its shapes will have it: what no rule foretells."""
    chance = zlib.crc32(repr((layer.type, layer.bottom_shapes, layer.top_shapes)).encode()) / 2**32
    return roofline(layer) * 2 ** (2 * chance - 1)


def device_ms(architecture: object, rule: Callable[[LayerSummary], float] = roofline, call: float = 0.2) -> float:
    """Milliseconds of a whole network: a call, and each of its layers by the rule."""
    total = call
    for part in parts(architecture, SPACE.input_shape):
        total += sum(rule(row) for row in trace(part.net) if not LAYERS[row.type].is_input)
    return total


def drawn(count: int, seed: int = 0) -> list[object]:
    """Networks of SPACE, all different."""
    rng = random.Random(seed)
    return [SPACE.at(index) for index in rng.sample(range(SPACE.count()), count)]
