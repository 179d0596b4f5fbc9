"""The table of ONNX emitters by Caffe type, and what every emitter in it uses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from converters.onnx.graph import Graph
from converters.weights.blobs import Array
from prototxt_gen.proto import LayerParameter
from prototxt_gen.registry import Registry
from prototxt_gen.trace import LayerSummary

# onnx.TensorProto.DataType, for Cast.
FLOAT, INT64, BOOL = 1, 7, 9


@dataclass(frozen=True)
class Layer:
    """A layer to be written as ONNX nodes.

    `row` is its row of `prototxt_gen.trace`: the LayerParameter and the shapes of bottoms, tops and blobs.
    `bottoms` and `tops` are the ONNX values that it takes and must make, `blobs` its weights in Caffe's order and
    shapes. `open_axes` are the axes of the network's inputs whose sizes a caller may change: 0 the batch, 2 and 3
    height and width. Nodes must not depend on such a size where there is a form that does not; sizes in `row` are then
    those of one example.

    A BatchNorm comes together with the Scale behind it where the two are one batch norm: `scale` is then the row of
    the Scale, whose one or two blobs follow the three of the BatchNorm, and whose top is to be made.

    An emitter runs several times: with ones in place of the weights, to find all faults before any are read, at other
    sizes to see that its nodes stay the same, and at last with the weights.
    """

    graph: Graph
    row: LayerSummary
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    blobs: tuple[Array, ...]
    open_axes: frozenset[int] = frozenset()
    scale: LayerSummary | None = None

    @property
    def parameter(self) -> LayerParameter:
        """The LayerParameter."""
        return self.row.layer

    def node(self, operator: str, inputs: Sequence[str], output: str | None = None, **attributes: Any) -> str:
        """Adds a node with one output and returns that value; without `output` it is a new value within the layer.

        The node that makes a top of the layer is named after the layer. Attributes that are None are left out.
        """
        made = output if output is not None else self.graph.value(f"{self.row.name}/{operator}")
        name = self.row.name or self.row.type if made in self.tops else f"{self.row.name}/{operator}"
        self.graph.node(operator, inputs, [made], name, attributes)
        return made

    def nodes(self, operator: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> None:
        """Adds a node with several outputs. It is named as in `node`."""
        own = set(outputs) & set(self.tops)
        name = self.row.name or self.row.type if own else f"{self.row.name}/{operator}"
        self.graph.node(operator, inputs, outputs, name, attributes)

    def value(self, what: str) -> str:
        """A new value within the layer, for an output of `nodes`."""
        return self.graph.value(f"{self.row.name}/{what}")

    def constant(self, array: NDArray[Any] | Sequence[int] | float, what: str) -> str:
        """An initializer named after the layer: `what` says what it is, such as "weight" or "axes"."""
        return self.graph.constant(array, f"{self.row.name}.{what}")

    def hold(self, array: NDArray[Any], top: str) -> None:
        """Makes a top an initializer."""
        self.graph.constants[top] = array

    def chain(self, value: str, top: str, steps: Sequence[tuple[str, Sequence[str]]]) -> None:
        """Nodes one behind the other, from `value` to `top`: operators with their further inputs.

        Without a step the node is an Identity.
        """
        for place, (operator, more) in enumerate(steps or [("Identity", ())], 1):
            value = self.node(operator, [value, *more], top if place == max(len(steps), 1) else None)


def on_four_axes(layer: Layer, value: str) -> str:
    """The first bottom's `value`, with ones behind its axes where it has fewer than four (Caffe: Blob::LegacyShape)."""
    rank = len(layer.row.bottom_shapes[0])
    return value if rank >= 4 else layer.node("Unsqueeze", [value, layer.constant(list(range(rank, 4)), "ones")])


def constant_of(layer: Layer, value: str) -> Array | None:
    """What a value always is, as a Parameter or DummyData makes it; None where that depends on an input."""
    constants = layer.graph.constants
    if value in constants:
        return constants[value]
    for node in layer.graph.nodes:
        if value in node.outputs and node.inputs[0] in constants:
            if node.operator == "Identity":
                return constants[node.inputs[0]]
            if node.operator == "Expand" and node.inputs[1] in constants:
                return np.broadcast_to(constants[node.inputs[0]], constants[node.inputs[1]])
    return None


Emitter: TypeAlias = Callable[[Layer], None]

EMITTERS: Registry[Emitter] = Registry("ONNX layer")
"""Caffe layer type -> emitter, which adds nodes that make the layer's tops from its bottoms.

For a combination of options that it does not support an emitter raises UnsupportedError with the reason only.
"""
