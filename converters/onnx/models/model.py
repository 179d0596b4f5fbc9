"""An ONNX file as plain data: nodes, constants, inputs and outputs.

Together with tensors.py, functions.py and exporting.py it is all that knows the onnx package's messages.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from numpy.typing import NDArray

from converters.onnx.models.tensors import array_of, kind_of, type_name
from prototxt_gen.errors import CaffeError, FormatError, NotInstalledError, UnsupportedError
from prototxt_gen.files import read_bytes

Sizes: TypeAlias = "tuple[int | None, ...]"
"""A shape with None for a size that is open."""

_DEEPEST = 8
"""How deep an If may lie in the branches of others."""

OLDEST_OPSET = 7
"""Before it, broadcasting had to be asked for, and operators carried attributes that nobody writes today."""


@dataclass(frozen=True)
class Origin:
    """Where an exporter says a node came from, "" for what it does not say.

    `module`: the path of its module (`layer1.0.conv1`). `kind`: that module's class
    (`torch.nn.modules.conv.Conv2d`). `operation`: what was done there (`conv2d_3`). `source`: the user's line that led
    there (`net.py:17`).
    """

    module: str = ""
    operation: str = ""
    source: str = ""
    kind: str = ""

    def __str__(self) -> str:
        """As it stands at the end of a message; empty where nothing is known."""
        known = ", ".join(filter(None, (self.module, self.source)))
        return f" [{known}]" if known else ""


@dataclass(frozen=True)
class Unread:
    """An attribute that is not plain, such as a graph: `reason` says what it is."""

    reason: str


@dataclass(frozen=True)
class Node:
    """A node: its operator, the values that it takes ("" where one is left out) and makes, its attributes.

    `domain` is "" for ONNX's own operators. Attributes are plain: numbers, text, lists of them, numpy arrays for
    tensors, branches of an If (branches.py), which takes what they take as further inputs; `Unread` for all others.
    `made`: patterns.py made it of others, and it may go beyond ONNX's definition.
    """

    name: str
    operator: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    origin: Origin = Origin()
    made: bool = False

    def __str__(self) -> str:
        """Where a message says it happened."""
        operator = f"{self.domain}.{self.operator}" if self.domain else self.operator
        name = self.name or next(filter(None, self.outputs), "")
        return f"node {name!r} ({operator})" if self.name else f"node that makes {name!r} ({operator})"


@dataclass(frozen=True)
class Model:
    """A model whose every value is made once, before it is taken.

    `inputs` are those that are not constants, with None for a size that is open, and None for a shape that the file
    does not state. `outputs` may name inputs and constants, too. `nodes` are in running order; calls of functions that
    the file defines are written out. `shapes` are those that the file states of values within. `whole` names the inputs
    that hold whole numbers or booleans, `refused` says of values what keeps them from being read.
    """

    name: str
    inputs: Mapping[str, Sizes | None]
    outputs: tuple[str, ...]
    constants: Mapping[str, NDArray[Any]]
    nodes: tuple[Node, ...]
    opset: int
    shapes: Mapping[str, Sizes] = field(default_factory=dict)
    producer: str = ""
    whole: frozenset[str] = frozenset()
    refused: Mapping[str, str] = field(default_factory=dict)


def read_model(path: str | os.PathLike[str]) -> Model:
    """The model in a file, and in the files of external data beside it.

    FileError where one of them cannot be read or is not inside the folder; otherwise errors are those of `model_of`.
    """
    return parse_model(read_bytes(path), os.fspath(path), Path(path).parent)


def parse_model(data: bytes, source: str, folder: Path | None = None) -> Model:
    """The model in a file's bytes; `source` names it in messages, `folder` may hold external data."""
    try:
        import onnx
    except ImportError as fault:
        raise NotInstalledError("onnx", "onnx", "ONNX files") from fault
    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(data)
    except Exception as fault:  # the parser's own kinds; all mean the same
        raise FormatError(f"{source}: found bytes that are no ONNX model, or one that is cut short") from fault
    return model_of(proto, source, folder)


