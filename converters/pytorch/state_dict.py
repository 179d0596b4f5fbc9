"""Weights of a known network from and to any kind of file, PyTorch's state_dict among them."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from numpy.typing import ArrayLike

from converters.pytorch.module import to_torch, weights_of
from converters.weights import Weights, load_weights, save_weights
from converters.weights.blobs import fit
from prototxt_gen.errors import FormatError, WeightsError
from prototxt_gen.files import read_bytes, replacing
from prototxt_gen.passes.phase import select_phase
from prototxt_gen.proto import NetParameter
from prototxt_gen.trace import trace

STATE_DICT_SUFFIXES = (".pt", ".pth")


def read_weights(
    path: str | os.PathLike[str], net: NetParameter, *, input_shapes: Mapping[str, Sequence[int]] | None = None
) -> Weights:
    """The weights in a file that `load_weights` reads or in a state_dict of `to_torch(net)` (.pt, .pth), checked,
    in the network's shapes.

    `input_shapes` is for networks whose inputs state none, as in `to_torch`.
    A state_dict is read with weights_only, so that no code in it runs. What may be missing (see `to_torch`) is filled
    in: Caffe stops at a layer that should have blobs and has none in the file. WeightsError lists every layer that is
    missing, unused or of another shape.
    """
    source = os.fspath(path)
    if Path(path).suffix in STATE_DICT_SUFFIXES:
        return _read_state_dict(source, net, input_shapes)
    weights = load_weights(path, net)
    try:
        weights = weights_of(to_torch(net, weights, input_shapes=input_shapes)) | weights
    except WeightsError as fault:
        raise WeightsError(f"{source}: {fault}") from fault
    # The ones that old files put before a shape could not be told from real ones in HDF5 and safetensors.
    for layer in trace(select_phase(net, "TEST"), input_shapes):
        for index, (blob, shape) in enumerate(zip(weights.get(layer.name, ()), layer.blob_shapes, strict=False)):
            if (fitted := fit(blob, shape)) is not None:
                weights[layer.name][index] = fitted
    return weights


def write_weights(
    weights: Mapping[str, Sequence[ArrayLike]],
    path: str | os.PathLike[str],
    net: NetParameter,
    *,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
) -> None:
    """Writes weights in one step, by suffix: what `save_weights` writes, or a state_dict of `to_torch(net)`."""
    if Path(path).suffix not in STATE_DICT_SUFFIXES:
        save_weights(weights, path, net)
        return
    state = to_torch(net, weights, input_shapes=input_shapes).state_dict()
    with replacing(path) as temporary:
        torch.save(state, temporary)


def _read_state_dict(source: str, net: NetParameter, input_shapes: Mapping[str, Sequence[int]] | None) -> Weights:
    try:
        state = torch.load(io.BytesIO(read_bytes(source)), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as fault:
        raise FormatError(f"{source}: not a PyTorch state_dict: {str(fault).splitlines()[0]}") from fault
    if not isinstance(state, Mapping):
        raise FormatError(f"{source}: found a {type(state).__name__}, expected a state_dict")
    module = to_torch(net, input_shapes=input_shapes)
    try:
        module.load_state_dict(state)
    except RuntimeError as fault:
        text = " ".join(str(fault).split())
        raise WeightsError(f"{source}: weights do not fit network {net.name!r}: {text}") from fault
    return weights_of(module)
