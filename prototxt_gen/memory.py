"""The memory that a network's activations take while it runs: what is alive at each layer, and the peak.

The definition, exactly:

1. Layers run one after another in the order in which Caffe runs them, with the Splits that Caffe inserts. No other
   order is looked for, though one that needs less may exist.
2. Blobs that share memory in Caffe are one piece (see flow.py): in-place tops, the tops of Split, Reshape and Flatten,
   of a Concat of one bottom, of a Slice into one top and of a Permute that moves nothing. A piece is as large as the
   first of its blobs, 4 bytes a number unless told otherwise.
3. A piece is alive from the layer that makes it to the last layer that takes or writes one of its blobs, both included;
   tops of input and data layers from the first layer on, since they come from outside. A piece with an output of the
   network, a blob that no layer takes, is alive to the end.
4. The peak is the most that is alive while one layer runs: what it takes, what it makes, what waits for later layers.

Not counted: weights (so not the top of a Parameter either, which is its weight), what layers keep for themselves, such
as the columns of a convolution by matrix product or a library's workspace, gradients, and what an allocator adds by
rounding or by holes.

BVLC Caffe itself frees nothing: it takes the memory of each piece when it is first used and keeps it. `held` is that
sum, and `memory` of a summary the one that Caffe logs, in which blobs count again that share a piece. `caffe_memory`
adds what else is sure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prototxt_gen.flow import flow_of, top_names
from prototxt_gen.layers import is_input
from prototxt_gen.layers.layer_types import count
from prototxt_gen.trace import FLOAT_BYTES, LayerSummary


@dataclass(frozen=True)
class Activations:
    """Bytes of a network's activations: `alive` while each layer runs, in order; `held`, the sum of all pieces."""

    alive: tuple[int, ...]
    held: int

    @property
    def peak(self) -> int:
        """The most that is alive while one layer runs; 0 without layers."""
        return max(self.alive, default=0)

    @property
    def peak_index(self) -> int:
        """The index of the first layer with the peak. ValueError without layers."""
        return self.alive.index(self.peak)


def activations(rows: Sequence[LayerSummary], number_bytes: int = FLOAT_BYTES) -> Activations:
    """The memory of a network's layers in order, with Splits, as `Summary.layers` has them.

    `number_bytes` is the size of one number of every blob: 4 for float32, 2 for float16, 1 for whole numbers of 8 bits.
    """
    held = flow_of(rows).held
    sizes: dict[int, int] = {}
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    pieces: dict[str, int] = {}
    outputs: dict[str, None] = {}
    for index, (row, (taken, made)) in enumerate(zip(rows, held, strict=True)):
        for bottom in row.bottoms:
            outputs.pop(bottom, None)
        for name, piece, shape in zip(top_names(row), made, row.top_shapes, strict=True):
            sizes.setdefault(piece, 0 if row.type == "Parameter" else number_bytes * count(shape))
            first.setdefault(piece, 0 if is_input(row.type) else index)
            pieces[name] = piece
            outputs[name] = None
        last.update(dict.fromkeys((*taken, *made), index))
    last.update((pieces[name], len(rows) - 1) for name in outputs)
    changes = [0] * (len(rows) + 1)
    for piece, size in sizes.items():
        changes[first[piece]] += size
        changes[last[piece] + 1] -= size
    alive, now = [], 0
    for change in changes[:-1]:
        now += change
        alive.append(now)
    return Activations(tuple(alive), sum(sizes.values()))


def caffe_memory(rows: Sequence[LayerSummary]) -> int:
    """Bytes that BVLC Caffe 1.0 has in use at least after a run in phase TEST, on the device that it ran on.

    That is every piece, the weights, two arrays as large as its bottom for each BatchNorm (batch_norm_layer.cpp: temp_,
    x_norm_) and one for each Scale in place (scale_layer.cpp: temp_). A process needs more for the columns of
    convolutions or cuDNN's workspaces, and for CUDA itself. Gradients take none before a backward run.
    """
    kept = 0
    for row in rows:
        if row.type == "BatchNorm":
            kept += 2 * count(row.bottom_shapes[0])
        elif row.type == "Scale" and row.tops[0] == row.bottoms[0]:
            kept += count(row.bottom_shapes[0])
    return activations(rows).held + FLOAT_BYTES * (kept + sum(row.parameters for row in rows))