def model_of(proto: Any, source: str = "model", folder: Path | None = None) -> Model:
    """An onnx.ModelProto as a Model, checked.

    FormatError for a file that is no model, for values made twice or never, for cycles; UnsupportedError for opsets
    before 7 or newer than the installed onnx package. Nodes that Caffe cannot do are no errors here.
    """
    if not proto.HasField("graph") or not (proto.graph.node or proto.graph.output):
        raise FormatError(f"{source}: found no graph, expected an ONNX model")
    try:
        return _Reader(source, folder).model(proto)
    except CaffeError as fault:
        if str(fault).startswith(f"{source}: "):
            raise
        raise type(fault)(f"{source}: {fault}") from fault


def _text(found: Any) -> str:
    """Text of a message: protobuf gives bytes where a file's are no UTF-8."""
    if isinstance(found, bytes):
        raise FormatError(f"found {found[:40]!r}, expected text in UTF-8")
    return str(found)


class _Reader:
    """Messages to plain data; `source` and `folder` as in `parse_model`."""

    def __init__(self, source: str, folder: Path | None) -> None:
        self.source = source
        self.folder = folder
        self.depth = 0

    def model(self, proto: Any) -> Model:
        from converters.onnx.models.functions import written_out

        graph = proto.graph
        opset = _opset(proto)
        refused: dict[str, str] = {}
        constants = {}
        for tensor in graph.initializer:
            _text(tensor.name)
            if tensor.name in constants or tensor.name in refused or not tensor.name:
                raise FormatError(f"initializer {tensor.name!r}: found twice or without a name")
            try:
                constants[tensor.name] = array_of(tensor, self.folder, f"{self.source}: initializer {tensor.name!r}")
            except UnsupportedError as fault:
                refused[tensor.name] = str(fault)
        for tensor in graph.sparse_initializer:
            refused[_text(tensor.values.name)] = "a sparse tensor"
        inputs: dict[str, Sizes | None] = {}
        whole = set()
        for value in graph.input:
            _text(value.name)
            if value.name in constants or value.name in refused:  # before IR 4 constants were inputs, too
                continue
            if value.name in inputs or not value.name:
                raise FormatError(f"input {value.name!r}: found twice or without a name")
            if value.type.WhichOneof("value") not in (None, "tensor_type"):
                refused[value.name] = f"an input of the kind {value.type.WhichOneof('value')}, expected a tensor"
                continue
            kind = kind_of(value.type.tensor_type.elem_type or 1)
            if kind is None:
                refused[value.name] = f"an input of the type {type_name(value.type.tensor_type.elem_type)}"
                continue
            inputs[value.name] = _sizes(value)
            if kind != "f":
                whole.add(value.name)
        nodes = written_out([self._node(node, "") for node in graph.node], self._functions(proto.functions))
        outputs = tuple(_text(value.name) for value in graph.output)
        known = {*inputs, *constants, *refused}
        ordered = _in_order(nodes, known)
        made = known.union(*(node.outputs for node in ordered))
        for output in outputs:
            if output not in made or not output:
                raise FormatError(f"output {output!r}: found no node, input or constant of this name")
        if not outputs or len(set(outputs)) < len(outputs):
            raise FormatError(f"outputs: found {list(outputs)}, expected one or more, each once")
        shapes = {value.name: _sizes(value) for value in (*graph.value_info, *graph.output)}
        return Model(
            _text(graph.name), inputs, outputs, constants, ordered, opset,
            {name: sizes for name, sizes in shapes.items() if sizes is not None},
            _text(proto.producer_name), frozenset(whole), refused,
        )  # fmt: skip

    def _functions(self, protos: Iterable[Any]) -> dict[tuple[str, str, str], Any]:
        from converters.onnx.models.functions import Function

        functions = {}
        for proto in protos:
            key = (_domain(proto.domain), _text(proto.name), _text(getattr(proto, "overload", "")))
            if key in functions:
                raise FormatError(f"function {proto.name!r}: found twice, expected one of each name")
            where = f"function {proto.name!r}: "
            functions[key] = Function(
                tuple(map(_text, proto.input)),
                tuple(map(_text, proto.output)),
                dict(self._attributes(proto.attribute_proto, where)),
                tuple(self._node(node, where) for node in proto.node),
            )
        return functions

    def _node(self, proto: Any, where: str) -> Node:
        node = Node(
            _text(proto.name), _text(proto.op_type), _domain(proto.domain),
            tuple(map(_text, proto.input)), tuple(map(_text, proto.output)),
            origin=origin_of({_text(entry.key): _text(entry.value) for entry in proto.metadata_props}),
        )  # fmt: skip
        attributes = dict(self._attributes(proto.attribute, f"{where}{node}: "))
        inputs = node.inputs
        if node.operator == "If" and not node.domain and not where:
            branches = self._branches(proto)
            attributes |= branches
            inputs = tuple(dict.fromkeys((*inputs, *(value for one in branches.values() for value in one.outer))))
        overload = _text(getattr(proto, "overload", ""))
        if overload:
            attributes[""] = overload
        return Node(node.name, node.operator, node.domain, inputs, node.outputs, attributes, node.origin)

    def _branches(self, proto: Any) -> dict[str, Any]:
        """The branches of an If by attribute; none where they have what is refused anyway, or lie too deep."""
        from converters.onnx.models.branches import Branch

        if self.depth >= _DEEPEST:
            return {}
        self.depth += 1
        found = {}
        for attribute in proto.attribute:
            graph = attribute.g
            try:
                constants = {
                    _text(tensor.name): array_of(tensor, self.folder, f"{self.source}: initializer {tensor.name!r}")
                    for tensor in graph.initializer
                }
            except UnsupportedError:
                continue
            nodes = tuple(self._node(node, "") for node in graph.node)
            branch = Branch(nodes, tuple(_text(value.name) for value in graph.output), constants)
            ordered = _in_order(nodes, {*constants, *branch.outer})
            found[_text(attribute.name)] = replace(branch, nodes=ordered)
        self.depth -= 1
        return found

    def _attributes(self, protos: Iterable[Any], where: str) -> Iterator[tuple[str, Any]]:
        for proto in protos:
            yield _text(proto.name), self._attribute(proto, f"{where}attribute {proto.name!r}")

    def _attribute(self, proto: Any, where: str) -> Any:
        """ONNX: onnx.proto, AttributeProto."""
        if proto.ref_attr_name:
            from converters.onnx.models.functions import Reference

            return Reference(_text(proto.ref_attr_name))
        # The first IR versions left the type out.
        kind = proto.AttributeType.Name(proto.type) if proto.type in proto.AttributeType.values() else "UNDEFINED"
        if kind == "UNDEFINED":
            set_fields = [descriptor.name for descriptor, _ in proto.ListFields()]
            kind = next((name for name, one in _ATTRIBUTES.items() if one in set_fields), "UNDEFINED")
        try:
            if kind in ("INT", "FLOAT"):
                return getattr(proto, _ATTRIBUTES[kind])
            if kind == "STRING":
                return proto.s.decode(errors="backslashreplace")
            if kind in ("INTS", "FLOATS"):
                return list(getattr(proto, _ATTRIBUTES[kind]))
            if kind == "STRINGS":
                return [text.decode(errors="backslashreplace") for text in proto.strings]
            if kind == "TENSOR":
                return array_of(proto.t, self.folder, f"{self.source}: {where}")
            if kind == "TENSORS":
                return [array_of(tensor, self.folder, f"{self.source}: {where}") for tensor in proto.tensors]
        except UnsupportedError as fault:
            return Unread(str(fault))
        return Unread("a graph within the node" if kind.startswith("GRAPH") else f"a value of the type {kind}")


