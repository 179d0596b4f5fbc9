"""NetParameter and weights to a torch module, and a module's weights back to Caffe's blobs."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from numpy.typing import ArrayLike
from torch import Tensor, fx, nn

from converters.pytorch.filling import blobs_in, fill, origins_of
from converters.pytorch.graph import Call, calls_of, graph_module, idle_modules, layer_paths, modules_of
from converters.pytorch.sizes import SizeCheck
from converters.weights import Weights, load_weights
from converters.weights.fitting import Fitted, fit_weights, unused
from prototxt_gen.errors import NetworkError, UnsupportedError, WeightsError
from prototxt_gen.flow import Value, dead_rows, flow_of, live_rows, output_names
from prototxt_gen.layers import LAYERS, is_input
from prototxt_gen.layers.sources import preprocessing
from prototxt_gen.passes.phase import select_phase
from prototxt_gen.proto import NetParameter
from prototxt_gen.trace import trace


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
    the one output as a tensor, several as a dict by top name. Outputs are the tops that no layer takes and those with
    a loss weight, as in Caffe, or those named in `outputs`, with the values that they have at the end (after in-place
    layers). Layers that these do not need are not run. Inputs that they do not need are no arguments of the module when
    `outputs` is given; otherwise they may be left out of the call if no needed input comes after them.
    The batch size, and height and width where layers allow it, may differ from the network's: NetworkError names the
    layer where they do not.

    State-dict keys follow layer names: `res2.1.conv1.weight` (see naming.py). A BatchNorm and the Scale after it are
    one torch batch norm under the BatchNorm's name; use_global_stats: true keeps the stored statistics in train() too.
    Parameters with lr_mult 0, and those of layers that are not run, do not require gradients; layers that share a
    `param { name }` share one parameter. Layers that `outputs` leaves out are not part of the module, but `weights_of`
    gives their blobs too.
    Positions, such as ArgMax gives, are floating-point numbers, as in Caffe; labels may be of any type.

    `weights` are arrays by layer name (copied) or the path of their file (read without a second copy). One WeightsError
    lists everything that is missing, unused or of another shape; with strict=False it is one warning, what fits is
    loaded, and the rest is filled as without weights. A Deconvolution with a bilinear filler may always be
    absent. Without weights every blob is filled as the network says, with torch's random numbers; weights for which it
    says nothing are filled by `msra`.

    `module.meta["caffe"]["preprocessing"]` has, by top, what data layers would do to their images: mean_values in the
    order of channels or mean_file, scale (after the mean), crop and resize as (height, width), mirror.

    With phase TEST the module comes in eval(), with TRAIN in train(). UnsupportedError lists all layers that are
    not supported, before any weight is read.
    """
    selected = select_phase(net, phase, level=net.state.level)
    rows = trace(selected, input_shapes)
    flow = flow_of(rows)
    names = output_names(flow, outputs)
    results = {name: flow.final[name] for name in names}
    live, needed = live_rows(rows, flow, names)
    paths = layer_paths(rows)
    calls = calls_of(rows, flow, live, paths, list(results.values()))
    modules = modules_of(rows, calls)
    idle_calls = [Call((index,), paths[index], []) for index in dead_rows(rows, live)]
    idle = idle_modules(rows, idle_calls)

    path = os.fspath(weights) if isinstance(weights, (str, os.PathLike)) else None
    arrays: Mapping[str, Sequence[ArrayLike]] | None
    arrays = load_weights(path, net) if path is not None else weights  # type: ignore[assignment]
    given: Fitted = [[None] * len(row.blob_shapes) for row in rows]
    if arrays is not None:
        given, faults = fit_weights(rows, arrays, optional=[call.rows[0] for call in idle_calls])
        faults += unused(net, arrays)
        if faults:
            text = f"{path + ': ' if path else ''}weights do not fit network {net.name!r}: {'; '.join(faults)}"
            if strict:
                raise WeightsError(text)
            warnings.warn(text, stacklevel=2)
    fill(rows, [*calls, *idle_calls], modules | idle, given, own=path is not None)

    left_out: Weights = {}
    if outputs is not None:
        # What a layer shares with one that is run may still be trained.
        shared = {spec.name for index in live for spec in rows[index].layer.param if spec.name}
        apart = [call for call in idle_calls if not shared & {spec.name for spec in rows[call.rows[0]].layer.param}]
        for origin in origins_of(rows, apart):
            left_out.setdefault(origin.layer, blobs_in(idle.pop(origin.path), origin))
        idle_calls = [call for call in idle_calls if call.path in idle]
    trained = {id(parameter) for module in modules.values() for parameter in module.parameters()}
    for parameter in (parameter for module in idle.values() for parameter in module.parameters()):
        parameter.requires_grad_(parameter.requires_grad and id(parameter) in trained)

    inputs = [
        Value(index, place)
        for index, row in enumerate(rows)
        if is_input(row.type)
        for place in range(len(row.tops))
        if outputs is None or (index, place) in needed
    ]
    checked = [rows[value.row].tops[value.top] for value in inputs if value in needed]
    check = SizeCheck(net.name, [rows[index] for index in live], checked)
    module = graph_module(rows, calls, modules, idle, check, inputs, needed, results)
    module.meta["caffe"] = {
        "inputs": {rows[index].tops[place]: rows[index].top_shapes[place] for index, place in inputs},
        "outputs": tuple(names),
        "loss_weights": {loss.top: loss.weight for loss in flow.losses},
        "changed_losses": tuple(loss.top for loss in flow.losses if loss.read != flow.final[loss.top]),
        "preprocessing": {
            row.tops[0]: preprocessing(row.layer) for row in rows if "transform_param" in LAYERS[row.type].options
        },
        "origins": tuple(origins_of(rows, [*calls, *idle_calls])),
        "left_out": left_out,
    }
    return module.train(phase == "TRAIN")


