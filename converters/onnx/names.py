"""Names of layers that people recognise: module paths for PyTorch, scopes for others; unique, and short where asked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, takewhile

from converters.onnx.models.model import Model, Node
from converters.weights import Weights
from prototxt_gen.proto import NetParameter

OUR_PRODUCER = "dongfeng"
"""The producer of our own exporter's files, whose nodes are named as their layers."""

_LONGEST = 1000
# Operators that leave their input as it is at test time: what they are named must not take a layer's name.
_PASSING = frozenset({"Identity", "Dropout", "Cast", "CastLike"})
_SHAPES_ONLY = frozenset({"Shape", "Size"})
_WITH_WEIGHTS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
_OPERATOR = re.compile(r"[A-Z][A-Za-z0-9]*?(?:V\d+)?(?:_\d+)?")


def layer_names(model: Model) -> tuple[str, ...]:
    """For each node the name of the layer that it becomes. Nodes that compute with tensors have unique names.

    A node of PyTorch's is named by its module: `layer1.0.conv1`, and `layer1.0.relu_2` when the module runs again. What
    a module computes beside its submodules is named by the operation: `layer1.0.add`. Nodes of others are named by
    their scopes without the operator (`block1/conv1` for `model/block1/conv1/Conv2D`), by their own names, or by their
    first output. In files of our own exporter node names are layer names and stay.
    """
    plain = [node.name or next(filter(None, node.outputs), "") or node.operator for node in model.nodes]
    if model.producer == OUR_PRODUCER:
        return tuple(plain)
    living = set(_living(model))
    places = [
        _place(node) if index in living and node.operator not in _PASSING else None
        for index, node in enumerate(model.nodes)
    ]
    places = _without_root(_completed(places, model.nodes))
    wished = [(name, False) for name in plain]
    for indices, name, exact in _calls(places):
        for index in indices[:-1]:
            wished[index] = (f"{name}/{_operation(model.nodes[index])}", False)
        wished[indices[-1]] = (name, exact)
    return _unique(wished, living, model.inputs)


def named(model: Model) -> Model:
    """The model with every node under its layer's name (see `layer_names`), and its values likewise.

    Inputs, outputs and constants keep their names, and so do values of nodes that compute only with shapes. A node's
    several outputs are `name_0`, `name_1`, ... Files of our own exporter stay as they are.
    """
    if model.producer == OUR_PRODUCER:
        return model
    names, living = layer_names(model), set(_living(model))
    kept = {*model.inputs, *model.outputs, *model.constants}
    kept |= {value for index, node in enumerate(model.nodes) if index not in living for value in node.outputs}
    taken = dict.fromkeys(kept, 1)
    values: dict[str, str] = {}
    for index, node in enumerate(model.nodes):
        made = [value for value in node.outputs if value]
        for place, value in enumerate(made):
            if value not in kept:
                values[value] = _numbered(names[index] if len(made) == 1 else f"{names[index]}_{place}", taken, None)
    nodes = tuple(
        replace(
            node,
            name=name,
            inputs=tuple(values.get(value, value) for value in node.inputs),
            outputs=tuple(values.get(value, value) for value in node.outputs),
        )
        for node, name in zip(model.nodes, names, strict=True)
    )
    return replace(model, nodes=nodes, shapes={values.get(name, name): shape for name, shape in model.shapes.items()})


def with_outputs(model: Model, names: Sequence[str]) -> Model:
    """The model with its outputs under other names, in order; an empty name stands for that of the output's layer.

    An output whose new name another value has keeps its own. An input or constant that is an output goes through an
    Identity where a name is wished for it.
    """
    layers = {value: name for node, name in zip(model.nodes, layer_names(model), strict=True) for value in node.outputs}
    taken = {*model.inputs, *model.constants, *(value for node in model.nodes for value in node.outputs)}
    values: dict[str, str] = {}
    passed: dict[str, str] = {}
    for old, wished in zip(model.outputs, names, strict=True):
        new = wished or layers.get(old, old)
        if old not in layers and wished and wished not in taken:
            passed[old] = wished
            taken.add(wished)
        if old in layers and old not in values and new not in taken:
            values[old] = new
            taken.add(new)
    nodes = tuple(
        replace(
            node,
            inputs=tuple(values.get(value, value) for value in node.inputs),
            outputs=tuple(values.get(value, value) for value in node.outputs),
        )
        for node in model.nodes
    )
    nodes += tuple(Node(new, "Identity", "", (old,), (new,)) for old, new in passed.items())
    outputs = tuple(passed.get(value, values.get(value, value)) for value in model.outputs)
    shapes = {values.get(name, name): shape for name, shape in model.shapes.items()}
    return replace(model, nodes=nodes, outputs=outputs, shapes=shapes)