_ATTRIBUTES = {
    "FLOAT": "f", "INT": "i", "STRING": "s", "TENSOR": "t", "GRAPH": "g", "FLOATS": "floats", "INTS": "ints",
    "STRINGS": "strings", "TENSORS": "tensors", "GRAPHS": "graphs",
}  # fmt: skip


def _domain(name: Any) -> str:
    return "" if name == "ai.onnx" else _text(name)


def _opset(proto: Any) -> int:
    import onnx

    versions = [one.version for one in proto.opset_import if _domain(one.domain) == ""]
    newest = onnx.defs.onnx_opset_version()
    if len(versions) != 1 and any(_domain(node.domain) == "" for node in proto.graph.node):
        raise FormatError(f"opset_import: found {len(versions)} entries for ONNX's own operators, expected one")
    version = versions[0] if versions else newest
    if not OLDEST_OPSET <= version <= newest:
        raise UnsupportedError(
            f"found opset {version}, expected {OLDEST_OPSET} to {newest}"
            + (" (the installed onnx package knows no newer one)" if version > newest else "")
        )
    return version


def _sizes(value: Any) -> Sizes | None:
    """What a ValueInfoProto states of a shape; sizes with a name, without a number or below 1 are open."""
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    return tuple(size.dim_value if size.dim_value > 0 else None for size in tensor.shape.dim)


