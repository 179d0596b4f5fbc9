"""NetParameter and weights to a torch module, and a module's weights back to Caffe's blobs."""

from __future__ import annotations

import difflib
import keyword
import operator
import os
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, Literal

import torch
from numpy.typing import ArrayLike
from torch import Tensor, fx, nn

from converters.pytorch.layers import BUILDERS, Apply, arithmetic, normalization
from converters.pytorch.layers.fillers import filled
from converters.pytorch.naming import module_paths
from converters.weights import Weights, load_weights
from converters.weights.blobs import Array, as_blob, fit
from prototxt_gen.errors import NetworkError, UnsupportedError, WeightsError
from prototxt_gen.layers import LAYERS, is_input
from prototxt_gen.layers.fillers import check_filler, filler_parameter
from prototxt_gen.passes.phase import select_phase
from prototxt_gen.passes.upgrade import upgrade
from prototxt_gen.proto import NetParameter
from prototxt_gen.trace import AUTOMATIC, LayerSummary, trace

# Modules whose output nothing needs again, neither the next call nor the way back.
_FRESH = (
    nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d,
    nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.Linear,
)  # fmt: skip


@dataclass(frozen=True)
class Origin:
    """Which of a module's tensors are the blobs of which layer: its statistics, or its parameters in order."""

    layer: str
    path: str
    shapes: tuple[tuple[int, ...], ...]
    statistics: bool


@dataclass
class _Unit:
    """One call of a module: a layer, or a BatchNorm with its Scale."""

    row: LayerSummary
    path: str
    bottoms: list[_Value]
    scale: LayerSummary | None = None


_Value = tuple[int, int]  # (row, top): the content that one layer writes under a top's name


@dataclass
class _Flow:
    """Which content every layer reads, and what stands under each top's name at the end."""

    reads: list[list[_Value]] = field(default_factory=list)
    final: dict[str, _Value] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)


def to_torch(
    net: NetParameter,
    weights: Mapping[str, Sequence[ArrayLike]] | str | os.PathLike[str] | None = None,
    *,
    phase: Literal["TRAIN", "TEST"] = "TEST",
    outputs: Sequence[str] | None = None,
    strict: bool = True,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
) -> fx.GraphModule:
    """The network as a torch module that computes what Caffe computes.

    It takes the network's inputs (Input layers, data layers) as positional tensors in the network's order and returns
    the one output as a tensor, several as a dict by top name. Outputs are the tops that no layer takes, or those named
    in `outputs`, with the content that they have at the end (behind in-place layers). Layers that these do not need are
    left out; so are inputs when `outputs` is given, else the last ones that nothing needs may be left out of the call.
    The batch size, and height and width where layers allow it, may differ from the network's.

    State-dict keys follow layer names: `res2.1.conv1.weight` (see naming.py). A BatchNorm and the Scale behind it are
    one torch batch norm under the BatchNorm's name; use_global_stats: true keeps the stored statistics in train() too.
    Parameters with lr_mult 0 do not require gradients; layers that share a `param { name }` share one parameter.
    Places, as of ArgMax, are floating-point numbers, as in Caffe; labels may be of any type.

    `weights` are arrays by layer name (copied) or the path of their file (read without a second copy). What the file
    lacks, holds too much, or holds in another shape is one WeightsError that lists all of it, or with strict=False one
    warning: what fits is loaded, the rest stays as initialised. A Deconvolution with a bilinear filler may always be
    absent. Without weights every blob is filled as the network says, with torch's random numbers; weights for which it
    says nothing are filled by `msra`.

    `module.meta["caffe"]["preprocessing"]` has, by top, what data layers would do to their images: mean_values in the
    order of channels or mean_file, scale (after the mean), crop and resize as (height, width), mirror.

    With phase TEST the module comes in eval(), with TRAIN in train(). UnsupportedError lists all layers that cannot
    be done, before any weight is read.
    """
    selected = select_phase(net, phase, level=net.state.level)
    rows = trace(selected, input_shapes)
    flow = _flow(rows)
    names = _output_names(rows, flow, outputs)
    results = {name: flow.final[name] for name in names}
    units, needed = _units(rows, flow, list(results.values()))
    modules = _modules(units)
    inputs = [
        (index, place)
        for index, row in enumerate(rows)
        if is_input(row.type)
        for place in range(len(row.tops))
        if outputs is None or (index, place) in needed
    ]
    graph = _graph(rows, units, inputs, needed, modules, results)
    module = fx.GraphModule(modules, graph, "CaffeNet")
    origins = [origin for unit in units.values() for origin in _origins(unit, modules[unit.path])]
    losses = {name: weight for name, weight in _loss_weights(rows).items() if name in names}
    module.meta["caffe"] = {
        "inputs": {rows[index].tops[place]: rows[index].top_shapes[place] for index, place in inputs},
        "outputs": tuple(names),
        "loss_weights": losses,
        "preprocessing": {
            row.tops[0]: _preprocessing(row) for row in rows if "transform_param" in LAYERS[row.type].options
        },
        "origins": tuple(origins),
    }
    path = os.fspath(weights) if isinstance(weights, (str, os.PathLike)) else None
    arrays: Mapping[str, Sequence[ArrayLike]] | None
    arrays = load_weights(path, net) if path is not None else weights  # type: ignore[assignment]
    faults = _fill(units.values(), modules, arrays, own=path is not None)
    if arrays is not None:
        known = {layer.name for layer in upgrade(net).layer}
        unused = [name for name, blobs in arrays.items() if name not in known and len(blobs)]
        faults += [f"layer {name!r}: in the weights, not in the network" for name in unused]
    if faults:
        text = f"{path + ': ' if path else ''}weights do not fit network {net.name!r}: {'; '.join(faults)}"
        if strict:
            raise WeightsError(text)
        warnings.warn(text, stacklevel=2)
    return module.train(phase == "TRAIN")