def fitted_names(names: Iterable[str], *, separator: str = "/", limit: int | None = None) -> dict[str, str]:
    """Each name with `separator` for "/", at most `limit` characters long. Different names stay different.

    What is too long loses letters in the parts before its last: `features.denseblock1.denselayer1.norm1` is
    `fea1.den1.denselayer1.norm1` in 32 characters. ValueError where the limit leaves no room for that many names.
    """
    wanted = list(dict.fromkeys(names))
    made: dict[str, str] = {}
    taken: dict[str, int] = {}
    for name in wanted:
        new = name.replace("/", separator)
        if (limit is None or len(new) <= limit) and new not in taken:
            made[name] = new
            taken[new] = 1
    for name in wanted:
        if name not in made:
            made[name] = _numbered(_shortened(name.replace("/", separator), limit), taken, limit)
    return {name: made[name] for name in wanted}


def renamed(net: NetParameter, weights: Weights, names: Mapping[str, str]) -> tuple[NetParameter, Weights]:
    """The network and its weights with layers and blobs under their names in the table, where they are in it."""
    result = NetParameter()
    result.CopyFrom(net)
    for layer in result.layer:
        layer.name = names.get(layer.name, layer.name)
        layer.bottom[:] = [names.get(blob, blob) for blob in layer.bottom]
        layer.top[:] = [names.get(blob, blob) for blob in layer.top]
    return result, {names.get(name, name): blobs for name, blobs in weights.items()}


@dataclass(frozen=True)
class _Place:
    """A node's place in its program: the scope, the operation there, its run, what joins the scope's parts."""

    scope: tuple[str, ...]
    operation: str
    run: str
    joint: str


def _plain_operation(run: str) -> str:
    """The operation of a run as people call it: `_native_batch_norm_legit_no_training_2` is `batch_norm`."""
    name = re.sub(r"_+\d+$", "", run)
    name = re.sub(r"_with_indices$|_legit(_no_training)?$|(?<=.)_default$", "", name)
    return re.sub(r"^_?(native_)?", "", name).rstrip("_")


def _living(model: Model) -> Iterator[int]:
    """The nodes that compute with the network's inputs; shapes are known when a file is read, so theirs are not."""
    known = set(model.inputs)
    for index, node in enumerate(model.nodes):
        if node.operator not in _SHAPES_ONLY and known.intersection(node.inputs):
            known.update(filter(None, node.outputs))
            yield index


def _operation(node: Node) -> str:
    """What a node does, in a word: its operator without the domain that marks operators of our own."""
    return node.operator.rpartition(".")[2].lower()


def _place(node: Node) -> _Place | None:
    origin = node.origin
    if max(len(node.name), len(origin.module)) > _LONGEST:
        return None
    if origin.module or origin.operation:
        module = origin.module
        if node.operator in _WITH_WEIGHTS and "batch_norm" in origin.operation:
            # The exporter folded a batch norm into this node and left it with the batch norm's place.
            module = next((name[:-7] for name in node.inputs[1:2] if name.endswith(".weight")), module)
        operation = _plain_operation(origin.operation) or _operation(node)
        return _Place(tuple(module.split(".")) if module else (), operation, origin.operation or node.name, ".")
    parts = [part for part in node.name.split("/") if part]
    last = re.sub(r"__\d+$", "", parts[-1]) if parts else ""
    if not ("/" in node.name and _OPERATOR.fullmatch(last)):
        return None
    operation = re.sub(r"_\d+$", "", last).lower()
    if not node.name.startswith("/"):
        return _Place(tuple(parts[:-1]), operation, node.name, "/")
    scope: list[str] = []
    for part in parts[:-1]:
        # The exporter by tracing writes the members of a Sequential with its name: /layer1/layer1.0/conv1.
        if scope and part.startswith(f"{scope[-1]}."):
            scope.pop()
        scope.append(part)
    return _Place(tuple(".".join(scope).split(".")) if scope else (), operation, node.name, ".")


