"""An ONNX file to a network and its weights."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from converters.onnx.models.branches import has_branches, taken_branch
from converters.onnx.models.budget import Budget
from converters.onnx.models.folding import can_fold, folded
from converters.onnx.models.model import Model, Node, Sizes, read_model
from converters.onnx.models.patterns import recognised
from converters.onnx.models.standins import StandIn, inferred_stand_ins, stated_stand_in
from converters.onnx.moving import views
from converters.onnx.moving.channels_last import channels_first, first_again, to_last
from converters.onnx.moving.slicing import join_slices
from converters.onnx.names import fitted_names, named, renamed
from converters.onnx.network import MOST_LAYERS, Dialect, Network, Options
from converters.onnx.operators import OPERATORS, REFUSED, Call
from converters.onnx.operators.checking import check_node
from converters.onnx.values import Constant, Tensor
from converters.weights import Weights
from converters.weights.fitting import fit_weights
from converters.weights.merge import merge_batchnorm
from prototxt_gen.errors import CaffeError, NetworkError, UnsupportedError
from prototxt_gen.layers import Shape, is_input
from prototxt_gen.layers.layer_types import checked_shape
from prototxt_gen.proto import NetParameter
from prototxt_gen.trace import trace

# What exporters call a graph that nobody named.
_NO_NAMES = ("", "main_graph", "main", "torch_jit", "torch-jit-export", "graph", "Model from PaddlePaddle.")

Value: TypeAlias = "Constant | Tensor | StandIn | None"


def read_onnx(
    path: str | os.PathLike[str],
    dialect: Dialect = "bvlc",
    *,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    merged: bool = True,
    round_mode: bool = True,
    gelu: Literal["tanh"] | None = None,
    separator: str = "/",
    longest: int | None = None,
) -> tuple[NetParameter, Weights]:
    """The network of an ONNX file in Caffe's language, and its weights; it computes the same numbers.

    With the dialect "bvlc" it is written in layers that stock BVLC Caffe 1.0 has, with "fork" also in those of the
    known forks (Permute, ReLU6, Interp, ShuffleChannel, ...). An open batch is read as 1; other open sizes must be
    given: `input_shapes` has shapes by the names of inputs. With `merged` batch normalisation is folded into the layer
    before it, without it stays BatchNorm and Scale. `round_mode=False` is for a Caffe from before 2018, whose pooling
    has none. `gelu="tanh"` writes the exact GELU by its tanh form, which differs by up to 5e-4. Opsets from 7 on are
    read; weights of other widths become float32.

    Layers and blobs are named by module paths, as `layer1.0.conv1`, or by scopes; inputs and outputs keep their names.
    `separator` stands in names instead of "/", and no name is longer than `longest` characters.

    FileError and FormatError where the file, or one with external data, is missing or broken. NetworkError for shapes
    that are open or do not fit. UnsupportedError lists every node that Caffe cannot do exactly, with what its exporter
    says of where it came from.
    """
    model = read_model(path)
    try:
        net, weights = to_network(model, Options(dialect, round_mode, gelu), input_shapes, merged=merged)
        names = fitted_names(names_of(net), separator=separator, limit=longest)
    except (CaffeError, ValueError) as fault:
        kind = type(fault) if isinstance(fault, CaffeError) else NetworkError
        raise kind(f"{os.fspath(path)}: {fault}") from fault
    if model.name in _NO_NAMES:
        net.name = Path(path).stem
    return renamed(net, weights, names)


def names_of(net: NetParameter) -> Iterator[str]:
    """The names that people give or ask for come first, so that these are the last to change."""
    for layer in net.layer:
        yield layer.name
    for layer in net.layer:
        yield from layer.top


def to_network(
    model: Model,
    options: Options,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    *,
    merged: bool = True,
) -> tuple[NetParameter, Weights]:
    """A model as a network of Caffe and its weights; arguments and errors are those of `read_onnx`."""
    shapes = _input_shapes(model, input_shapes or {})
    turned = channels_first(model, shapes)
    for name, shape in turned.items():
        _say_channels_first("input", name, shapes[name], shape)
    model = recognised(_decided(model, options, shapes, turned))
    original = model.nodes
    model = named(model)
    live = live_nodes(model)
    nodes = [model.nodes[index] for index in live]
    walk = _Walk(model, _started(model, options), nodes, bool(turned))
    for name, shape in shapes.items():
        walk.input(name, shape, turned.get(name))
    for index in live:
        walk.node(model.nodes[index], original[index])
    walk.outputs()
    if walk.faults:
        number = len(walk.faults)
        listed = ";\n".join(walk.faults)
        raise UnsupportedError(f"Caffe cannot do {number} {'node' if number == 1 else 'nodes'} exactly:\n{listed}")
    net = walk.net
    net.net.name = model.name
    net.keep([*walk.tops.values(), *walk.sources])
    join_slices(net.net, {tensor.blob for tensor in walk.tops.values()})
    net.rename_results(node.name for node in nodes)
    # Of several names a blob has the first value's, or before that an output's. An output that is an input, too, cannot
    # have its name.
    tops = {name: tensor for name, tensor in walk.tops.items() if name not in model.inputs}
    within = {tensor.blob: name for name, tensor in reversed(walk.named.items()) if name not in tops}
    net.rename_tops(within | {tensor.blob: name for name, tensor in tops.items()})
    net.run_in_place()
    made, weights = merge_batchnorm(net.net, net.weights) if merged else (net.net, net.weights)
    _, faults = fit_weights(trace(made), weights)
    if faults:
        raise NetworkError(f"weights do not fit: {'; '.join(faults)}")
    return made, weights


def _say_channels_first(kind: str, name: str, old: Shape, new: Shape) -> None:
    warnings.warn(
        f"{kind} {name!r}: in the file {old} with channels last, in the network {new} with channels first",
        UserWarning,
        stacklevel=4,
    )


def _started(model: Model, options: Options) -> Network:
    open_batch = any(sizes is not None and sizes[:1] == (None,) for sizes in model.inputs.values())
    return Network(options, budget=Budget.of(model.constants), open_batch=open_batch)


def _decided(
    model: Model, options: Options, shapes: Mapping[str, tuple[int, ...]], turned: Mapping[str, Shape]
) -> Model:
    """The model with the branch that is taken in the place of every If whose condition is known.

    That may hang on any shape before it, so the nodes up to the last If are read once for this alone.
    """
    live = [model.nodes[index] for index in live_nodes(model)]
    waiting = sum(map(has_branches, live))
    if not waiting:
        return model
    walk = _Walk(model, _started(model, options), live, bool(turned))
    for name, shape in shapes.items():
        walk.input(name, shape, turned.get(name))
    taken = {*walk.values, *(value for node in live for value in (*node.inputs, *node.outputs))}
    constants, made, coming = dict(model.constants), [], live[::-1]
    while coming:
        node = coming.pop()
        if not waiting:
            made.append(node)
            continue
        condition = walk.values[node.inputs[0]] if has_branches(node) else None
        waiting -= has_branches(node)
        if isinstance(condition, np.ndarray) and condition.size == 1:
            nodes, added = taken_branch(node, bool(condition.reshape(())), taken)
            waiting += sum(map(has_branches, nodes))
            walk.values |= added
            constants |= added
            coming.extend(reversed(nodes))
            continue
        walk.node(node, node)
        found = {name: walk.values[name] for name in node.outputs if name}
        known = {name: value for name, value in found.items() if isinstance(value, np.ndarray)}
        constants |= known  # patterns ask for constants
        if len(known) < len(found):
            made.append(replace(node, outputs=tuple("" if name in known else name for name in node.outputs)))
    return replace(model, nodes=tuple(made), constants=constants)


def live_nodes(model: Model) -> list[int]:
    """The places of the nodes that outputs need, in order."""
    needed = set(model.outputs)
    live = []
    for index in reversed(range(len(model.nodes))):
        node = model.nodes[index]
        if needed.intersection(filter(None, node.outputs)):
            live.append(index)
            needed.update(node.inputs)
    return live[::-1]


def _input_shapes(model: Model, given: Mapping[str, Sequence[int]]) -> dict[str, tuple[int, ...]]:
    """The shape of every input; NetworkError lists sizes that are open, and shapes given that do not fit."""
    faults = []
    if unknown := sorted(set(given) - set(model.inputs)):
        faults.append(f"input_shapes: found {', '.join(unknown)}, expected of the inputs {', '.join(model.inputs)}")
    shapes = {}
    for name, sizes in model.inputs.items():
        try:
            shapes[name] = _input_shape(name, sizes, given.get(name))
        except NetworkError as fault:
            faults.append(str(fault))
    if faults:
        raise NetworkError("; ".join(faults))
    return shapes


def _input_shape(name: str, sizes: Sizes | None, given: Sequence[int] | None) -> tuple[int, ...]:
    if given is not None:
        shape = checked_shape(given, f"input_shapes[{name!r}]")
        if sizes is not None and len(shape) != len(sizes):
            raise NetworkError(f"input_shapes[{name!r}]: found {shape}, expected {len(sizes)} sizes: {_written(sizes)}")
        return shape
    if sizes is None:
        raise NetworkError(f"input {name!r}: found no shape in the file, give it as input_shapes[{name!r}]")
    if None in sizes[1:]:
        raise NetworkError(
            f"input {name!r}: found open sizes in {_written(sizes)}, but Caffe needs them: give input_shapes[{name!r}]"
        )
    return checked_shape([1 if size is None else size for size in sizes], f"input {name!r}")


def _written(sizes: Sizes) -> str:
    return f"({', '.join('?' if size is None else str(size) for size in sizes)})"


@dataclass
class _Walk:
    """Nodes in order, each to layers or to constants; values are what has become of them so far."""

    model: Model
    net: Network
    nodes: Sequence[Node]
    channels_last: bool
    """Whether inputs of the file have channels last, and channels first here: its outputs are treated alike then."""

    def __post_init__(self) -> None:
        self.values: dict[str, Value] = {"": None, **self.model.constants}
        self.values |= {name: StandIn() for name in self.model.refused}
        self.taken = {*self.model.outputs, *(value for node in self.nodes for value in node.inputs)}
        self.faults: list[str] = []
        self.shapes: dict[str, Shape] = {}
        """The inputs' shapes."""
        self.inferred: dict[str, StandIn] | None = None
        self.named: dict[str, Tensor] = {}
        """By value the tensor that the last layer of its node made."""
        self.sources: list[Tensor] = []
        """The inputs' blobs: they stay, also where only their shape is asked for."""
        self.tops: dict[str, Tensor] = {}
        """The outputs' blobs."""

    def input(self, name: str, shape: Shape, channels_first: Shape | None = None) -> None:
        """An input of the model becomes a layer, of the shape `channels_first` where it is given so."""
        self.net.stem = name
        tensor = self.net.layer("Input", [], input_param={"shape": [{"dim": list(channels_first or shape)}]})
        value = Tensor(tensor.blob, tensor.shape, whole=name in self.model.whole)
        if channels_first is not None:
            value = views.transposed(self.net, value, to_last(len(shape)), "channels last")
        self.values[name] = value
        self.named[name] = tensor
        self.sources.append(tensor)
        self.shapes[name] = shape

    def node(self, node: Node, original: Node) -> None:
        """A node becomes constants or layers, or a line in `faults` and stand-ins for what it makes.

        `original` is the node under the name that it has in the file.
        """
        inputs = [self._value(name) for name in node.inputs]
        self.net.stem = node.name or next(filter(None, node.outputs))
        first = len(self.net.net.layer)
        self.net.room = first + MOST_LAYERS
        try:
            self._refuse_values(node)
            if not node.made:
                check_node(node, self.model.opset)
            made = self._made(node, inputs)
            self._check_outputs(node, made)
        except UnsupportedError as fault:
            self._refuse(original, str(fault))
            made = None
        except Exception as fault:  # readers go by ONNX's definitions, which this node's inputs break
            self._refuse(original, f"found inputs and attributes that do not fit ({type(fault).__name__}: {fault})")
            made = None
        if made is None:  # also where the node takes what a refused one makes
            self.values |= {name: stated_stand_in(self.model.shapes.get(name)) for name in node.outputs if name}
            return
        self.net.name_last(made, first)
        for name, value in zip(node.outputs, made, strict=False):
            if name:
                self.values[name] = value
                if isinstance(value, Tensor):
                    self.named[name] = value

    def outputs(self) -> None:
        """Every output of the model gets a blob of its own that no layer takes; where it has none, a Split makes it."""
        plain: dict[str, list[str]] = {}
        tensors: dict[str, Tensor] = {}
        for name in self.model.outputs:
            value = self.values[name]
            self.net.stem = name
            self.net.room = len(self.net.net.layer) + MOST_LAYERS
            try:
                if name in self.model.refused:
                    raise UnsupportedError(self.model.refused[name])
                if isinstance(value, (Tensor, np.ndarray)):
                    tensor = self._plain(name, value) if isinstance(value, Tensor) else self.net.constant(value, "")
                    plain.setdefault(tensor.blob, []).append(name)
                    tensors[tensor.blob] = tensor
            except UnsupportedError as fault:
                self.faults.append(f"output {name!r}: {fault}")
        taken = {blob for layer in self.net.net.layer for blob in layer.bottom}
        inputs = {top for layer in self.net.net.layer if is_input(layer.type) for top in layer.top}
        for blob, names in plain.items():
            made = [tensors[blob]]
            if len(names) > 1 or blob in taken or blob in inputs:
                self.net.stem = names[0]
                made = self.net.tops("Split", made, len(names), suffix="output")
            self.tops.update(zip(names, made, strict=True))

    def _plain(self, name: str, value: Tensor) -> Tensor:
        """An output's blob; where the file's maps have channels last, a map with its channels moved there stays."""
        kept = first_again(value) if self.channels_last and self.net.options.dialect == "bvlc" else None
        if kept is None:
            return views.as_map(self.net, value)
        _say_channels_first("output", name, value.shape, kept.shape)
        return kept

    def _made(self, node: Node, inputs: list[Value]) -> list[Constant | Tensor] | None:
        """The outputs of a node, None where that cannot be known."""
        if any(isinstance(value, StandIn) and value.shape is None for value in inputs):
            if node.operator in REFUSED:
                raise UnsupportedError(REFUSED[node.operator])
            if node.operator not in OPERATORS and not can_fold(node):
                raise UnsupportedError("no layer of Caffe does this")
            return None
        known = [
            Tensor(name, value.shape or (), whole=value.whole) if isinstance(value, StandIn) else value
            for name, value in zip(node.inputs, inputs, strict=True)
        ]
        constants = [value for value in known if not isinstance(value, Tensor)]
        if len(constants) == len(known):
            if can_fold(node):
                return list(folded(node, constants, self.model.opset, self.net.budget))
            if node.operator in OPERATORS and constants and constants[0] is not None:
                known[0] = self.net.constant(constants[0])
        if node.operator not in OPERATORS:
            raise UnsupportedError("no layer of Caffe does this")
        result = OPERATORS[node.operator](Call(node, tuple(known), self.model.opset), self.net)
        return [result] if isinstance(result, (Tensor, np.ndarray)) else list(result)

    def _value(self, name: str) -> Value:
        """What has become of a value so far; the shape of a stand-in is inferred when it is first taken."""
        value = self.values[name]
        if isinstance(value, StandIn) and value.shape is None and name not in self.model.refused:
            if self.inferred is None:
                self.inferred = inferred_stand_ins(self.model, self.shapes)
            value = self.values[name] = self.inferred.get(name, value)
        return value

    def _refuse_values(self, node: Node) -> None:
        found = [
            f"takes {value!r}: {self.model.refused[value]}" for value in node.inputs if value in self.model.refused
        ]
        if found:
            raise UnsupportedError("; ".join(found))

    def _check_outputs(self, node: Node, made: Sequence[Any] | None) -> None:
        for place, name in enumerate(node.outputs):
            if made is not None and place >= len(made) and name in self.taken and name:
                raise UnsupportedError(f"output {place}, {name!r}, is used, but no layer of Caffe makes it")

    def _refuse(self, node: Node, why: str) -> None:
        self.faults.append(f"{node}: {why}{node.origin}")
