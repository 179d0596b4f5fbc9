"""NetParameter and weights to ONNX."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from numpy.typing import ArrayLike

from converters.onnx import caffe2onnx
from converters.onnx.emission import Emission, Traced, emit, filtered_rows, ones
from converters.onnx.graph import Graph, Sizes
from converters.onnx.sizes import AXES, Dynamic, check_sizes, open_sizes
from converters.onnx.writing import model_bytes, onnx_package, write_model
from converters.weights import load_weights
from converters.weights.blobs import Array
from converters.weights.fitting import fit_weights, unused
from converters.weights.merge import fold_weights
from prototxt_gen.errors import NetworkError, UnsupportedError, WeightsError
from prototxt_gen.files import write_bytes
from prototxt_gen.flow import dead_rows, flow_of, live_rows, output_names
from prototxt_gen.layers import LAYERS, Shape, is_input
from prototxt_gen.layers.fillers import filler_parameter, fixed_values
from prototxt_gen.layers.sources import preprocessing
from prototxt_gen.passes.merging import Merge, merge_batchnorm
from prototxt_gen.passes.phase import select_phase
from prototxt_gen.proto import NetParameter
from prototxt_gen.trace import LayerSummary, trace

WeightsSource: TypeAlias = Mapping[str, Sequence[ArrayLike]] | str | os.PathLike[str]


@dataclass(frozen=True)
class Exported:
    """A network as a graph of ONNX. `inputs` and `outputs` have the graph's value for each top.

    `input_shapes` are those of the inputs by top, with which the network was set up.
    """

    graph: Graph
    name: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    input_shapes: Mapping[str, Shape]
    metadata: Mapping[str, str]

    def to_bytes(self) -> bytes:
        """The model as a file would hold it."""
        return model_bytes(self.graph, self.name, self.metadata)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Writes the file, in one step; PATH.data beside it has the weights of a model of 2 GB or more."""
        write_model(self.graph, self.name, self.metadata, path)


def export_onnx(
    net: NetParameter,
    weights: WeightsSource,
    path: str | os.PathLike[str],
    *,
    outputs: Sequence[str] | None = None,
    merged: bool = True,
    dynamic: Dynamic | None = None,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    metadata: Mapping[str, str] | None = None,
    strict: bool = True,
    backend: Literal["dongfeng", "caffe2onnx"] = "dongfeng",
    python: str | os.PathLike[str] | None = None,
) -> None:
    """Writes the network's TEST phase as an ONNX file that computes what Caffe computes: opset 17, IR 8.

    A node is named after its layer and a value after its blob; of several layers in place, the last one's value has
    the blob's name. Inputs are the tops of Input and data layers that the outputs need, float32, labels and indices
    too, as in Caffe. `outputs` are as in `to_torch`. Where an output is an input, too, or another output, a node
    Identity makes it. An output whose name is an input's gets a name of its own.

    `merged`: batch norm is folded into the layer before it (`merge_batchnorm`) where no output needs what lies between.
    What is not folded is a BatchNormalization, together with the Scale behind it.

    `dynamic` leaves sizes open: "batch" axis 0 of the first input, and of all others that have the same size there;
    "sizes" also height and width, axes 2 and 3 of the first input with four axes and of all like it. The network is
    then set up at several sizes, and UnsupportedError lists the layers whose nodes are not the same for all of them.
    Other sizes are those of `input_shapes`, which gives or replaces the shapes of inputs by top, or of the network.

    `weights` are arrays by layer name or the path of their file, as in `to_torch`; with strict=False layers that the
    network does not have are one warning. `metadata` goes into the file beside what data layers would do to their
    images ("preprocessing", JSON by top, as `to_torch` gives it).

    UnsupportedError lists every layer that ONNX cannot say, before any weight is read; WeightsError everything that is
    missing, unused or of another shape. A model of 2 GB or more has its weights in PATH.data beside it. Files are
    written in one step: an interruption leaves the old ones. NotInstalledError where the package onnx is absent.

    With `backend` "caffe2onnx" the published package of that name writes the model, run by `python`, the Python of an
    environment that has it (`caffe2onnx.py` says how to make one). Names are as ours, sizes are never open. The numbers
    of every layer are compared with ours: NetworkError names the first layer that it gets wrong, UnsupportedError says
    where it fails, and nothing is written.
    """
    onnx_package("export to ONNX")
    if backend == "caffe2onnx":
        if dynamic is not None:
            raise NetworkError(f"dynamic: found {dynamic!r}, expected None with backend 'caffe2onnx'")
        model = by_caffe2onnx(
            net, weights, python, outputs=outputs, merged=merged, input_shapes=input_shapes, metadata=metadata,
            strict=strict,
        )  # fmt: skip
        write_bytes(path, model.SerializeToString())
        return
    if backend != "dongfeng":
        raise NetworkError(f"backend: found {backend!r}, expected 'dongfeng' or 'caffe2onnx'")
    made = to_graph(
        net, weights, outputs=outputs, merged=merged, dynamic=dynamic, input_shapes=input_shapes,
        metadata=metadata, strict=strict,
    )  # fmt: skip
    made.write(path)