def _completed(places: Sequence[_Place | None], nodes: Sequence[Node]) -> list[_Place | None]:
    """The places, and those of the nodes that PyTorch's exporter made afterwards and left without one.

    Such a node, a Split for example, has the place that the nodes that take its outputs have in common.
    """
    result = list(places)
    if not any(node.origin.module for node in nodes):
        return result
    takers: dict[str, list[tuple[str, ...]]] = {}
    for index in reversed(range(len(nodes))):
        node, place = nodes[index], result[index]
        if place is None and not node.origin.operation and node.operator not in _PASSING:
            scopes = [scope for output in node.outputs for scope in takers.get(output, [])]
            if scopes:
                shared = takewhile(lambda parts: len(set(parts)) == 1, zip(*scopes, strict=False))
                common = tuple(parts[0] for parts in shared)
                place = result[index] = _Place(common, _operation(node), node.name, ".")
        for value in node.inputs:
            if place is not None:
                takers.setdefault(value, []).append(place.scope)
    return result


def _without_root(places: list[_Place | None]) -> list[_Place | None]:
    """The places without the model's own name, where all scopes of a Keras network begin with it."""
    scoped = [place for place in places if place is not None and place.joint == "/"]
    roots = {place.scope[0] for place in scoped}
    if len(roots) != 1 or not all(len(place.scope) > 1 for place in scoped):
        return places
    return [
        _Place(place.scope[1:], place.operation, place.run, "/") if place is not None and place.joint == "/" else place
        for place in places
    ]


def _calls(places: Sequence[_Place | None]) -> Iterator[tuple[list[int], str, bool]]:
    """(nodes, name, whether that is a module's): the nodes of one operation each; the last of them has the name.

    A scope without scopes within it is named as a whole: the last operation of each time it runs has the scope's name.
    """
    counted = [(index, place) for index, place in enumerate(places) if place is not None]
    joints = {index: place.joint for index, place in counted}
    inner = {place.scope[:depth] for _, place in counted for depth in range(len(place.scope))}
    for scope, members in groupby(counted, key=lambda pair: pair[1].scope):
        runs = [
            (operation, [index for index, _ in run])
            for (operation, _), run in groupby(members, key=lambda pair: (pair[1].operation, pair[1].run))
        ]
        joint = joints[runs[0][1][0]]
        path = joint.join(scope)
        leaf = bool(scope) and scope not in inner
        length = _period([operation for operation, _ in runs])
        for number, (operation, indices) in enumerate(runs):
            ends = leaf and number % length == length - 1
            yield indices, path if ends else joint.join([*scope, operation]), ends


def _period(operations: Sequence[str]) -> int:
    """The length of the shortest sequence of which this one is a repetition."""
    whole = len(operations)
    return next(
        length
        for length in range(1, whole + 1)
        if whole % length == 0 and list(operations[:length]) * (whole // length) == list(operations)
    )


def _unique(wished: Sequence[tuple[str, bool]], living: set[int], inputs: Iterable[str]) -> tuple[str, ...]:
    taken = dict.fromkeys(inputs, 1)
    made: dict[int, str] = {}
    # Modules come first, so that `relu_2` is the module of that name where there is one.
    for exactly in (True, False):
        for index, (name, exact) in enumerate(wished):
            if index in living and exact is exactly and name not in taken:
                made[index] = name
                taken[name] = 1
    for index, (name, _) in enumerate(wished):
        if index in living and index not in made:
            made[index] = _numbered(name, taken, None)
    return tuple(made.get(index, name) for index, (name, _) in enumerate(wished))


def _numbered(name: str, taken: dict[str, int], limit: int | None) -> str:
    """The first of name, name_2, name_3, ... that is free, which is taken now. `taken` has each name's number."""
    new = name
    while new in taken:
        taken[name] = taken.get(name, 1) + 1
        end = f"_{taken[name]}"
        if limit is not None and len(end) >= limit:
            raise ValueError(f"names of at most {limit} characters: found more names than that gives")
        new = (name if limit is None else name[: limit - len(end)]) + end
    taken[new] = taken.get(new, 1)
    return new


def _shortened(name: str, limit: int | None) -> str:
    if limit is None or len(name) <= limit:
        return name
    parts = re.split(r"([./])", name)
    for letters in (3, 1):
        for place in range(0, len(parts) - 1, 2):
            short = re.sub(rf"^(\D{{,{letters}}}).*?(\d*)$", r"\1\2", parts[place])
            parts[place] = min(short, parts[place], key=len)
            if len("".join(parts)) <= limit:
                return "".join(parts)
    return "".join(parts)[:limit].rstrip("./")