def weights_of(module: nn.Module) -> Weights:
    """The blobs of every layer of a network that `to_torch` has made a module of, float32 in Caffe's order and shape.

    A batch norm gives the three blobs of its BatchNorm, with the factor 1, and the two of its Scale. Layers that no
    output needs keep the blobs that they were given or filled with. NetworkError for any other module.
    """
    module = getattr(module, "_orig_mod", module)  # what torch.compile wraps
    meta = getattr(module, "meta", {}).get("caffe")
    if meta is None:
        raise NetworkError(f"weights_of: found a {type(module).__name__}, expected a module made by to_torch")
    weights: Weights = {}
    for origin in meta["origins"]:
        if origin.layer not in weights:  # of two layers with one name Caffe loads the first
            weights[origin.layer] = blobs_in(module.get_submodule(origin.path), origin)
    for layer, blobs in meta["left_out"].items():
        weights.setdefault(layer, [blob.copy() for blob in blobs])
    return weights


def total_loss(module: nn.Module, result: Tensor | Mapping[str, Tensor]) -> Tensor:
    """The sum of all tops that count as losses, each times its loss_weight: what Caffe's solver minimises.

    Those are the tops with a loss_weight, whether layers take them or not, and of types that end in Loss, where none
    is stated, those that no layer takes, with weight 1 (Caffe: loss_layer.cpp, insert_splits.cpp). The numbers of a top
    are added up. NetworkError names those that `outputs` has left out of the result.
    """
    made: Any = getattr(module, "_orig_mod", module)  # what torch.compile wraps
    meta: dict[str, Any] = made.meta["caffe"]
    weights: dict[str, float] = meta["loss_weights"]
    tops = result if isinstance(result, Mapping) else {meta["outputs"][0]: result}
    if not weights:
        raise NetworkError(f"total_loss: found no loss among the outputs {list(tops)}")
    missing = [top for top in weights if top not in tops]
    if missing:
        raise NetworkError(f"total_loss: found the tops {list(tops)}, expected the losses {missing} among them")
    if changed := meta["changed_losses"]:
        raise UnsupportedError(f"total_loss: in-place layers change the losses {list(changed)} after they are computed")
    return torch.stack([weight * tops[top].sum() for top, weight in weights.items()]).sum()
