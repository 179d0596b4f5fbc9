"""The peak memory of all decoders on one backbone, exactly, from the networks at a few corners of their space.

A decoder keeps maps of its backbone beside what runs, so its peak is not that of one of its parts. But all decoders on
one backbone have the same layers, and each piece of memory is constant or in proportion to one of the channels. So
what is alive at a layer is a constant plus a weight times each channel, which as many networks tell as there are
channels, and one more; the peak is the most of it over the layers (see prototxt_gen/memory.py).
"""

from __future__ import annotations

import math

import numpy as np

from prototxt_gen.errors import UnsupportedError
from prototxt_gen.generator.networks import generate
from prototxt_gen.summary import summarize
from search.latency.graphs import Graph, Layer
from search.spaces import BackboneSpace, DecoderSpace
from search.spaces.ways import Integers

# A number for each network is held: a million take a second and 100 MB.
MOST_NETWORKS = 2_000_000


def decoder_memory_graph(space: DecoderSpace) -> Graph:
    """The graph whose costs are the peaks in bytes, batch norm merged. A state is all channels chosen so far.

    UnsupportedError where backbones are chosen, too, and for too many decoders.
    """
    if isinstance(space.backbone, BackboneSpace):
        raise UnsupportedError(
            f"memory of space {space}: its decoders keep maps of backbones that are chosen, too, so it is not told "
            "part by part; expected a space of decoders on one backbone, or limits of other costs"
        )
    if space.count() > MOST_NETWORKS:
        raise UnsupportedError(
            f"memory of space {space}: found {space.count():,} decoders, expected at most {MOST_NETWORKS:,}"
        )
    levels = [np.array(space.choices(level), dtype=np.int64) for level in range(space.length)]
    grids = np.meshgrid(*levels, indexing="ij")
    constants, weights = _lines(space)
    peaks: Integers = np.zeros(grids[0].shape, dtype=np.int64)
    for constant, weight in zip(constants, weights, strict=True):
        np.maximum(peaks, constant + sum(w * grid for w, grid in zip(weight.tolist(), grids, strict=True)), out=peaks)
    layers = []
    for level, choices in enumerate(levels):
        states = math.prod(len(before) for before in levels[:level])
        after = np.arange(states * len(choices), dtype=np.int64).reshape(states, -1)
        if level + 1 < len(levels):
            layers.append(Layer(after, np.zeros_like(after)))
        else:
            layers.append(Layer(np.zeros_like(after), peaks.reshape(states, -1)))
    return Graph(tuple(layers), 0, np.maximum)


def _lines(space: DecoderSpace) -> tuple[Integers, Integers]:
    """What is alive at each layer: constants (layers,) and weights (layers, channels), the shallowest map's first."""
    least = _alive(space, [0] * space.length)
    weights = np.zeros((len(least), space.length), dtype=np.int64)
    for level in range(space.length):
        choices = space.choices(level)
        if len(choices) > 1:
            other = _alive(space, [len(choices) - 1 if one == level else 0 for one in range(space.length)])
            weights[:, level] = (other - least) // (choices[-1] - choices[0])
    constants = least - weights @ np.array([space.choices(level)[0] for level in range(space.length)])
    # Were anything else than said above, the widest of all would tell.
    widest = np.array([space.choices(level)[-1] for level in range(space.length)])
    found = _alive(space, [len(space.choices(level)) - 1 for level in range(space.length)])
    if not np.array_equal(constants + weights @ widest, found):
        raise UnsupportedError(f"memory of space {space}: found one that does not grow with the channels alone")
    lines = np.unique(np.column_stack([constants, weights]), axis=0)
    return lines[:, 0], lines[:, 1:]


def _alive(space: DecoderSpace, values: list[int]) -> Integers:
    net = generate(space.decode(np.array(values, dtype=np.uint8)), input_shape=space.input_shape, merged=True)
    return np.array(summarize(net).activations.alive, dtype=np.int64)
