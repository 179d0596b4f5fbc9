"""The engine `onnxruntime`: networks by PyTorch's own export to ONNX, and ONNX files of others."""

from __future__ import annotations

import os
import platform
import tempfile
import warnings
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from converters.engines.engine import ENGINES, Blobs, Engine, Session, Shapes, cpu_name
from converters.weights.blobs import Array
from prototxt_gen.errors import CaffeError, FormatError, NetworkError, NotInstalledError, UnsupportedError
from prototxt_gen.files import read_bytes
from prototxt_gen.layers import Shape
from prototxt_gen.proto import NetParameter

if TYPE_CHECKING:
    from torch import fx


@ENGINES.register("onnxruntime")
class OnnxruntimeEngine(Engine):
    """onnxruntime on the CPU."""

    name = title = "onnxruntime"

    def __init__(self, threads: int = 0) -> None:
        runtime = _package("onnxruntime")
        _package("onnx")  # PyTorch's export needs it
        import torch

        self._threads = threads or torch.get_num_threads()
        self.target = {
            "engine": self.name,
            "device": cpu_name(),
            "threads": self._threads,
            "precision": "float32",
            "versions": {
                "onnxruntime": runtime.__version__,
                "torch": torch.__version__,
                "python": platform.python_version(),
            },
        }

    def _load(
        self, net: NetParameter, weights: Blobs | None, outputs: Sequence[str] | None, shapes: Shapes | None
    ) -> Session:
        from converters.pytorch.module import to_torch

        module = to_torch(net, weights, outputs=outputs, input_shapes=shapes)
        meta: dict[str, Any] = module.meta["caffe"]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "net.onnx"
            try:
                _export(module, path)
                session = _session(str(path), self._threads)
            except CaffeError:
                raise
            except Exception as fault:  # both raise exceptions of their own kinds
                raise UnsupportedError(
                    f"network {net.name!r}: onnxruntime cannot run it: {_first_line(fault)}"
                ) from fault
        taken = {value.name for value in session.get_inputs()}
        places = {f"input{place}": name for place, name in enumerate(meta["inputs"])}
        return OnnxruntimeSession(
            session,
            {name: inner for inner, name in places.items() if inner in taken},
            {name: f"output{place}" for place, name in enumerate(meta["outputs"])},
            meta["inputs"],
            f"network {net.name!r}",
        )


class OnnxruntimeSession(Session):
    """A graph in onnxruntime; `inputs` and `outputs` map our names to those in the graph."""

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

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The export keeps the batch size it was made with: a batch that is a multiple of it runs in pieces."""
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
        session = _session(model.SerializeToString(), threads)
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


def _export(module: fx.GraphModule, path: Path) -> None:
    """Writes the module as ONNX, its inputs and outputs named by their places."""
    import torch

    meta: dict[str, Any] = module.meta["caffe"]
    output = next(node for node in module.graph.nodes if node.op == "output")
    if isinstance(output.args[0], Mapping):
        output.args = (tuple(output.args[0][name] for name in meta["outputs"]),)
        module.recompile()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the export that needs no further package is deprecated
        torch.onnx.export(
            module,
            tuple(torch.zeros(shape) for shape in meta["inputs"].values()),
            str(path),
            input_names=[f"input{place}" for place in range(len(meta["inputs"]))],
            output_names=[f"output{place}" for place in range(len(meta["outputs"]))],
            dynamo=False,
        )


def _session(model: str | bytes, threads: int) -> Any:
    runtime = _package("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as fault:
        raise NotInstalledError(name, "onnx", "engine onnxruntime") from fault


def _first_line(fault: Exception) -> str:
    return str(fault).splitlines()[0] if str(fault) else type(fault).__name__
