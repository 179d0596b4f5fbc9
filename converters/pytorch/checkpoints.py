"""Checkpoints of other PyTorch code: from their entries to our layers and back, by a known layout or a file of names.

The layouts known here are DFNet backbones of PyTorch segmentation code (`dfnetv1`, `dfnetv2`). For any other checkpoint
a `NameMap`, kept as JSON, says which module is which layer; `propose_mapping` makes a first one from order and shapes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from converters.weights import Weights
from converters.weights.blobs import Array, as_blob
from prototxt_gen.errors import FormatError, UnsupportedError, WeightsError
from prototxt_gen.files import read_bytes, write_bytes
from prototxt_gen.generator.networks import generate
from prototxt_gen.layers.normalization import is_affine_part
from prototxt_gen.passes.phase import select_phase
from prototxt_gen.proto import NetParameter
from prototxt_gen.trace import LayerSummary, trace

TORCH_EPS = 1e-5
"""What torch's BatchNorm adds to variances by default; the release's networks add 1e-4."""

_STATISTICS = ("running_mean", "running_var")


@dataclass(frozen=True)
class Layout:
    """A published way of naming modules: the architecture, and which of our blocks are in each of their stages."""

    architecture: str
    stages: tuple[tuple[str, int, int, int], ...]  # (their stage, our res<n>, its first block, number of blocks)


LAYOUTS: Mapping[str, Layout] = {
    "dfnetv1": Layout(
        "s32-64_b64x3_b128x3_b256x3-512_c1000",
        (("stage2", 2, 1, 3), ("stage3", 3, 1, 3), ("stage4", 4, 1, 3), ("stage5", 4, 4, 1)),
    ),
    "dfnetv2": Layout(
        "s32-64_b64x2-128_b128x10-256_b256x4-512x2_c1000",
        (
            ("stage2_1", 2, 1, 2), ("stage2_2", 2, 3, 1), ("stage3_1", 3, 1, 10), ("stage3_2", 3, 11, 1),
            ("stage4_1", 4, 1, 4), ("stage4_2", 4, 5, 2),
        ),
    ),
}  # fmt: skip
"""DFNet as SFNet, DecoupleSegNets and others write it: a new stage begins where the width changes."""


@dataclass(frozen=True)
class NameMap:
    """Their module names to our layer names, and patterns (`head.*`) of entries to leave out.

    A module with running statistics stands for a BatchNorm and the Scale after it; its layer name is the BatchNorm's.
    """

    layers: Mapping[str, str]
    ignore: tuple[str, ...] = ()


def detect_layout(state: Mapping[str, Any], prefix: str = "") -> str:
    """The name of the layout in LAYOUTS that the entries follow. WeightsError when none or more than one fits."""
    names = _entries(state, prefix)
    found = [
        name
        for name, layout in LAYOUTS.items()
        if all(f"{stage[0]}.0.conv1.weight" in names for stage in layout.stages)
    ]
    if len(found) != 1:
        some = ", ".join(list(names)[:5])
        raise WeightsError(f"layout: found entries {some} ..., expected the names of one of {', '.join(LAYOUTS)}")
    return found[0]


def layout_mapping(layout: str) -> NameMap:
    """The names of a layout: `stage2.0.conv1` is `res2.1.conv1`, `stage2.0.downsample.0` is `res2.1.skipConv`."""
    net = generate(_layout(layout).architecture)
    norms = {layer.bottom[0]: layer.name for layer in net.layer if layer.type == "BatchNorm"}
    pairs = [("stage1.0", "stage1.1", "conv1"), ("stage1.3", "stage1.4", "conv2")]
    for stage, number, first, blocks in _layout(layout).stages:
        for index in range(blocks):
            theirs, ours = f"{stage}.{index}", f"res{number}.{first + index}"
            pairs += [
                (f"{theirs}.conv1", f"{theirs}.bn1", f"{ours}.conv1"),
                (f"{theirs}.conv2", f"{theirs}.bn2", f"{ours}.conv2"),
                (f"{theirs}.downsample.0", f"{theirs}.downsample.1", f"{ours}.skipConv"),
            ]
    layers: dict[str, str] = {}
    for convolution, norm, ours in pairs:
        if ours in norms:  # a block that keeps width and size has no skipConv
            layers |= {convolution: ours, norm: norms[ours]}
    return NameMap(layers | {"fc": "fc"})


def from_state_dict(
    state: Mapping[str, Any], layout: str | None = None, *, eps: float = TORCH_EPS, prefix: str = ""
) -> tuple[NetParameter, Weights]:
    """The network and the weights in a DFNet state_dict; without `layout` it is found from the names.

    Their BatchNorms add 1e-5 to the variance, the release's add 1e-4; those of the network made here add `eps`. With
    the default the weights are theirs, unchanged, and the network differs from the release's in eps. With eps=1e-4 the
    network is the release's, and every variance is changed by 1e-5 - 1e-4, so that variance + eps stays the same (a
    very small variance becomes negative). That is exact outside training: Caffe and torch use only the sum there.

    Only entries whose names begin with `prefix` (such as `backbone.`) are read, and the prefix is removed. Without
    entries of `fc` the network ends after the last block; otherwise `fc` gives the number of classes.
    WeightsError lists every entry that is missing, unexpected or of another shape. Entries `num_batches_tracked` and
    DataParallel's prefix `module.` are ignored.
    """
    layout = detect_layout(state, prefix) if layout is None else layout
    entries = _entries(state, prefix)
    classes = None
    if any(name.startswith("fc.") for name in entries):
        weight = entries.get("fc.weight")
        classes = len(weight) if weight is not None and np.ndim(weight) == 2 else 1000
    net = _network(layout, classes, eps)
    weights = apply_mapping(entries, _without_classifier(layout_mapping(layout), classes), net)
    return net, _move_variances(weights, net, TORCH_EPS - eps)


def to_state_dict(weights: Mapping[str, Sequence[ArrayLike]], layout: str, *, eps: float) -> dict[str, Tensor]:
    """The weights of DF1 (dfnetv1) or DF2 (dfnetv2) as their PyTorch code loads them: the reverse of `from_state_dict`.

    `eps` is what the network of these weights adds to variances: 1e-4 for the release's, 1e-5 for those that
    `from_state_dict` gave by default. The difference from their 1e-5 is added to the variances, so that the network
    computes the same numbers. Weights without `fc` give a state_dict without it. WeightsError lists everything that
    does not fit.
    """
    arrays = {name: [_array(blob, f"layer {name!r}") for blob in blobs] for name, blobs in weights.items()}
    classifier = arrays.get("fc")
    classes = len(classifier[0]) if classifier and classifier[0].ndim else None
    net = _network(layout, classes, eps)
    mapping = _without_classifier(layout_mapping(layout), classes)
    return undo_mapping(_move_variances(arrays, net, eps - TORCH_EPS), mapping, net)


def apply_mapping(state: Mapping[str, Any], mapping: NameMap, net: NetParameter) -> Weights:
    """The network's weights from a state_dict whose modules `mapping` assigns to our layers.

    Convolutions, deconvolutions and inner products take `weight` and `bias`, PReLU takes `weight`, a BatchNorm and
    its Scale take `running_mean`, `running_var`, `weight`, `bias`; axes of size 1 at the end may differ (a 1x1
    convolution for an inner product). WeightsError lists all layers that no module is mapped to, and
    all entries that are missing, unexpected or of another shape. Variances are not changed: see `batch_norm_eps`.
    """
    entries = {name: value for name, value in _entries(state).items() if not _ignored(name, mapping)}
    weights: Weights = {}
    faults = []
    slots = dict(_slots(net))
    used: set[str] = set()
    for theirs, ours in mapping.layers.items():
        if ours not in slots:
            faults.append(f"name {theirs!r}: its layer {ours!r} has no weights in network {net.name!r}")
            continue
        for suffix, layer, shape in slots.pop(ours):
            entry = f"{theirs}.{suffix}" if suffix else ""
            if not suffix:
                weights.setdefault(layer, []).append(np.ones(shape, np.float32))
            elif entry not in entries:
                faults.append(f"entry {entry!r} (layer {layer!r}): missing")
            else:
                used.add(entry)
                try:
                    array = _array(entries[entry], f"entry {entry!r}")
                except WeightsError as fault:
                    faults.append(str(fault))
                    continue
                if _bare(array.shape) != _bare(shape) or array.size != np.prod(shape, dtype=int):
                    faults.append(f"entry {entry!r} (layer {layer!r}): found shape {array.shape}, expected {shape}")
                else:
                    weights.setdefault(layer, []).append(array.reshape(shape))
    faults += [f"entry {entry!r}: unexpected" for entry in entries if entry not in used]
    faults += [f"layer {name!r}: no module is mapped to it" for name in slots]
    if faults:
        raise WeightsError(f"state_dict does not fit network {net.name!r}: {'; '.join(faults)}")
    return weights


def undo_mapping(weights: Mapping[str, Sequence[ArrayLike]], mapping: NameMap, net: NetParameter) -> dict[str, Tensor]:
    """The weights as a state_dict with their names: the reverse of `apply_mapping`.

    BatchNorm's statistics are divided by its factor, and `num_batches_tracked` is 0. WeightsError lists every blob
    that is missing or of another shape, and every layer with weights that no module is mapped to.
    """
    slots = dict(_slots(net))
    state: dict[str, Tensor] = {}
    faults = []
    left = {name for name, blobs in weights.items() if len(blobs)}
    for theirs, ours in mapping.layers.items():
        places: dict[str, int] = {}
        for suffix, layer, shape in slots.get(ours, ()):
            left.discard(layer)
            place = places[layer] = places.get(layer, -1) + 1
            blobs = weights.get(layer, ())
            if place >= len(blobs):
                faults.append(f"layer {layer!r}: blob {place} is missing")
                continue
            array = _array(blobs[place], f"layer {layer!r}: blob {place}")
            if array.shape != shape:
                faults.append(f"layer {layer!r}: blob {place}: found shape {array.shape}, expected {shape}")
                continue
            if suffix:
                state[f"{theirs}.{suffix}"] = torch.from_numpy(array.copy())
                continue
            factor = float(array.reshape(-1)[0])
            for name in _STATISTICS:
                if f"{theirs}.{name}" in state:
                    state[f"{theirs}.{name}"] *= 1 / factor if factor else 0.0
            state[f"{theirs}.num_batches_tracked"] = torch.tensor(0)
        if ours not in slots:
            faults.append(f"name {theirs!r}: its layer {ours!r} has no weights in network {net.name!r}")
    faults += [f"layer {name!r}: no module is mapped to it" for name in weights if name in left]
    if faults:
        raise WeightsError(f"weights of network {net.name!r} cannot be mapped: {'; '.join(faults)}")
    return state


def propose_mapping(state: Mapping[str, Any], net: NetParameter, ignore: Sequence[str] = ()) -> NameMap:
    """A NameMap by order: their nth layer with weights is our nth, and their nth batch norm is our nth BatchNorm.

    This is right where modules are registered in the order in which they run, as in timm's models. Shapes are checked,
    but if two neighbours of the same shape are registered in the wrong order nothing shows it: write the map to a file
    (`write_mapping`) and check it by eye. WeightsError lists counts and shapes that differ.
    """
    mapping = NameMap({}, tuple(ignore))
    theirs: dict[str, list[tuple[str, tuple[int, ...]]]] = {"norm": [], "weight": []}
    entries = {name: value for name, value in _entries(state).items() if not _ignored(name, mapping)}
    for name, value in entries.items():
        module, _, suffix = name.rpartition(".")
        if suffix == "running_mean":
            theirs["norm"].append((module, _bare(np.shape(value))))
        elif suffix == "weight" and f"{module}.running_mean" not in entries:
            theirs["weight"].append((module, _bare(np.shape(value))))
    ours: dict[str, list[tuple[str, tuple[int, ...]]]] = {"norm": [], "weight": []}
    for name, slots in _slots(net):
        kind = "norm" if slots[0][0] == "running_mean" else "weight"
        ours[kind].append((name, _bare(slots[0][2])))
    faults = []
    layers: dict[str, str] = {}
    for kind, what in (("weight", "layers with weights"), ("norm", "batch norms")):
        if len(theirs[kind]) != len(ours[kind]):
            faults.append(f"found {len(theirs[kind])} {what}, expected {len(ours[kind])}")
        for (module, found), (layer, expected) in zip(theirs[kind], ours[kind], strict=False):
            if found != expected:
                faults.append(f"{module!r}: found shape {found}, expected {expected} of layer {layer!r}")
            layers[module] = layer
    if faults:
        raise WeightsError(f"state_dict does not match network {net.name!r} in order: {'; '.join(faults)}")
    return NameMap(layers, tuple(ignore))


def read_mapping(path: str | os.PathLike[str]) -> NameMap:
    """Reads `{"layers": {"their.module": "our layer"}, "ignore": ["pattern"]}`. FormatError for anything else."""
    source = os.fspath(path)
    try:
        found = json.loads(read_bytes(path))
    except ValueError as fault:
        raise FormatError(f"{source}: not JSON: {fault}") from fault
    layers = found.get("layers") if isinstance(found, dict) else None
    if not isinstance(layers, dict) or not all(isinstance(name, str) for name in layers.values()):
        raise FormatError(f'{source}: layers: found {layers!r}, expected {{"their.module": "our layer", ...}}')
    ignore = found.get("ignore", [])
    if not isinstance(ignore, list) or not all(isinstance(pattern, str) for pattern in ignore):
        raise FormatError(f"{source}: ignore: found {ignore!r}, expected a list of patterns")
    if unknown := sorted(set(found) - {"layers", "ignore"}):
        raise FormatError(f"{source}: found fields {unknown}, expected layers and ignore")
    twice = sorted({name for name in layers.values() if list(layers.values()).count(name) > 1})
    if twice:
        raise FormatError(f"{source}: layers: found two names for {twice}, expected one each")
    return NameMap(layers, tuple(ignore))


def write_mapping(mapping: NameMap, path: str | os.PathLike[str]) -> None:
    """Writes what `read_mapping` reads, in one step."""
    text = json.dumps({"layers": dict(mapping.layers), "ignore": list(mapping.ignore)}, indent=2, ensure_ascii=False)
    write_bytes(path, f"{text}\n".encode())


def batch_norm_eps(net: NetParameter, eps: float) -> NetParameter:
    """A new network whose BatchNorms all add `eps` to the variance, as those of a checkpoint do."""
    changed = NetParameter()
    changed.CopyFrom(net)
    for layer in changed.layer:
        if layer.type == "BatchNorm":
            layer.batch_norm_param.eps = eps
    return changed


def _layout(layout: str) -> Layout:
    if layout not in LAYOUTS:
        raise WeightsError(f"layout: found {layout!r}, expected one of {', '.join(LAYOUTS)}")
    return LAYOUTS[layout]


def _network(layout: str, classes: int | None, eps: float) -> NetParameter:
    """The layout's network; without classes it ends after the last block."""
    code = _layout(layout).architecture.rpartition("_c")[0] + f"_c{classes or 1000}"
    net = batch_norm_eps(generate(code), eps)
    while classes is None and net.layer[-1].type != "ReLU":
        del net.layer[-1]
    return net


