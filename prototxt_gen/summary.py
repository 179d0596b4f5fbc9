"""What a network costs, as Caffe counts it: shapes, parameters, multiply-adds, memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from prototxt_gen.errors import NetworkError
from prototxt_gen.layers import Shape, is_input
from prototxt_gen.memory import Activations, activations
from prototxt_gen.passes.phase import Phase, phase_of, select_phase
from prototxt_gen.passes.splits import insert_splits
from prototxt_gen.proto import NetParameter
from prototxt_gen.tables import aligned
from prototxt_gen.trace import AUTOMATIC, FLOAT_BYTES, LayerSummary, trace


@dataclass(frozen=True)
class Summary:
    """A network's layers with their shapes and costs; `str()` of it is a table."""

    name: str
    layers: tuple[LayerSummary, ...]
    inputs: dict[str, Shape]
    outputs: dict[str, Shape]

    @property
    def parameters(self) -> int:
        """Numbers in all blobs; blobs that layers share count once."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of convolutions, inner products and recurrences over the whole batch."""
        return sum(layer.multiply_adds for layer in self.layers)

    @property
    def memory(self) -> int:
        """Bytes of all tops, Caffe's "Memory required for data"."""
        return sum(layer.memory for layer in self.layers)

    @cached_property
    def activations(self) -> Activations:
        """Bytes of activations, by layer, in float32; `prototxt_gen/memory.py` says what counts."""
        return activations(self.layers)

    @property
    def peak_memory(self) -> int:
        """The most bytes of activations that are alive while one layer runs, in float32. Weights are not among them."""
        return self.activations.peak

    @property
    def peak_layer(self) -> str:
        """The first layer that runs while so much is alive; "" for a network without layers."""
        return self.layers[self.activations.peak_index].name if self.layers else ""

    @property
    def weight_memory(self) -> int:
        """Bytes of all blobs in float32; blobs that layers share count once."""
        return FLOAT_BYTES * self.parameters

    @property
    def top_shapes(self) -> tuple[Shape, ...]:
        """The shapes of all tops in the order of Caffe's "Top shape" lines."""
        return tuple(shape for layer in self.layers for shape in layer.top_shapes)

    def __str__(self) -> str:
        head = ("layer", "type", "top shape", "parameters", "multiply-adds", "memory (bytes)", "alive (bytes)")
        rows = [
            (
                layer.name,
                layer.type,
                "  ".join("x".join(map(str, shape)) or "()" for shape in layer.top_shapes),
                *(f"{number:,}" for number in (layer.parameters, layer.multiply_adds, layer.memory, alive)),
            )
            for layer, alive in zip(self.layers, self.activations.alive, strict=True)
        ]
        total = ("total", "", "", f"{self.parameters:,}", f"{self.multiply_adds:,}", f"{self.memory:,}", "")
        lines = aligned([head, *rows, total], right=(3, 4, 5, 6))
        rule = "-" * max(map(len, lines))
        where = f", at {self.peak_layer}" if self.layers else ""
        peak = (
            f"peak memory of activations: {self.peak_memory:,} bytes{where}; of weights: {self.weight_memory:,} bytes"
        )
        return "\n".join([*filter(None, [self.name]), lines[0], rule, *lines[1:-1], rule, lines[-1], peak])


def summarize(
    net: NetParameter,
    phase: Phase | None = None,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
) -> Summary:
    """Shapes and costs of the network in one phase, with the Split layers that Caffe inserts (Caffe: net.cpp, Init).

    Without `phase` it is the one in the network's state, where `select_phase` leaves it, else TEST. `input_shapes`
    gives or replaces the shapes of inputs and of tops of data layers, by top name. The network may be in any of the
    formats that `upgrade` reads. UnsupportedError lists all layers of unknown type, NetworkError all layers whose
    parameters or bottoms do not fit.
    """
    plain = select_phase(net, phase or phase_of(net))
    try:
        layers = trace(insert_splits(plain), input_shapes)
    except NetworkError:
        trace(plain, input_shapes)  # tells the same faults in the words of the layers as they were written
        raise
    left: dict[str, Shape] = {}
    inputs: dict[str, Shape] = {}
    for layer in layers:
        for bottom in layer.bottoms:
            left.pop(bottom, None)
        named = {top: shape for top, shape in zip(layer.tops, layer.top_shapes, strict=True) if top != AUTOMATIC}
        left.update(named)
        if is_input(layer.type):
            inputs.update(named)
    return Summary(net.name, tuple(layers), inputs, left)
