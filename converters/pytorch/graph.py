"""The torch.fx graph of a network's live layers: which module each layer is, and what it is called with."""

from __future__ import annotations

import keyword
import operator
import re
from collections.abc import Mapping, Sequence
from math import prod
from typing import NamedTuple

from torch import fx, nn

from converters.pytorch.layers import BUILDERS, Apply, arithmetic, normalization
from converters.pytorch.layers.builders import blob
from converters.pytorch.naming import module_paths
from converters.pytorch.sizes import SizeCheck
from prototxt_gen.errors import UnsupportedError
from prototxt_gen.flow import Flow, Read, Value, passes_on
from prototxt_gen.layers import LAYERS, Shape, is_input
from prototxt_gen.layers.fillers import check_filler, stated_filler
from prototxt_gen.layers.layer_types import shared_names
from prototxt_gen.layers.normalization import is_affine_part
from prototxt_gen.trace import LayerSummary

# Modules whose output may be overwritten: neither their next call nor their gradient needs it.
_FRESH = (
    nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d,
    nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.Linear,
)  # fmt: skip

# No layer's path: module_paths escapes a % of a name.
_SIZES = "%sizes"


class Call(NamedTuple):
    """One call of a module: the row of a layer, or those of a BatchNorm and its Scale, and what it reads."""

    rows: tuple[int, ...]
    path: str
    bottoms: list[Read]


def layer_paths(rows: Sequence[LayerSummary]) -> dict[int, str]:
    """The module path of every row that is no input."""
    makers = [index for index, row in enumerate(rows) if not is_input(row.type)]
    return dict(zip(makers, module_paths([rows[index].name for index in makers]), strict=True))


def calls_of(
    rows: Sequence[LayerSummary],
    flow: Flow,
    live: Sequence[int],
    paths: Mapping[int, str],
    outputs: Sequence[Read],
) -> list[Call]:
    """The calls of the live rows in order; each gives the tops of its last row."""
    readers: dict[Value, list[int]] = {}
    for index in live:
        for read in flow.reads[index]:
            for value in (read.value, read.like):
                if value is not None:
                    readers.setdefault(value, []).append(index)
    kept = {value for read in outputs for value in (read.value, read.like)}
    shared = shared_names(rows[index].layer for index in live)
    calls: dict[int, Call] = {}  # by the row whose tops they give
    for index in live:
        row = rows[index]
        if is_input(row.type) or passes_on(row):
            continue
        source = flow.reads[index][0].value if flow.reads[index] else None
        if (
            source is not None
            and source.row in calls
            and readers[source] == [index]
            and source not in kept
            and is_affine_part(row.layer, rows[source.row].layer, len(row.bottom_shapes[0]))
            and not any(spec.name in shared for part in (source.row, index) for spec in rows[part].layer.param)
        ):
            norm = calls.pop(source.row)
            calls[index] = norm._replace(rows=(*norm.rows, index))
        else:
            calls[index] = Call((index,), paths[index], flow.reads[index])
    return list(calls.values())


def modules_of(rows: Sequence[LayerSummary], calls: Sequence[Call]) -> dict[str, nn.Module]:
    """The module of each call by its path. UnsupportedError lists all layers that are not supported."""
    modules: dict[str, nn.Module] = {}
    faults = []
    owners: dict[str, Shape] = {}
    for call in calls:
        parts = [rows[index] for index in call.rows]
        try:
            modules[call.path] = _module(parts, owners)
        except UnsupportedError as fault:
            faults.append(f"layer {parts[0].name!r} ({parts[0].type}): {fault}")
    if faults:
        raise UnsupportedError(f"layers that are not supported ({len(faults)}): {'; '.join(faults)}")
    return modules


class Blobs(nn.Module):
    """Holds the blobs of a layer that is not called, where PyTorch has no layer for its type or options."""

    def __init__(self, shapes: Sequence[Shape]) -> None:
        super().__init__()
        for index, shape in enumerate(shapes):
            self.register_parameter(str(index), blob(shape))


def idle_modules(rows: Sequence[LayerSummary], calls: Sequence[Call]) -> dict[str, nn.Module]:
    """By path the modules of layers that no output needs; they hold blobs and nothing else."""
    modules: dict[str, nn.Module] = {}
    for call in calls:
        row = rows[call.rows[0]]
        try:
            modules[call.path] = _module([row], {})
        except UnsupportedError:
            modules[call.path] = Blobs(row.blob_shapes)
    return modules