def to_model(net: NetParameter, weights: WeightsSource, **options: Any) -> Any:
    """The onnx.ModelProto that `export_onnx` would write for the same options, all weights inside."""
    onnx = onnx_package("export to ONNX")
    return onnx.load_from_string(to_graph(net, weights, **options).to_bytes())


def to_graph(net: NetParameter, weights: WeightsSource, **options: Any) -> Exported:
    """The network as a graph of ONNX; options and errors as in `export_onnx`."""
    return _made(net, weights, **options).exported


def by_caffe2onnx(
    net: NetParameter, weights: WeightsSource, python: str | os.PathLike[str] | None, **options: Any
) -> Any:
    """The onnx.ModelProto that caffe2onnx makes, run by `python`; options, and errors, as in `export_onnx`."""
    onnx = onnx_package("export to ONNX")
    made = _made(net, weights, **options)
    model = caffe2onnx.convert(made.traced, list(made.exported.outputs), made.blobs.__getitem__, python)
    onnx.helper.set_model_props(model, dict(made.exported.metadata))
    return model


@dataclass(frozen=True)
class _Made:
    """A network as a graph, the layers that became it, and the weights of these by row."""

    exported: Exported
    traced: Traced
    blobs: Mapping[int, tuple[Array, ...]]


def _made(
    net: NetParameter,
    weights: WeightsSource,
    *,
    outputs: Sequence[str] | None = None,
    merged: bool = True,
    dynamic: Dynamic | None = None,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    metadata: Mapping[str, str] | None = None,
    strict: bool = True,
) -> _Made:
    """The network as a graph, and what it was made of; arguments and errors as in `export_onnx`."""
    if dynamic not in AXES:
        raise NetworkError(f"dynamic: found {dynamic!r}, expected None, 'batch' or 'sizes'")
    selected = select_phase(net, "TEST", level=net.state.level)
    rows = trace(selected, input_shapes)
    flow = flow_of(rows)
    names = output_names(flow, outputs)
    live, _ = live_rows(rows, flow, names)
    label = f"network {net.name!r}"
    whole = _cut(selected, [rows[index] for index in live], names)
    core, merges = _merged(whole) if merged else (whole, [])
    shapes = _input_shapes([rows[index] for index in live])
    traced = Traced.of(core, shapes)
    trial = emit(traced, names, AXES[dynamic], ones(traced.rows))
    faults = dict(trial.faults)
    found: list[Sizes] = [tuple(shape) for shape in traced.output_shapes()]
    taken = {top: shape for top, shape in shapes.items() if top in trial.inputs}
    try:
        sizes = open_sizes(taken | shapes, dynamic)
        if dynamic and not faults:
            found, faults = check_sizes(traced, trial, names, shapes, sizes)
    except UnsupportedError as fault:
        raise UnsupportedError(f"{label}: {str(fault).replace(f'{label}: ', '')}") from fault
    _refuse(label, traced, trial, faults)

    path = os.fspath(weights) if isinstance(weights, (str, os.PathLike)) else None
    arrays: Any = load_weights(path, net) if path is not None else weights
    blobs, wrong = _blobs(rows, live, arrays)
    spare = unused(net, arrays)
    text = f"{path + ': ' if path else ''}weights do not fit {label}: {'; '.join([*wrong, *spare])}"
    if wrong or (strict and spare):
        raise WeightsError(text)
    if spare:
        warnings.warn(text, stacklevel=4)
    folded = _folded(whole, merges, traced.rows, blobs)
    made = emit(traced, names, AXES[dynamic], folded.__getitem__)
    made.graph.inputs = {made.inputs[top]: sizes[top] for top in made.inputs}
    filtered = filtered_rows(traced)
    for place, read in enumerate(traced.outputs()):
        if read.value.row in filtered:
            found[place] = (None,) * len(found[place])
    made.graph.outputs = {made.outputs[name]: size for name, size in zip(names, found, strict=True)}
    exported = Exported(
        made.graph,
        net.name,
        made.inputs,
        made.outputs,
        {top: shapes[top] for top in made.inputs},
        _preprocessing(rows) | dict(metadata or {}),
    )
    return _Made(exported, traced, folded)


