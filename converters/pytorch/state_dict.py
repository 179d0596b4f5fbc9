"""PyTorch's own files, .pt and .pth: reading a state_dict of tensors, and reading and writing a network's weights."""

from __future__ import annotations

import io
import os
import pickle
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from converters.pytorch.module import to_torch, weights_of
from converters.weights import Weights
from prototxt_gen.errors import FormatError, WeightsError
from prototxt_gen.files import read_bytes, write_bytes
from prototxt_gen.proto import NetParameter

# Under which names training scripts put the state_dict into a checkpoint.
_WRAPPERS = ("state_dict", "model", "model_state_dict")
# What torch.load raises for damaged files.
_LOAD_FAULTS = (
    pickle.UnpicklingError,
    RuntimeError,
    EOFError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    AssertionError,
)


def read_state_dict(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The state_dict in a .pt or .pth, also one under `state_dict` or `model`. No code in the file is run.

    FormatError when the file is something else, is cut short or damaged, or cannot be read without running code.
    """
    found = read_saved(path, "a state_dict of tensors")
    for wrapper in _WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(wrapper), Mapping):
            found = found[wrapper]
    if not isinstance(found, Mapping):
        raise FormatError(f"{os.fspath(path)}: found a {type(found).__name__}, expected a state_dict")
    return {str(name): value for name, value in found.items()}


def read_saved(path: str | os.PathLike[str], expected: str) -> Any:
    """What torch.save wrote: tensors, numbers, texts, lists and dicts of these, on the CPU. No code in it is run.

    FormatError, which says what was `expected`, for a file that is something else, cut short or damaged.
    """
    data = read_bytes(path)
    try:
        with warnings.catch_warnings():
            # torch warns about files that it then refuses.
            warnings.simplefilter("ignore")
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except _LOAD_FAULTS as fault:
        raise FormatError(f"{os.fspath(path)}: {_why_refused(data, str(fault))}; expected {expected}") from fault


def write_saved(value: Any, path: str | os.PathLike[str]) -> None:
    """Writes what `read_saved` reads, in one step. FileError when the disk is full, for example."""
    # torch.save into a file would hide the system's reason for a failure.
    file = io.BytesIO()
    torch.save(value, file)
    write_bytes(path, file.getvalue())


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
    """Writes the state_dict of `to_torch(net, weights)` in one step. FileError when the disk is full, for example."""
    write_saved(to_torch(net, weights, input_shapes=input_shapes).state_dict(), path)


def _why_refused(data: bytes, message: str) -> str:
    """Why torch.load refused the file, in a few words. Its own messages are long, and advise to run the code."""
    code = re.search(r"GLOBAL (\S+) was not an allowed", message)
    if code:
        return f"refused, because loading it would run code in it ({code[1]})"
    if "TorchScript" in message:
        return "found a TorchScript program, whose code is not run"
    if not data:
        return "the file is empty"
    if data.startswith(b"PK"):
        return "a zip archive that is cut short, damaged, or not written by torch.save"
    if data.startswith(b"\x80"):
        return "a pickle that is cut short, damaged, or not written by torch.save; no code in it is run"
    return "not a file that torch.save writes"
