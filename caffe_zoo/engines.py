"""What runs a network on images: PyTorch, or onnxruntime by PyTorch's own export."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from converters.pytorch.module import to_torch
from converters.weights.merge import merge_batchnorm
from prototxt_gen.errors import CaffeError, UnsupportedError
from prototxt_gen.proto import NetParameter
from prototxt_gen.trace import trace

#: Data blobs (N, 3, H, W) to scores (N, classes, ...), float32 both.
Run: TypeAlias = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def runner(net: NetParameter, weights: Mapping[str, Sequence[Any]], engine: str = "torch") -> Run:
    """The network with its weights as a function of data blobs, with batch norm folded into the convolutions.

    The weights are those of the network (see load_network). CaffeError for an engine that there is not or that is not
    installed.
    """
    if engine not in ENGINES:
        raise CaffeError(f"engine: found {engine!r}, expected one of {', '.join(ENGINES)}")
    return ENGINES[engine](*merge_batchnorm(net, weights))


def _torch(net: NetParameter, weights: Mapping[str, Sequence[Any]]) -> Run:
    # Channels last is how the CPU's convolutions want them.
    module = to_torch(net, weights).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def run(blob: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            scores: NDArray[np.float32] = module(torch.from_numpy(blob).to(memory_format=torch.channels_last)).numpy()
        return scores

    return run


def _onnxruntime(net: NetParameter, weights: Mapping[str, Sequence[Any]]) -> Run:
    try:
        import onnx  # noqa: F401  (torch's export wants it)
        import onnxruntime
    except ImportError as fault:
        raise CaffeError(
            f"engine onnxruntime needs {fault.name}, which is not installed: pip install 'dongfeng[onnx]'"
        ) from fault
    shape = next(iter(trace(net)[0].top_shapes))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the export that needs no further package is deprecated
        path = Path(folder) / "net.onnx"
        try:
            torch.onnx.export(
                to_torch(net, weights),
                (torch.zeros(1, *shape[1:]),),
                str(path),
                input_names=["data"],
                output_names=["scores"],
                dynamo=False,
            )
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as fault:  # both raise kinds of their own
            reason = str(fault).splitlines()[0] if str(fault) else type(fault).__name__
            raise UnsupportedError(f"network {net.name!r}: onnxruntime cannot run it: {reason}") from fault

    def run(blob: NDArray[np.float32]) -> NDArray[np.float32]:
        # The export traces one image, and reshapes on the way may have kept its batch of 1.
        return np.concatenate([session.run(None, {"data": image[None]})[0] for image in blob])

    return run


ENGINES: Mapping[str, Callable[[NetParameter, Mapping[str, Sequence[Any]]], Run]] = {
    "torch": _torch,
    "onnxruntime": _onnxruntime,
}