def _cut(selected: NetParameter, rows: Sequence[LayerSummary], names: Sequence[str]) -> NetParameter:
    """The network of these rows, and at its end a Silence that takes the outputs, so that no pass loses one."""
    net = NetParameter(name=selected.name)
    net.state.CopyFrom(selected.state)
    for row in rows:
        net.layer.add().CopyFrom(row.layer)
        net.layer[-1].ClearField("blobs")
        if len(row.tops) > len(row.layer.top):  # the automatic top of a loss is called as the layer
            net.layer[-1].top.append(row.name)
    net.layer.add(name="", type="Silence", bottom=names)
    return net


def _merged(net: NetParameter) -> tuple[NetParameter, list[Merge]]:
    """Batch norm folded; what a layer makes then has the name of the blob that it is, which the last absorbed made."""
    core, merges = merge_batchnorm(net)
    tops = {layer.name: layer.top[0] for layer in net.layer if layer.top}
    absorbed = {merge.layer: tops[merge.scale or merge.batch_norm] for merge in merges}
    renamed = {layer.top[0]: absorbed[layer.name] for layer in core.layer if layer.name in absorbed}
    for layer in core.layer:
        layer.bottom[:] = [renamed.get(name, name) for name in layer.bottom]
        layer.top[:] = [renamed.get(name, name) for name in layer.top]
    return core, merges


def _input_shapes(rows: Sequence[LayerSummary]) -> dict[str, Shape]:
    return {
        top: shape for row in rows if is_input(row.type) for top, shape in zip(row.tops, row.top_shapes, strict=True)
    }


def _refuse(label: str, traced: Traced, trial: Emission, faults: Mapping[int, str]) -> None:
    """UnsupportedError that lists the faults by row, if there are any."""
    if not faults:
        return
    kind = "that ONNX cannot say" if trial.faults else "that depend on the sizes of the inputs"
    listed = "; ".join(
        f"layer {traced.rows[index].name!r} ({traced.rows[index].type}): {text}"
        for index, text in sorted(faults.items())
    )
    advice = "" if trial.faults else "; export with fixed sizes"
    raise UnsupportedError(f"{label}: layers {kind} ({len(faults)}): {listed}{advice}")


def _blobs(
    rows: Sequence[LayerSummary], live: Sequence[int], arrays: Mapping[str, Sequence[ArrayLike]]
) -> tuple[dict[str, list[tuple[Array, ...]]], list[str]]:
    """By name the blobs of the live rows, once for each layer of this name, and what does not fit.

    Blobs that layers share are one array, the last that the weights have for it, as Caffe copies them; what it would
    fill without random numbers is filled (Caffe: net.cpp, CopyTrainedLayersFrom).
    """
    fitted, wrong = fit_weights(rows, arrays, optional=dead_rows(rows, live))
    shared: dict[str, Array] = {}
    for row, given in zip(rows, fitted, strict=True):
        for spec, blob in zip(row.layer.param, given, strict=False):
            if spec.name and blob is not None:
                shared[spec.name] = blob
    made: dict[str, list[tuple[Array, ...]]] = {}
    for index, (row, given) in enumerate(zip(rows, fitted, strict=True)):
        blobs = []
        for place, (blob, shape) in enumerate(zip(given, row.blob_shapes, strict=True)):
            name = row.layer.param[place].name if place < len(row.layer.param) else ""
            if name in shared:
                blob = shared[name]
            elif blob is None:
                blob = fixed_values(filler_parameter(row.layer, row.fillers, place), shape)
                if name and blob is not None:
                    shared[name] = blob
            if blob is not None:
                blobs.append(blob if blob.shape == shape else blob.reshape(shape))
        if index not in live:
            continue
        if len(blobs) < len(row.blob_shapes) and not wrong:
            wrong.append(f"layer {row.name!r} ({row.type}): found no weights for the second layer of this name")
        made.setdefault(row.name, []).append(tuple(blobs))
    return made, wrong


def _folded(
    net: NetParameter,
    merges: Sequence[Merge],
    rows: Sequence[LayerSummary],
    blobs: Mapping[str, Sequence[tuple[Array, ...]]],
) -> dict[int, tuple[Array, ...]]:
    """By row of the network after the merges its blobs; `blobs` are those of the network before, by name."""
    touched = {name for merge in merges for name in merge if name is not None}  # of which each has a name of its own
    folded = fold_weights(net, merges, {name: blobs[name][0] for name in touched})
    left = {name: iter(found) for name, found in blobs.items()}
    return {
        index: tuple(folded[row.name]) if row.name in touched else next(left[row.name], ())
        for index, row in enumerate(rows)
        if row.name in left
    }


def _preprocessing(rows: Sequence[LayerSummary]) -> dict[str, str]:
    found = {row.tops[0]: preprocessing(row.layer) for row in rows if "transform_param" in LAYERS[row.type].options}
    return {"preprocessing": json.dumps(found, ensure_ascii=False)} if found else {}
