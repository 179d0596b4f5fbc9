"""The engine `onnxruntime`: networks as ONNX, and ONNX files of others."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from converters.engines.engine import ENGINES, Blobs, Engine, Options, Session, Shapes, cpu_name
from converters.weights.blobs import Array
from prototxt_gen.errors import CaffeError, FormatError, NetworkError, NotInstalledError, UnsupportedError
from prototxt_gen.files import read_bytes
from prototxt_gen.layers import Shape
from prototxt_gen.proto import NetParameter


@ENGINES.register("onnxruntime")
class OnnxruntimeEngine(Engine):
    """onnxruntime on the CPU, by default with a thread for each processor that this process may use."""

    name = title = "onnxruntime"

    def __init__(self, options: Options) -> None:
        runtime = _package("onnxruntime")
        _package("onnx")  # the export needs it
        self._threads = options.threads or _processors()
        self.target = {
            "engine": self.name,
            "device": cpu_name(),
            "threads": self._threads,
            "precision": "float32",
            "batch": options.batch,
            "versions": {"onnxruntime": runtime.__version__, "python": platform.python_version()},
        }

    def _load(
        self, net: NetParameter, weights: Blobs | None, outputs: Sequence[str] | None, shapes: Shapes | None
    ) -> Session:
        """A graph for any batch where the network allows that, else for the one that it states."""
        from converters.onnx.exporting import to_graph

        if weights is None:  # the fillers' random numbers are torch's
            from converters.pytorch.module import to_torch, weights_of

            weights = weights_of(to_torch(net, outputs=outputs, input_shapes=shapes))
        # onnxruntime folds batch norm itself, in a fraction of the time.
        try:
            graph = to_graph(net, weights, outputs=outputs, merged=False, dynamic="batch", input_shapes=shapes)
        except UnsupportedError:
            graph = to_graph(net, weights, outputs=outputs, merged=False, input_shapes=shapes)
        try:
            session = _session(graph.to_bytes(), self._threads)
        except Exception as fault:  # it raises exceptions of its own kinds
            raise UnsupportedError(f"network {net.name!r}: onnxruntime cannot run it: {_first_line(fault)}") from fault
        return OnnxruntimeSession(session, graph.inputs, graph.outputs, graph.input_shapes, f"network {net.name!r}")


class OnnxruntimeSession(Session):
    """A graph in onnxruntime; `inputs` and `outputs` map our names to those in the graph.

    Where the graph keeps one batch size, a batch that is a multiple of it runs in pieces.
    """

    def __init__(
        self,
        session: Any,
        inputs: Mapping[str, str],
        outputs: Mapping[str, str],
        shapes: Mapping[str, Shape],
        label: str,
    ) -> None:
        super().__init__({name: shapes[name] for name in inputs}, list(outputs))
        self._session = session
        self._inputs = dict(inputs)
        self._outputs = dict(outputs)
        self._label = label
        self._fixed = all(isinstance(size, int) for value in session.get_inputs() for size in value.shape[:1])

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        given = {name: np.ascontiguousarray(array, np.float32) for name, array in self._given(inputs).items()}
        pieces = self._pieces(given)
        results = (
            [
                self._once({name: np.split(array, pieces)[index] for name, array in given.items()})
                for index in range(pieces)
            ]
            if pieces > 1
            else [self._once(given)]
        )
        if pieces > 1 and any(array.ndim == 0 for array in results[0]):
            raise NetworkError(
                f"{self._label}: onnxruntime: found a batch {pieces} times the network's, but an output without a batch"
            )
        joined = results[0] if pieces == 1 else [np.concatenate(parts) for parts in zip(*results, strict=True)]
        return dict(zip(self.outputs, joined, strict=True))

    def _pieces(self, inputs: Mapping[str, Array]) -> int:
        """How many batches of the network's size the inputs hold; 1 where that is not a whole number."""
        times = set()
        if not self._fixed:
            return 1
        for name, shape in self.inputs.items():
            found = inputs[name].shape
            if not shape or not shape[0] or len(found) != len(shape) or found[0] % shape[0]:
                return 1
            times.add(found[0] // shape[0])
        return max(times.pop(), 1) if len(times) == 1 else 1

    def _once(self, inputs: Mapping[str, Array]) -> list[Array]:
        feed = {inner: inputs[name] for name, inner in self._inputs.items()}
        try:
            return list(self._session.run(list(self._outputs.values()), feed))
        except Exception as fault:  # its errors have no base class of their own
            raise UnsupportedError(f"{self._label}: onnxruntime cannot run it: {_first_line(fault)}") from fault


def open_onnx(path: str | os.PathLike[str], tops: Iterable[str] = (), threads: int = 0) -> Session:
    """An ONNX file, ready to run: its inputs and outputs, and those of `tops` that are values within it.

    Sizes that the file leaves open are 0 in `inputs`. FileError, or FormatError where onnxruntime refuses the file.
    """
    onnx = _package("onnx")
    label = os.fspath(path)
    data = read_bytes(path)
    try:
        model = onnx.load_from_string(data)
        outputs = [value.name for value in model.graph.output]
        inside = {name for node in model.graph.node for name in node.output} - set(outputs)
        more = [name for name in tops if name in inside]
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in more)
        session = _session(model.SerializeToString(), threads, str(Path(path).absolute().parent))
    except CaffeError:
        raise
    except Exception as fault:
        raise FormatError(f"{label}: onnxruntime: {' '.join(str(fault).split())[:300]}") from fault
    shapes = {
        value.name: tuple(size if isinstance(size, int) else 0 for size in value.shape)
        for value in session.get_inputs()
    }
    return OnnxruntimeSession(
        session, {name: name for name in shapes}, {name: name for name in outputs + more}, shapes, label
    )


def _session(model: bytes, threads: int, folder: str | None = None) -> Any:
    """A session for a model; weights that it has in files of their own lie in `folder`."""
    runtime = _package("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    if folder is not None:
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", folder)
    return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as fault:
        raise NotInstalledError(name, "onnx", "engine onnxruntime") from fault


def _first_line(fault: Exception) -> str:
    return str(fault).splitlines()[0] if str(fault) else type(fault).__name__
