"""The weights of a network with other inner widths: cut, or with new channels that change nothing at first."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.weights import Weights
from prototxt_gen.architectures import Backbone
from prototxt_gen.errors import ArchitectureError


def resized(weights: Weights, before: Backbone, after: Backbone, seed: int = 0) -> Weights:
    """The weights of `before`, float32 by its layers' names, for `after`, which differs in inner widths alone.

    These are widths of fused and inverted blocks, the latter without squeeze-and-excitation and with an expansion.

    A narrower block keeps its first inner channels. A wider one gets new channels behind them, whose first weights are
    drawn by `seed` and the block's name (normal, variance 2 / fan-in) and which the last convolution takes no notice
    of: the network gives what it gave, and training on may use them (Net2Net, arXiv 1511.05641, widens so, too).

    ArchitectureError for networks that differ in more.
    """
    if _but_for_widths(before) != _but_for_widths(after):
        raise ArchitectureError(f"{after}: found more than other inner widths than {before} has")
    found = {name: list(blobs) for name, blobs in weights.items()}
    for one, other in zip(before.blocks(), after.blocks(), strict=True):
        if one.inner == other.inner:
            continue
        digest = hashlib.sha256(f"{seed} {one.name}".encode()).digest()
        rng = np.random.RandomState(np.frombuffer(digest[:32], dtype=np.uint32))
        for layer in (f"{one.name}.expand", f"{one.name}.depthwise"):
            if layer not in found:
                continue
            blob = found[layer][0]
            scale = math.sqrt(2 / math.prod(blob.shape[1:]))
            fresh = rng.normal(0.0, scale, (max(0, other.inner - one.inner), *blob.shape[1:])).astype(np.float32)
            found[layer] = [np.concatenate([blob, fresh])[: other.inner]]
            mean, variance, factor = found[f"{layer}/bn"]
            # Statistics are kept as Caffe keeps them: sums, to be divided by the factor.
            one_of_them = float(factor[0]) or 1.0
            found[f"{layer}/bn"] = [_fit(mean, other.inner, 0.0), _fit(variance, other.inner, one_of_them), factor]
            gamma, beta = found[f"{layer}/bn_scale"]
            found[f"{layer}/bn_scale"] = [_fit(gamma, other.inner, 1.0), _fit(beta, other.inner, 0.0)]
        last = found[f"{one.name}.project"][0]
        added = np.zeros((last.shape[0], max(0, other.inner - one.inner), *last.shape[2:]), np.float32)
        found[f"{one.name}.project"] = [np.concatenate([last, added], axis=1)[:, : other.inner]]
    return {name: [np.ascontiguousarray(blob) for blob in blobs] for name, blobs in found.items()}


def _but_for_widths(architecture: Backbone) -> tuple[Any, ...]:
    """All that must be the same. An inverted block as wide inside as its input is has a convolution less."""
    blocks = [
        block._replace(inner=0)
        if block.kind == "fused"
        or (block.kind == "inverted" and not block.squeeze and block.inner != block.in_channels)
        else block
        for block in architecture.blocks()
    ]
    return architecture.family, architecture.stem, blocks, architecture.head, architecture.classes


def _fit(blob: NDArray[np.float32], length: int, fresh: float) -> NDArray[np.float32]:
    more = np.full(max(0, length - len(blob)), fresh, dtype=np.float32)
    return np.concatenate([blob, more])[:length]
