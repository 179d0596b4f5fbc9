"""A network's layers as nodes: which rows are one node's, what each value is called, what every layer adds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.onnx.graph import Graph, GraphNode
from converters.onnx.layers import EMITTERS, Layer
from converters.weights.blobs import Array
from prototxt_gen.errors import UnsupportedError
from prototxt_gen.flow import Flow, Read, Value, flow_of, passes_on, top_names
from prototxt_gen.layers import is_input
from prototxt_gen.layers.layer_types import shared_names
from prototxt_gen.layers.normalization import is_affine_part
from prototxt_gen.proto import NetParameter
from prototxt_gen.trace import LayerSummary, trace


@dataclass(frozen=True)
class Traced:
    """A network that is to be written, at one size of its inputs.

    `net` has the layers that the outputs need, and at its end a Silence that takes these: the last row.
    """

    net: NetParameter
    rows: Sequence[LayerSummary]
    flow: Flow

    @classmethod
    def of(cls, net: NetParameter, shapes: Mapping[str, Sequence[int]]) -> Traced:
        """The network with inputs of these shapes."""
        rows = trace(net, shapes)
        return cls(net, rows, flow_of(rows))

    def outputs(self) -> list[Read]:
        """What the outputs read."""
        return self.flow.reads[-1]

    def output_shapes(self) -> list[tuple[int, ...]]:
        """The shapes of the outputs."""
        return list(self.rows[-1].bottom_shapes)


@dataclass
class Emission:
    """A graph, what each row has added to it, and what is wrong with which rows."""

    graph: Graph = field(default_factory=Graph)
    nodes: dict[int, list[GraphNode]] = field(default_factory=dict)
    constants: dict[int, dict[str, NDArray[Any]]] = field(default_factory=dict)
    faults: dict[int, str] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)


def emit(
    traced: Traced,
    names: Sequence[str],
    open_axes: frozenset[int],
    blobs: Callable[[int], tuple[Array, ...]],
) -> Emission:
    """The network as nodes; `names` are those of its outputs, `blobs` gives the weights of a row."""
    rows, flow = traced.rows, traced.flow
    done = Emission()
    graph = done.graph
    values, late = named(traced, names, done)
    scales, filtered = norms(traced), filtered_rows(traced)
    for index, row in enumerate(rows[:-1]):
        if is_input(row.type) or passes_on(row) or index in scales.values():
            continue
        norm = scales.get(index)
        first = index if norm is None else norm
        nodes, constants = len(graph.nodes), len(graph.constants)
        axes = open_axes | {0} if index in filtered else open_axes
        try:
            if rows[first].type not in EMITTERS:
                raise UnsupportedError("no ONNX form for this type")
            EMITTERS[rows[first].type](
                Layer(
                    graph,
                    rows[first],
                    tuple(_seen(graph, traced, values, read, rows[first], axes) for read in flow.reads[first]),
                    tuple(values[Value(index, place)] for place in range(len(row.tops))),
                    blobs(first) + (blobs(index) if norm is not None else ()),
                    axes,
                    None if norm is None else row,
                )
            )
        except UnsupportedError as fault:
            done.faults[first] = str(fault)
        done.nodes[index] = graph.nodes[nodes:]
        done.constants[index] = dict(list(graph.constants.items())[constants:])
    for name, read, value in late:
        axes = open_axes | {0} if read.value.row in filtered else open_axes
        seen = _seen(graph, traced, values, read, None, axes)
        graph.node("Identity", [seen], [value], name, {})
    return done


def filtered_rows(traced: Traced) -> set[int]:
    """The rows that come out of a Filter: their sizes depend on its numbers, and those of the trace are the most."""
    found: set[int] = set()
    for index, (row, reads) in enumerate(zip(traced.rows, traced.flow.reads, strict=True)):
        if row.type == "Filter" or any(read.value.row in found for read in reads):
            found.add(index)
    return found


def named(traced: Traced, names: Sequence[str], done: Emission) -> tuple[dict[Value, str], list[tuple[str, Read, str]]]:
    """The name of every value, and the outputs that take a node of their own: name, read and value.

    Inputs come first, then outputs, so that these have their names whatever the rest is called.
    """
    rows, flow, graph = traced.rows, traced.flow, done.graph
    values: dict[Value, str] = {}
    reads = {read for row_reads in flow.reads for read in row_reads}
    needed = {read.value for read in reads} | {read.like for read in reads}
    for index, row in enumerate(rows):
        for place, top in enumerate(row.tops if is_input(row.type) else ()):
            value = Value(index, place)
            if value in needed:
                values[value] = done.inputs[top] = graph.value(top)
    outputs = list(zip(names, traced.outputs(), strict=True))

    def own(value: Value) -> str:
        return top_names(rows[value.row])[value.top]

    # Of several names that a value goes out under, it has the one that its layer gives it.
    for name, read in sorted(outputs, key=lambda pair: pair[0] != own(pair[1].value)):
        if read.like is None and read.value not in values and rows[read.value.row].type != "Parameter":
            taken = name in done.inputs
            values[read.value] = done.outputs[name] = graph.value(
                f"{name}/{rows[read.value.row].name}" if taken else name
            )
    late = []
    for name, read in outputs:
        if name not in done.outputs:
            done.outputs[name] = graph.value(f"{name}/output" if name in done.inputs else name)
            late.append((name, read, done.outputs[name]))
    done.outputs = {name: done.outputs[name] for name in names}
    for last in (True, False):  # what a blob holds at the end has the blob's name
        for index, row in enumerate(rows[:-1]):
            if is_input(row.type) or passes_on(row):
                continue
            for place, top in enumerate(top_names(row)):
                value = Value(index, place)
                if value not in values and last == (flow.final[top] == Read(value)):
                    plain = last and top not in done.inputs
                    values[value] = graph.value(top if plain else f"{top}/{row.name}")
    return values, late


def norms(traced: Traced) -> dict[int, int]:
    """The row of each Scale that is one batch norm with a BatchNorm, and the row of that."""
    rows, flow = traced.rows, traced.flow
    readers: Counter[Value] = Counter()
    for reads in flow.reads:
        readers.update(value for read in reads for value in (read.value, read.like) if value is not None)
    shared = shared_names(row.layer for row in rows)
    found = {}
    for index, row in enumerate(rows):
        if row.type != "Scale" or not flow.reads[index]:
            continue
        source = flow.reads[index][0].value
        if (
            readers[source] == 1
            and flow.reads[index] == [Read(source)]
            and is_affine_part(row.layer, rows[source.row].layer, len(row.bottom_shapes[0]))
            and not any(spec.name in shared for part in (source.row, index) for spec in rows[part].layer.param)
        ):
            found[index] = source.row
    return found


def _seen(
    graph: Graph,
    traced: Traced,
    values: Mapping[Value, str],
    read: Read,
    reader: LayerSummary | None,
    open_axes: frozenset[int],
) -> str:
    """The value as a reader sees it: memory that was written in another shape takes a Reshape."""
    value = values[read.value]
    if read.like is None:
        return value
    row = traced.rows[read.like.row]
    label = f"{reader.name if reader is not None else top_names(row)[read.like.top]}/Reshape"
    made = graph.value(label)
    if open_axes:
        shape = graph.value(f"{label}.shape")
        graph.node("Shape", [values[read.like]], [shape], f"{label}.shape", {})
    else:
        shape = graph.constant(list(row.top_shapes[read.like.top]), f"{label}.shape")
    graph.node("Reshape", [value, shape], [made], label, {})
    return made


def ones(rows: Sequence[LayerSummary]) -> Callable[[int], tuple[Array, ...]]:
    """Ones in place of the blobs of every row, without memory; shared ones are one array."""
    shared: dict[tuple[str, tuple[int, ...]], Array] = {}

    def blobs(index: int) -> tuple[Array, ...]:
        row = rows[index]
        made = []
        for place, shape in enumerate(row.blob_shapes):
            array = np.broadcast_to(np.float32(1), shape)
            name = row.layer.param[place].name if place < len(row.layer.param) else ""
            made.append(shared.setdefault((name, shape), array) if name else array)
        return tuple(made)

    return blobs
