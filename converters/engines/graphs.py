"""What the engines that run ONNX share: the graph of a network, and batches that a fixed graph takes in pieces."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from converters.engines.engine import Blobs, Session, Shapes
from converters.weights.blobs import Array
from prototxt_gen.errors import NetworkError, NotInstalledError, UnsupportedError
from prototxt_gen.layers import Shape
from prototxt_gen.proto import NetParameter

if TYPE_CHECKING:
    from converters.onnx.exporting import Exported


def graph_of(
    net: NetParameter,
    weights: Blobs | None,
    outputs: Sequence[str] | None,
    shapes: Shapes | None,
    merged: bool = False,
) -> tuple[Exported, bool]:
    """A graph for any batch where the network allows that, else for the one that it states; and whether it is for any.

    Unless `merged` asks for it, folding batch norm is left to the engine, which does it in a fraction of the time.
    """
    from converters.onnx.exporting import to_graph

    if weights is None:  # the fillers' random numbers are torch's
        from converters.pytorch.module import to_torch, weights_of

        weights = weights_of(to_torch(net, outputs=outputs, input_shapes=shapes))
    try:
        return to_graph(net, weights, outputs=outputs, merged=merged, dynamic="batch", input_shapes=shapes), True
    except UnsupportedError:
        return to_graph(net, weights, outputs=outputs, merged=merged, input_shapes=shapes), False


class GraphSession(Session):
    """A graph of ONNX in an engine; `inputs` and `outputs` map our names to those in the graph.

    Where the graph keeps one batch size (`any_batch` is False), a batch that is a multiple of it runs in pieces.
    `label` is what messages call the network, `title` the engine.
    """

    title: str

    def __init__(
        self,
        inputs: Mapping[str, str],
        outputs: Mapping[str, str],
        shapes: Mapping[str, Shape],
        label: str,
        any_batch: bool,
    ) -> None:
        super().__init__({name: shapes[name] for name in inputs}, list(outputs))
        self._inputs = dict(inputs)
        self._outputs = dict(outputs)
        self._label = label
        self._any_batch = any_batch

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        given = {name: np.ascontiguousarray(array, np.float32) for name, array in self._given(inputs).items()}
        pieces = self._pieces(given)
        if pieces == 1:
            joined = self._once(given)
        else:
            results = [
                self._once({name: np.split(array, pieces)[index] for name, array in given.items()})
                for index in range(pieces)
            ]
            if any(array.ndim == 0 for array in results[0]):
                raise NetworkError(
                    f"{self._label}: {self.title}: found a batch {pieces} times the network's, "
                    "but an output without a batch"
                )
            joined = [np.concatenate(parts) for parts in zip(*results, strict=True)]
        return dict(zip(self.outputs, joined, strict=True))

    def _pieces(self, inputs: Mapping[str, Array]) -> int:
        """How many batches of the network's size the inputs hold; 1 where that is not a whole number."""
        times = set()
        if self._any_batch:
            return 1
        for name, shape in self.inputs.items():
            found = inputs[name].shape
            if not shape or not shape[0] or len(found) != len(shape) or found[0] % shape[0]:
                return 1
            times.add(found[0] // shape[0])
        return max(times.pop(), 1) if len(times) == 1 else 1

    @abstractmethod
    def _once(self, inputs: Mapping[str, Array]) -> list[Array]:
        """The outputs in their order, arrays that the caller may keep, for contiguous inputs by our names."""

    def _check_shapes(self, found: Mapping[str, Shape]) -> None:
        """UnsupportedError where inputs of these shapes are not the network's; all sizes of an open batch are."""
        wrong = [
            f"{name}: found {found[name]}, expected {('N', *own[1:]) if self._any_batch else own}"
            for name, own in self.inputs.items()
            if len(found[name]) != len(own) or found[name][self._any_batch :] != own[self._any_batch :]
        ]
        if wrong:
            raise UnsupportedError(f"{self._label}: {self.title} cannot run it: {'; '.join(wrong)}")

    def _cannot(self, fault: Exception) -> UnsupportedError:
        return cannot_run(self._label, self.title, fault)


def cannot_run(label: str, title: str, fault: Exception) -> UnsupportedError:
    """The error for a network that an engine refuses, from the engine's own exception."""
    return UnsupportedError(f"{label}: {title} cannot run it: {first_line(fault)}")


def package(name: str, extra: str, purpose: str) -> Any:
    """The module of an optional package. NotInstalledError names the extra that brings it."""
    try:
        return import_module(name)
    except ImportError as fault:
        raise NotInstalledError(name, extra, purpose) from fault


def first_line(fault: Exception) -> str:
    """What an exception of another project says, in one line of at most 300 characters."""
    return " ".join(str(fault).split())[:300] or type(fault).__name__
