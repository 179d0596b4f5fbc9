"""Checks inputs of other sizes than the network's: what Caffe refuses when it reshapes a network is refused here."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from prototxt_gen.binary import from_binary, to_binary
from prototxt_gen.errors import NetworkError
from prototxt_gen.layers import Shape, is_input
from prototxt_gen.proto import NetParameter
from prototxt_gen.trace import LayerSummary, trace

# More combinations of sizes than a network is used with; any further ones are traced at every call.
_MOST_KNOWN = 1000


class SizeCheck(nn.Module):
    """Called with a module's inputs, before anything is computed: NetworkError for sizes that do not fit the layers.

    PyTorch would silently broadcast, cut or add up many of them. Sizes that fit are remembered. Nothing is checked
    while torch traces or compiles, when sizes may be symbols instead of numbers.
    """

    _is_impure = True  # torch.fx drops calls whose result is not used, except those of such modules

    def __init__(self, name: str, rows: Sequence[LayerSummary], tops: Sequence[str]) -> None:
        """`rows` are the live layers of network `name`, `tops` the names of its inputs in their order."""
        super().__init__()
        net = NetParameter(name=name)
        net.layer.extend(row.layer for row in rows)
        self.net = to_binary(net)  # bytes can be copied and pickled wherever a module can
        self.tops = tuple(tops)
        self.stated = {
            top: shape
            for row in rows
            if is_input(row.type)
            for top, shape in zip(row.tops, row.top_shapes, strict=True)
        }
        self.blobs = [row.blob_shapes for row in rows]
        self.known = {tuple(self.stated.get(top) for top in tops)}

    def forward(self, *inputs: Tensor | None) -> None:
        """Tensors in the order of `tops`; None where one was left out."""
        if torch.compiler.is_compiling() or torch.jit.is_tracing():  # type: ignore[attr-defined]
            return
        found = tuple(tuple(x.shape) if isinstance(x, Tensor) else None for x in inputs)
        if found in self.known or any(type(size) is not int for shape in found for size in shape or ()):
            return
        self._check(found)
        if len(self.known) < _MOST_KNOWN:
            self.known.add(found)

    def _check(self, found: Sequence[Shape | None]) -> None:
        given = {top: shape for top, shape in zip(self.tops, found, strict=True) if shape is not None}
        net = from_binary(self.net)
        rows = trace(net, self.stated | {top: shape for top, shape in given.items() if top in self.stated})
        for row, shapes in zip(rows, self.blobs, strict=True):
            if row.blob_shapes != shapes:
                raise NetworkError(
                    f"network {net.name!r}: layer {row.name!r} ({row.type}): bottom[0]: found shape "
                    f"{row.bottom_shapes[0]}, which needs blobs of shapes {list(row.blob_shapes)}, "
                    f"expected one that fits its blobs of shapes {list(shapes)}"
                )