def _in_order(nodes: Sequence[Node], known: Iterable[str]) -> tuple[Node, ...]:
    """The nodes so that each comes behind those that make its inputs, otherwise as they were."""
    makers: dict[str, int] = {}
    taken = set(known)
    for index, node in enumerate(nodes):
        for output in filter(None, node.outputs):
            if output in makers or output in taken:
                raise FormatError(f"{node}: makes {output!r}, which another node, input or constant is already")
            makers[output] = index
    takers: list[list[int]] = [[] for _ in nodes]
    waiting = [0] * len(nodes)
    for index, node in enumerate(nodes):
        for value in {value for value in node.inputs if value and value not in taken}:
            if value not in makers:
                raise FormatError(f"{node}: takes {value!r}, which no node, input or constant is")
            takers[makers[value]].append(index)
            waiting[index] += 1
    if all(makers.get(value, -1) < index for index, node in enumerate(nodes) for value in node.inputs):
        return tuple(nodes)
    ready = deque(index for index, count in enumerate(waiting) if not count)
    ordered = []
    while ready:
        index = ready.popleft()
        ordered.append(nodes[index])
        for taker in takers[index]:
            waiting[taker] -= 1
            if not waiting[taker]:
                ready.append(taker)
    if len(ordered) < len(nodes):
        stuck = [str(nodes[index]) for index, count in enumerate(waiting) if count]
        more = f" and {len(stuck) - 4} more" if len(stuck) > 4 else ""
        raise FormatError(f"nodes take each other's outputs in a cycle: {', '.join(stuck[:4])}{more}")
    return tuple(ordered)


# ---------------------------------------------------------------------------------------------------------- origins

_LONGEST = 1 << 16
_QUOTED = re.compile(r"""'([^'\\]*)'|"([^"\\]*)\"""")
_FRAME = re.compile(r'File "([^"\n]*)", line (\d+)')
_OWN_CODE = re.compile(r"[\\/]torch[\\/](?:nn|_|fx|utils|export|jit|onnx)")


def origin_of(metadata: Mapping[str, str]) -> Origin:
    """What PyTorch's exporter leaves in a node's metadata (torch/onnx/_internal/exporter/_core.py)."""
    scopes = _texts(metadata.get("pkg.torch.onnx.name_scopes", ""))
    kinds = _texts(metadata.get("pkg.torch.onnx.class_hierarchy", ""))
    frames = _FRAME.findall(metadata.get("pkg.torch.onnx.stack_trace", "")[:_LONGEST])
    own = [frame for frame in frames if not _OWN_CODE.search(frame[0])] or frames
    return Origin(
        scopes[-2] if len(scopes) > 1 else "",
        scopes[-1] if scopes else "",
        ":".join(own[-1]) if own else "",
        kinds[-2] if len(kinds) > 1 else "",
    )


def _texts(listed: str) -> list[str]:
    """The texts in a list as Python writes one."""
    return [one or other for one, other in _QUOTED.findall(listed[:_LONGEST])]