def weights_of(module: nn.Module) -> Weights:
    """The blobs of every layer of a module from `to_torch`, as float32 arrays in Caffe's order and shape.

    A batch norm gives the three blobs of its BatchNorm, with the factor 1, and the two of its Scale. NetworkError for
    any other module.
    """
    module = getattr(module, "_orig_mod", module)  # what torch.compile wraps
    meta = getattr(module, "meta", {}).get("caffe")
    if meta is None:
        raise NetworkError(f"weights_of: found a {type(module).__name__}, expected a module made by to_torch")
    weights: Weights = {}
    for origin in meta["origins"]:
        if origin.layer in weights:
            continue  # a second layer of one name: Caffe, too, keeps the first
        arrays = [_array(tensor) for tensor in _blobs(module.get_submodule(origin.path), origin.statistics)]
        shapes = origin.shapes if len(origin.shapes) == len(arrays) else [array.shape for array in arrays]
        weights[origin.layer] = [
            array.reshape(shape) if array.size == prod(shape) else array
            for array, shape in zip(arrays, shapes, strict=True)
        ]
    return weights


def total_loss(module: nn.Module, result: Tensor | Mapping[str, Tensor]) -> Tensor:
    """The sum of a result's loss tops, each times its loss_weight: what Caffe's solver minimises.

    Types that end in Loss count with weight 1 where none is stated (Caffe: loss_layer.cpp, layer.hpp).
    """
    meta: Any = module.meta
    weights: dict[str, float] = meta["caffe"]["loss_weights"]
    tops = result if isinstance(result, Mapping) else {meta["caffe"]["outputs"][0]: result}
    losses = [weight * tops[name].sum() for name, weight in weights.items()]
    if not losses:
        raise NetworkError(f"total_loss: found no loss among the outputs {list(tops)}")
    return torch.stack(losses).sum()


def _top_names(row: LayerSummary) -> list[str]:
    return [row.name if top == AUTOMATIC else top for top in row.tops]


def _flow(rows: Sequence[LayerSummary]) -> _Flow:
    flow = _Flow()
    unread: dict[str, None] = {}
    for index, row in enumerate(rows):
        reads = [flow.final[bottom] for bottom in row.bottoms]
        flow.reads.append(reads)
        for bottom in row.bottoms:
            unread.pop(bottom, None)
        for place, top in enumerate(_top_names(row)):
            flow.final[top] = reads[0] if row.type == "Split" else (index, place)
            if not is_input(row.type):
                unread[top] = None
    flow.unread = sorted(unread)  # Caffe keeps them in a sorted set, too
    return flow


def _output_names(rows: Sequence[LayerSummary], flow: _Flow, outputs: Sequence[str] | None) -> list[str]:
    if outputs is None:
        if not flow.unread:
            raise NetworkError("found no output: every top is taken by a layer, or no layer has one")
        return flow.unread
    if isinstance(outputs, str) or not outputs:
        raise NetworkError(f"outputs: found {outputs!r}, expected a list of top names")
    unknown = []
    for name in outputs:
        if name not in flow.final:
            near = difflib.get_close_matches(name, flow.final, 3, 0.5)
            unknown.append(f"{name!r}" + (f" (near: {', '.join(near)})" if near else ""))
    if unknown:
        raise NetworkError(f"outputs: found {', '.join(unknown)}, expected tops of the network")
    return list(dict.fromkeys(outputs))


