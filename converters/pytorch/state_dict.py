"""PyTorch's own files, .pt and .pth: a state_dict of tensors, and the weights of a network in one."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Mapping, Sequence

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from converters.pytorch.module import to_torch, weights_of
from converters.weights import Weights
from prototxt_gen.errors import FormatError, WeightsError
from prototxt_gen.files import read_bytes, replacing
from prototxt_gen.proto import NetParameter

# Under which names training scripts put the state_dict into a checkpoint.
_WRAPPERS = ("state_dict", "model", "model_state_dict")


def read_state_dict(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The state_dict in a .pt or .pth, also one under `state_dict` or `model`. No code in the file is run.

    FormatError when it is no such file, or when it can be read only by running what it holds.
    """
    source = os.fspath(path)
    try:
        found = torch.load(io.BytesIO(read_bytes(path)), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, AttributeError, TypeError) as fault:
        text = (str(fault).splitlines() or [type(fault).__name__])[0]
        raise FormatError(f"{source}: not a checkpoint of tensors alone: {text}") from fault
    for wrapper in _WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(wrapper), Mapping):
            found = found[wrapper]
    if not isinstance(found, Mapping):
        raise FormatError(f"{source}: found a {type(found).__name__}, expected a state_dict")
    return {str(name): value for name, value in found.items()}


def read_module_weights(
    path: str | os.PathLike[str], net: NetParameter, *, input_shapes: Mapping[str, Sequence[int]] | None = None
) -> Weights:
    """The blobs in a state_dict of `to_torch(net)`. WeightsError lists entries that do not fit the network."""
    module = to_torch(net, input_shapes=input_shapes)
    try:
        module.load_state_dict(read_state_dict(path))
    except RuntimeError as fault:
        text = " ".join(str(fault).split())
        raise WeightsError(f"{os.fspath(path)}: weights do not fit network {net.name!r}: {text}") from fault
    return weights_of(module)


def write_module_weights(
    weights: Mapping[str, Sequence[ArrayLike]],
    path: str | os.PathLike[str],
    net: NetParameter,
    *,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
) -> None:
    """Writes the state_dict of `to_torch(net, weights)` in one step."""
    state = to_torch(net, weights, input_shapes=input_shapes).state_dict()
    with replacing(path) as temporary:
        torch.save(state, temporary)