def _without_classifier(mapping: NameMap, classes: int | None) -> NameMap:
    return mapping if classes else NameMap({name: layer for name, layer in mapping.layers.items() if layer != "fc"})


def _entries(state: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The entries under `prefix`, with it and DataParallel's `module.` removed from names; not batch counts."""
    wrapped = bool(state) and all(name.startswith("module.") for name in state)
    entries = {name.removeprefix("module.") if wrapped else name: value for name, value in state.items()}
    return {
        name.removeprefix(prefix): value
        for name, value in entries.items()
        if name.startswith(prefix) and not name.endswith("num_batches_tracked")
    }


def _ignored(name: str, mapping: NameMap) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in mapping.ignore)


_Slot = tuple[str, str, tuple[int, ...]]  # torch's name of a tensor ("" for BatchNorm's factor), our layer, blob shape


def _slots(net: NetParameter) -> Iterator[tuple[str, list[_Slot]]]:
    """Every layer with weights and the tensors that make its blobs. UnsupportedError lists other types."""
    rows = trace(select_phase(net, "TEST"))
    scales: dict[str, LayerSummary] = {}
    for before, row in pairwise(rows):
        if row.type == "Scale" and is_affine_part(row.layer, before.layer, len(row.bottom_shapes[0])):
            scales[before.name] = row
    taken = {row.name for row in scales.values()}
    unknown = []
    found = []
    for row in rows:
        if not row.blob_shapes or row.name in taken:
            continue
        if row.type == "BatchNorm":
            suffixes: tuple[str, ...] = (*_STATISTICS, "")
            slots = [(suffix, row.name, shape) for suffix, shape in zip(suffixes, row.blob_shapes, strict=True)]
            if row.name in scales:
                scale = scales[row.name]
                slots += [
                    (suffix, scale.name, shape)
                    for suffix, shape in zip(("weight", "bias"), scale.blob_shapes, strict=False)
                ]
        elif row.type in ("Convolution", "DepthwiseConvolution", "Deconvolution", "InnerProduct", "PReLU"):
            slots = [
                (suffix, row.name, shape) for suffix, shape in zip(("weight", "bias"), row.blob_shapes, strict=False)
            ]
        else:
            unknown.append(f"layer {row.name!r} ({row.type})")
            continue
        found.append((row.name, slots))
    if unknown:
        raise UnsupportedError(f"PyTorch has no module for the weights of: {', '.join(unknown)}")
    yield from found


def _array(value: Any, owner: str) -> Array:
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        value = value.float().numpy() if value.is_floating_point() else value.numpy()
    return as_blob(value, owner)


def _bare(shape: Sequence[int]) -> tuple[int, ...]:
    """The shape without the ones at its end."""
    sizes = tuple(shape)
    while sizes and sizes[-1] == 1:
        sizes = sizes[:-1]
    return sizes


def _move_variances(weights: Mapping[str, Sequence[Array]], net: NetParameter, difference: float) -> Weights:
    """Weights whose variances are larger by `difference`, computed in double precision; the others as they are."""
    moved = {name: list(blobs) for name, blobs in weights.items()}
    if difference == 0:
        return moved
    for layer in net.layer:
        blobs = moved.get(layer.name, [])
        if layer.type == "BatchNorm" and len(blobs) == 3:
            factor = float(blobs[2].reshape(-1)[0])
            blobs[1] = (blobs[1].astype(np.float64) + difference * factor).astype(np.float32)
    return moved