def _preprocessing(row: LayerSummary) -> dict[str, Any]:
    """What a data layer does to its images. Caffe: data_transformer.cpp."""
    transform, images = row.layer.transform_param, row.layer.image_data_param
    side = transform.crop_size
    crop = (transform.crop_h, transform.crop_w) if transform.crop_h and transform.crop_w else (side, side)
    return {
        "mean_values": tuple(transform.mean_value),
        "mean_file": transform.mean_file or None,
        "scale": transform.scale,
        "crop": crop if all(crop) else None,
        "mirror": transform.mirror,
        "resize": (images.new_height, images.new_width) if images.new_height and images.new_width else None,
    }


def _units(rows: Sequence[LayerSummary], flow: _Flow, wanted: Sequence[_Value]) -> tuple[dict[int, _Unit], set[_Value]]:
    """The calls that the wanted contents need, by the row whose tops they give, and all contents that they need."""
    needed = set(wanted)
    live = []
    for index in reversed(range(len(rows))):
        if any((index, place) in needed for place in range(len(rows[index].tops))):
            needed.update(flow.reads[index])
            live.append(index)
    live.reverse()
    readers: dict[_Value, list[int]] = {}
    for index in live:
        for value in flow.reads[index]:
            readers.setdefault(value, []).append(index)
    shared = _shared_names([rows[index] for index in live])
    makers = [index for index in range(len(rows)) if not is_input(rows[index].type)]
    paths = dict(zip(makers, module_paths([rows[index].name for index in makers]), strict=True))
    units: dict[int, _Unit] = {}
    for index in live:
        row = rows[index]
        if is_input(row.type) or row.type == "Split":
            continue
        source = flow.reads[index][0][0] if flow.reads[index] else None
        if (
            source in units
            and readers[source, 0] == [index]
            and (source, 0) not in wanted
            and _is_affine(rows[source], row, shared)
        ):
            unit = units.pop(source)
            units[index] = _Unit(unit.row, unit.path, unit.bottoms, scale=row)
        else:
            units[index] = _Unit(row, paths[index], flow.reads[index])
    return units, needed


def _shared_names(rows: Sequence[LayerSummary]) -> set[str]:
    uses = Counter(spec.name for row in rows for spec in row.layer.param if spec.name)
    return {name for name, count in uses.items() if count > 1}


def _is_affine(norm: LayerSummary, scale: LayerSummary, shared: set[str]) -> bool:
    """Whether the Scale is the affine part of the BatchNorm that it reads."""
    return (
        norm.type == "BatchNorm"
        and scale.type == "Scale"
        and len(scale.bottoms) == 1
        and len(norm.bottom_shapes[0]) > 1
        and scale.layer.scale_param.axis in (1, 1 - len(norm.bottom_shapes[0]))
        and scale.blob_shapes[0] == norm.blob_shapes[0]
        and not any(spec.name in shared for row in (norm, scale) for spec in row.layer.param)
    )


def _modules(units: dict[int, _Unit]) -> dict[str, nn.Module]:
    modules: dict[str, nn.Module] = {}
    faults = []
    owners: dict[str, tuple[int, ...]] = {}
    for unit in units.values():
        row = unit.row
        try:
            if row.type not in BUILDERS:
                raise UnsupportedError(f"no PyTorch layer of this type; there are: {', '.join(BUILDERS)}")
            module = normalization.batch_norm(row, unit.scale) if unit.scale else BUILDERS[row.type](row)
            for part in (row, unit.scale):
                if part is not None:
                    _check_blobs(part, module, owners)
        except UnsupportedError as fault:
            faults.append(f"layer {row.name!r} ({row.type}): {fault}")
            continue
        modules[unit.path] = module
    if faults:
        raise UnsupportedError(f"layers that cannot be done ({len(faults)}): {'; '.join(faults)}")
    return modules


