"""The numbers in a module's blobs: from weights or from fillers, and back as Caffe's blobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from converters.pytorch.graph import Call
from converters.pytorch.layers import normalization
from converters.pytorch.layers.fillers import filled
from converters.weights.blobs import Array
from converters.weights.fitting import Fitted
from prototxt_gen.layers.fillers import filler_parameter
from prototxt_gen.trace import LayerSummary


@dataclass(frozen=True)
class Origin:
    """Where a layer's blobs are: the running statistics, or the parameters in order, of the module at `path`."""

    layer: str
    path: str
    shapes: tuple[tuple[int, ...], ...]
    statistics: bool


def origins_of(rows: Sequence[LayerSummary], calls: Sequence[Call]) -> list[Origin]:
    """Where the blobs of every layer are, in the network's order."""
    parts = sorted((index, call.path) for call in calls for index in call.rows if rows[index].blob_shapes)
    return [
        Origin(rows[index].name, path, rows[index].blob_shapes, rows[index].type == "BatchNorm")
        for index, path in parts
    ]


def fill(
    rows: Sequence[LayerSummary], calls: Sequence[Call], modules: Mapping[str, nn.Module], given: Fitted, own: bool
) -> None:
    """Sets every blob of the modules, from `given` or by its filler.

    With `own` a parameter uses the memory of its array, otherwise a copy.
    """
    owners: dict[str, Any] = {}  # by the name of a shared blob, its parameter, or the module that has it as a buffer
    for index, path in sorted((index, call.path) for call in calls for index in call.rows):
        row = rows[index]
        if row.type == "BatchNorm":
            _fill_statistics(row, modules[path], given[index], owners)
        else:
            _fill_parameters(row, modules[path], given[index], owners, own)


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
            if tensor is not None:  # Caffe copies the array of each layer into the one blob, so the last one stays
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


def blobs_in(module: nn.Module, origin: Origin) -> list[Array]:
    """Copies of a layer's blobs, float32 in Caffe's order and shapes. `module` is the one at the origin's path."""
    arrays = [_array(tensor) for tensor in _tensors(module, origin.statistics)]
    shapes = origin.shapes if len(origin.shapes) == len(arrays) else [array.shape for array in arrays]
    return [
        array.reshape(shape) if array.size == prod(shape) else array
        for array, shape in zip(arrays, shapes, strict=True)
    ]


def _tensors(module: nn.Module, statistics: bool) -> list[Tensor]:
    if not statistics:
        return list(module.parameters())
    mean, variance = module.get_buffer("running_mean"), module.get_buffer("running_var")
    return [mean, variance, mean.new_ones(1)]


def _array(tensor: Tensor) -> Array:
    return tensor.detach().to("cpu", torch.float32, copy=True).contiguous().numpy()