def _module(parts: Sequence[LayerSummary], owners: dict[str, Shape]) -> nn.Module:
    """The module of a layer, or of a BatchNorm and its Scale; `owners` has the shapes of shared blobs by name."""
    row = parts[0]
    if row.type not in BUILDERS:
        raise UnsupportedError(f"no PyTorch layer for this type, only for: {', '.join(BUILDERS)}")
    module = normalization.batch_norm(*parts) if len(parts) > 1 else BUILDERS[row.type](row)
    for part in parts:
        _check_blobs(part, module, owners)
    return module


def _check_blobs(row: LayerSummary, module: nn.Module, owners: dict[str, Shape]) -> None:
    """UnsupportedError for blobs that cannot be shared or filled, or do not fit the parameters of the module."""
    for index, (spec, shape) in enumerate(zip(row.layer.param, row.blob_shapes, strict=False)):
        if spec.name and owners.setdefault(spec.name, shape) != shape:
            raise UnsupportedError(
                f"param[{index}] {spec.name!r}: shared as {owners[spec.name]} and {shape}, expected one shape"
            )
    if row.type == "BatchNorm":
        return
    parameters = list(module.parameters())
    if [parameter.numel() for parameter in parameters] != [prod(shape) for shape in row.blob_shapes]:
        found = [tuple(parameter.shape) for parameter in parameters]
        raise UnsupportedError(f"its module has parameters of shapes {found}, its blobs are {list(row.blob_shapes)}")
    for index, (parameter, shape) in enumerate(zip(parameters, row.blob_shapes, strict=True)):
        stated = stated_filler(row.layer, row.fillers, index) if parameter.is_meta else None
        if stated is not None:
            check_filler(stated, shape)


def graph_module(
    rows: Sequence[LayerSummary],
    calls: Sequence[Call],
    modules: dict[str, nn.Module],
    idle: dict[str, nn.Module],
    check: SizeCheck,
    inputs: Sequence[Value],
    needed: set[Value],
    outputs: Mapping[str, Read],
) -> fx.GraphModule:
    """The module that takes the inputs and returns the outputs; inputs after the last needed one may be left out.

    `modules` are those of the calls, `idle` those that are not called.
    """
    graph = fx.Graph()
    nodes: dict[Value, fx.Node] = {}
    taken: set[str] = {"self"}
    last = max((place for place, value in enumerate(inputs) if value in needed), default=-1)
    for place, value in enumerate(inputs):
        name = _identifier(rows[value.row].tops[value.top], taken)
        nodes[value] = graph.placeholder(name) if place <= last else graph.placeholder(name, default_value=None)

    def call(path: str, *bottoms: fx.Node) -> fx.Node:
        # Named by us: torch.fx would call the output of a layer `self` `self`.
        return graph.create_node("call_module", path, bottoms, name=_identifier(path, taken))

    def seen(read: Read) -> fx.Node:
        node = nodes[read.value]
        return node if read.like is None else graph.call_method("reshape_as", (node, nodes[read.like]))

    if last >= 0:
        call(_SIZES, *(nodes[value] for value in inputs if value in needed))
    for path in idle:
        graph.get_attr(path)  # a copy of the module keeps only what its graph names
    for one in calls:
        index = one.rows[-1]
        tops = rows[index].tops
        bottoms = [seen(read) for read in one.bottoms]
        if len(tops) > 1 and LAYERS[rows[index].type].each_bottom_alone:
            for place, bottom in enumerate(bottoms):
                nodes[Value(index, place)] = call(one.path, bottom)
            continue
        node = call(one.path, *bottoms)
        if len(tops) == 1:
            nodes[Value(index, 0)] = node
        else:
            for place in range(len(tops)):
                nodes[Value(index, place)] = graph.call_function(operator.getitem, (node, place))
    results = {name: seen(read) for name, read in outputs.items()}
    graph.output(results if len(results) > 1 else next(iter(results.values())))
    for node in list(graph.nodes):
        if node.op == "call_function" and not node.users:
            graph.erase_node(node)
    _run_in_place(graph, modules)
    graph.lint()
    return fx.GraphModule(modules | idle | {_SIZES: check}, graph, "CaffeNet")


def _identifier(top: str, taken: set[str]) -> str:
    name = re.sub(r"\W", "_", top, flags=re.ASCII) or "_"
    if name[0].isdigit() or keyword.iskeyword(name):
        name = f"_{name}"
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _run_in_place(graph: fx.Graph, modules: dict[str, nn.Module]) -> None:
    """Lets a ReLU write over its input where nothing else reads it."""
    for node in graph.nodes:
        if node.op != "call_module" or type(modules.get(str(node.target))) is not nn.ReLU:
            continue
        source = node.args[0]
        if source.op != "call_module" or len(source.users) > 1:
            continue
        maker = modules[str(source.target)]
        if isinstance(maker, _FRESH) or (isinstance(maker, Apply) and maker.function is arithmetic.total):
            modules[str(node.target)].inplace = True  # type: ignore[assignment]