def _check_blobs(row: LayerSummary, module: nn.Module, owners: dict[str, tuple[int, ...]]) -> None:
    """UnsupportedError for blobs that cannot be shared, have no place in the module, or no filler."""
    for index, (spec, shape) in enumerate(zip(row.layer.param, row.blob_shapes, strict=False)):
        if spec.name and owners.setdefault(spec.name, shape) != shape:
            raise UnsupportedError(
                f"param[{index}] {spec.name!r}: shared as {owners[spec.name]} and {shape}, expected one shape"
            )
    if row.type == "BatchNorm":
        return
    found = [tuple(parameter.shape) for parameter in module.parameters()]
    if [prod(shape) for shape in found] != [prod(shape) for shape in row.blob_shapes]:
        raise UnsupportedError(f"its module has parameters of shapes {found}, its blobs are {list(row.blob_shapes)}")
    for index, parameter in enumerate(module.parameters()):
        if parameter.is_meta:
            check_filler(filler_parameter(row.layer, row.fillers, index), parameter.shape)


def _graph(
    rows: Sequence[LayerSummary],
    units: dict[int, _Unit],
    inputs: Sequence[_Value],
    needed: set[_Value],
    modules: dict[str, nn.Module],
    outputs: dict[str, _Value],
) -> fx.Graph:
    graph = fx.Graph()
    nodes: dict[_Value, fx.Node] = {}
    taken: set[str] = {"self"}
    last = max((place for place, value in enumerate(inputs) if value in needed), default=-1)
    for place, value in enumerate(inputs):
        name = _identifier(rows[value[0]].tops[value[1]], taken)
        nodes[value] = graph.placeholder(name) if place <= last else graph.placeholder(name, default_value=None)

    def call(path: str, *bottoms: fx.Node) -> fx.Node:
        # With a name of ours: torch.fx would call what a layer `self` gives `self`.
        return graph.create_node("call_module", path, bottoms, name=_identifier(path, taken))

    for index, unit in units.items():
        tops = rows[index].tops
        bottoms = [nodes[value] for value in unit.bottoms]
        if len(tops) > 1 and LAYERS[unit.row.type].each_bottom_alone:
            for place, bottom in enumerate(bottoms):
                nodes[index, place] = call(unit.path, bottom)
            continue
        node = call(unit.path, *bottoms)
        if len(tops) == 1:
            nodes[index, 0] = node
        else:
            for place in range(len(tops)):
                nodes[index, place] = graph.call_function(operator.getitem, (node, place))
    results = {name: nodes[value] for name, value in outputs.items()}
    graph.output(results if len(results) > 1 else next(iter(results.values())))
    for node in list(graph.nodes):
        if node.op == "call_function" and not node.users:
            graph.erase_node(node)
    _run_in_place(graph, modules)
    graph.lint()
    return graph


def _identifier(top: str, taken: set[str]) -> str:
    name = re.sub(r"\W", "_", top, flags=re.ASCII) or "_"
    if name[0].isdigit() or keyword.iskeyword(name):
        name = f"_{name}"
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _run_in_place(graph: fx.Graph, modules: dict[str, nn.Module]) -> None:
    """Lets a ReLU write over its input where nothing else ever looks at it."""
    for node in graph.nodes:
        if node.op != "call_module" or type(modules[str(node.target)]) is not nn.ReLU:
            continue
        source = node.args[0]
        if source.op != "call_module" or len(source.users) > 1:
            continue
        maker = modules[str(source.target)]
        if isinstance(maker, _FRESH) or (isinstance(maker, Apply) and maker.function is arithmetic.total):
            modules[str(node.target)].inplace = True  # type: ignore[assignment]


def _origins(unit: _Unit, module: nn.Module) -> list[Origin]:
    origins = []
    if unit.row.blob_shapes:
        origins.append(Origin(unit.row.name, unit.path, unit.row.blob_shapes, unit.row.type == "BatchNorm"))
    if unit.scale is not None:
        origins.append(Origin(unit.scale.name, unit.path, unit.scale.blob_shapes, statistics=False))
    return origins


def _fill(
    units: Iterable[_Unit], modules: dict[str, nn.Module], arrays: Mapping[str, Sequence[ArrayLike]] | None, own: bool
) -> list[str]:
    """Gives every blob its numbers, from the arrays or from its filler, and tells what does not fit."""
    faults: list[str] = []
    owners: dict[str, Any] = {}  # by the name of a shared blob, its parameter, or the module that has it as a buffer
    seen: set[str] = set()
    for unit in units:
        module = modules[unit.path]
        for row in (unit.row, unit.scale):
            if row is None:
                continue
            given: list[Array | None] = [None] * len(row.blob_shapes)
            if arrays is not None:
                # Of two layers of one name Caffe gives the blobs to the first.
                given, wrong = _given(row, arrays.get(row.name) if row.name not in seen else None, owners)
                faults += wrong
                seen.add(row.name)
            if row.type == "BatchNorm":
                _fill_statistics(row, module, given, owners)
            else:
                _fill_parameters(row, module, given, owners, own)
    return faults


def _given(
    row: LayerSummary, blobs: Sequence[ArrayLike] | None, owners: Mapping[str, Any]
) -> tuple[list[Array | None], list[str]]:
    """The blobs of one layer that fit, None for the others, and what is wrong with those."""
    shapes = row.blob_shapes
    given: list[Array | None] = [None] * len(shapes)
    where = f"layer {row.name!r} ({row.type})"
    if blobs is None:
        # Caffe leaves such a blob to its filler, and nobody trains a bilinear one; shared blobs come with their owner.
        fixed = row.type == "Deconvolution" and filler_parameter(row.layer, row.fillers, 0).type == "bilinear"
        shared = len(row.layer.param) >= len(shapes) and all(spec.name in owners for spec in row.layer.param)
        missing = bool(shapes) and not fixed and not shared
        return given, [f"{where}: missing, expected blobs {list(shapes)}"] if missing else []
    if len(blobs) != len(shapes):
        found = [getattr(blob, "shape", "no array") for blob in blobs]
        return given, [f"{where}: found {len(blobs)} blobs {found}, expected {len(shapes)} {list(shapes)}"]
    wrong = []
    for index, (blob, shape) in enumerate(zip(blobs, shapes, strict=True)):
        try:
            array = as_blob(blob, f"{where}: blob {index}")
        except WeightsError as fault:
            wrong.append(str(fault))
            continue
        given[index] = fit(array, shape)
        if given[index] is None:
            wrong.append(f"{where}: blob {index}: found shape {array.shape}, expected {shape}")
    return given, wrong


def _fill_statistics(
    row: LayerSummary, module: nn.Module, given: Sequence[Array | None], owners: dict[str, Any]
) -> None:
    for spec, name in zip(row.layer.param, ("running_mean", "running_var", None), strict=False):
        owner = owners.setdefault(spec.name, module) if spec.name else module
        if name is not None and owner is not module:
            module.register_buffer(name, owner.get_buffer(name))
    if all(array is not None for array in given):
        normalization.set_statistics(module, [torch.tensor(array, device="cpu") for array in given])


def _fill_parameters(
    row: LayerSummary, module: nn.Module, given: Sequence[Array | None], owners: dict[str, Any], own: bool
) -> None:
    for index, (path, parameter) in enumerate(list(module.named_parameters())):
        holder_path, _, name = path.rpartition(".")
        holder = module.get_submodule(holder_path)
        spec = row.layer.param[index] if index < len(row.layer.param) else None
        array = given[index]
        tensor = None
        if array is not None:
            tensor = (torch.as_tensor if own else torch.tensor)(array).reshape(parameter.shape)
        if spec is not None and spec.name in owners:
            if tensor is not None:  # Caffe copies into the one blob for every layer that has it: the last one stays
                with torch.no_grad():
                    owners[spec.name].copy_(tensor)
            setattr(holder, name, owners[spec.name])
            continue
        if tensor is not None:
            parameter = nn.Parameter(tensor)
        elif parameter.is_meta:
            parameter = nn.Parameter(filled(filler_parameter(row.layer, row.fillers, index), parameter.shape))
        if spec is not None:
            parameter.requires_grad_(spec.lr_mult != 0)
            if spec.name:
                owners[spec.name] = parameter
        setattr(holder, name, parameter)


def _blobs(module: nn.Module, statistics: bool) -> list[Tensor]:
    if not statistics:
        return list(module.parameters())
    mean, variance = module.get_buffer("running_mean"), module.get_buffer("running_var")
    return [mean, variance, mean.new_ones(1)]


def _array(tensor: Tensor) -> Array:
    return tensor.detach().to("cpu", torch.float32, copy=True).contiguous().numpy()


def _loss_weights(rows: Sequence[LayerSummary]) -> dict[str, float]:
    weights: dict[str, float] = {}
    for row in rows:
        stated = list(row.layer.loss_weight) or [1.0] * row.type.endswith("Loss")
        weights.update((top, weight) for top, weight in zip(_top_names(row), stated, strict=False) if weight)
    return weights
