"""The engine `onnxruntime`: networks as ONNX, and ONNX files of others."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from time import perf_counter_ns
from typing import Any, NamedTuple

import numpy as np

from converters.engines.engine import (
    ENGINES,
    Blobs,
    Engine,
    Options,
    Session,
    Shapes,
    processors,
    refused,
    split_device,
    target_of,
)  # fmt: skip
from converters.engines.graphs import GraphSession, cannot_run, first_line, graph_of, package
from converters.engines.static_quantisation import METHOD, quantised
from converters.weights.blobs import Array
from prototxt_gen.errors import CaffeError, FormatError, UnsupportedError
from prototxt_gen.files import read_bytes
from prototxt_gen.layers import Shape
from prototxt_gen.proto import NetParameter

_PURPOSE = "engine onnxruntime"

#: The providers that number their devices (onnxruntime: `device_id` of their options).
_NUMBERED = ("cuda", "tensorrt", "rocm", "migraphx", "dml", "cann")
#: Where values lie that are laid out before the clock starts; other providers take them from the CPU's memory.
_MEMORY = {"cuda": "cuda", "tensorrt": "cuda"}


class _Place(NamedTuple):
    """Where graphs run: onnxruntime's providers with their options, and the memory of values, with its number."""

    providers: list[tuple[str, dict[str, str]]]
    memory: str = "cpu"
    number: int = 0


@ENGINES.register("onnxruntime")
class OnnxruntimeEngine(Engine):
    """onnxruntime, by default on the CPU with a thread for each processor that this process may use.

    `device` is the name of one of its execution providers, such as cuda or tensorrt, with a number where it has several
    ("cuda:1"). float32 means float32: TF32 is off, save in TensorRT, whose target says so. What a provider of another
    maker computes in is its own affair: its precision is "float32 graph" then.

    int8, on the CPU, is onnxruntime's static quantisation (see static_quantisation.py), batch norm merged first.
    """

    name = title = "onnxruntime"
    int8 = True

    def __init__(self, options: Options) -> None:
        runtime = package("onnxruntime", "onnx", _PURPOSE)
        package("onnx", "onnx", _PURPOSE)  # the export needs it
        self.options = options
        self._threads = options.threads or processors()
        self._place = _place(runtime, options)
        versions = {"onnxruntime": runtime.__version__}
        kind, _ = split_device(options.device)
        self._calibration = options.calibrated(self.name) if options.precision == "int8" else None
        self.target = target_of(self.name, options, self._threads, versions)
        if self._calibration is not None:
            self.target["calibration"] = self._calibration.target(METHOD)
        if kind != "cpu":
            self.target |= {"device": options.device.lower(), "provider": self._place.providers[0][0]}
        if kind == "tensorrt":
            self.target["tf32"] = options.precision == "float32"
        if kind not in ("cpu", *_MEMORY):
            self.target["precision"] = "float32 graph"

    def _load(
        self, net: NetParameter, weights: Blobs | None, outputs: Sequence[str] | None, shapes: Shapes | None
    ) -> Session:
        """A graph for any batch where the network allows that, else for the one that it states."""
        graph, any_batch = graph_of(net, weights, outputs, shapes, merged=self._calibration is not None)
        label = f"network {net.name!r}"
        in_float: tuple[str, ...] = ()
        try:
            if self._calibration is None:
                model = graph.to_bytes()
            else:
                model, in_float = quantised(graph, self._calibration, f"{_PURPOSE}, int8")
            session = _session(model, self._threads, self._place)
        except CaffeError:
            raise
        except Exception as fault:  # it raises exceptions of its own kinds
            raise cannot_run(label, self.title, fault) from fault
        made = OnnxruntimeSession(
            session, graph.inputs, graph.outputs, graph.input_shapes, label, any_batch, self._place
        )
        made.in_float = in_float
        return made


class OnnxruntimeSession(GraphSession):
    """A graph in onnxruntime."""

    title = OnnxruntimeEngine.title

    def __init__(
        self,
        session: Any,
        inputs: Mapping[str, str],
        outputs: Mapping[str, str],
        shapes: Mapping[str, Shape],
        label: str,
        any_batch: bool,
        place: _Place,
    ) -> None:
        super().__init__(inputs, outputs, shapes, label, any_batch)
        self._session = session
        self._place = place
        self._binding: Any = None
        self._bound: tuple[Shape, ...] | None = None

    def _once(self, inputs: Mapping[str, Array]) -> list[Array]:
        feed = {inner: inputs[name] for name, inner in self._inputs.items()}
        try:
            return list(self._session.run(list(self._outputs.values()), feed))
        except Exception as fault:  # its errors have no base class of their own
            raise self._cannot(fault) from fault

    def native(self, inputs: Mapping[str, Array]) -> dict[str, Any]:
        """OrtValues by name, in the memory of the device."""
        value = package("onnxruntime", "onnx", _PURPOSE).OrtValue.ortvalue_from_numpy
        return {
            name: value(np.ascontiguousarray(array, np.float32), self._place.memory, self._place.number)
            for name, array in self._given(inputs).items()
        }

    def step(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
        """One run on OrtValues, bound before the clock starts; outputs lie in memory that is this session's own."""
        given: dict[str, Any] = dict(self._given(values))
        if self._binding is None:
            self._binding = self._session.io_binding()
        shapes = tuple(tuple(value.shape()) for value in given.values())
        for name, value in given.items():
            self._binding.bind_ortvalue_input(self._inputs[name], value)
        if shapes != self._bound:
            self._binding.clear_binding_outputs()
            for inner in self._outputs.values():
                self._binding.bind_output(inner, self._place.memory, self._place.number)
        try:
            begun = perf_counter_ns()
            self._session.run_with_iobinding(self._binding)
            ms = (perf_counter_ns() - begun) / 1e6
        except Exception as fault:
            raise self._cannot(fault) from fault
        outputs = dict(zip(self._outputs, self._binding.get_outputs(), strict=True))
        if shapes != self._bound:
            # From now on these are written into, so that a run allocates nothing.
            for name, inner in self._outputs.items():
                self._binding.bind_ortvalue_output(inner, outputs[name])
            self._bound = shapes
        return outputs, ms


def open_onnx(path: str | os.PathLike[str], tops: Iterable[str] = (), threads: int = 0) -> Session:
    """An ONNX file, ready to run: its inputs and outputs, and those of `tops` that are values within it.

    Sizes that the file leaves open are 0 in `inputs`. FileError, or FormatError where onnxruntime refuses the file.
    """
    onnx = package("onnx", "onnx", _PURPOSE)
    label = os.fspath(path)
    data = read_bytes(path)
    place = _Place([("CPUExecutionProvider", {})])
    try:
        model = onnx.load_from_string(data)
        outputs = [value.name for value in model.graph.output]
        inside = {name for node in model.graph.node for name in node.output} - set(outputs)
        more = [name for name in tops if name in inside]
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in more)
        session = _session(model.SerializeToString(), threads, place, str(Path(path).absolute().parent))
    except CaffeError:
        raise
    except Exception as fault:
        raise FormatError(f"{label}: onnxruntime: {first_line(fault)}") from fault
    values = session.get_inputs()
    shapes = {value.name: tuple(size if isinstance(size, int) else 0 for size in value.shape) for value in values}
    names = {name: name for name in shapes}
    any_batch = not all(isinstance(size, int) for value in values for size in value.shape[:1])
    return OnnxruntimeSession(session, names, {name: name for name in outputs + more}, shapes, label, any_batch, place)


def _session(model: bytes, threads: int, place: _Place, folder: str | None = None) -> Any:
    """A session for a model; weights that it has in files of their own lie in `folder`."""
    runtime = package("onnxruntime", "onnx", _PURPOSE)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    # Threads that wait for the next run by spinning would take the processor from every other session of the process.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    # Processors without VNNI add products of int8 in 16 bits, which overflow; so they take a slower way that does not.
    options.add_session_config_entry("session.x64quantprecision", "1")
    if folder is not None:
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", folder)
    session = runtime.InferenceSession(model, options, providers=place.providers)
    wanted, found = place.providers[0][0], session.get_providers()
    if wanted not in found:  # onnxruntime itself goes on with the CPU
        raise UnsupportedError(f"{wanted} does not start here; found {', '.join(found)}")
    return session


def _place(runtime: Any, options: Options) -> _Place:
    """Where onnxruntime runs for these options. UnsupportedError names what this onnxruntime has."""
    name = OnnxruntimeEngine.name
    # Azure's is a service on the network.
    providers = {
        provider.removesuffix("ExecutionProvider").lower(): provider
        for provider in runtime.get_available_providers()
        if provider != "AzureExecutionProvider"
    }
    known = sorted(providers, key=lambda one: (one != "cpu", one))
    kind, number = split_device(options.device)
    if kind not in providers or (number is not None and kind not in _NUMBERED):
        reason = f"this onnxruntime {runtime.__version__} has {', '.join(known)}"
        raise refused(name, "device", options.device, known, reason)
    precisions = {"cpu": ("float32", "int8"), "tensorrt": ("float32", "float16")}.get(kind, ("float32",))
    if options.precision not in precisions:
        raise refused(name, "precision", options.precision, precisions, f"on {kind}")
    settings = {"device_id": str(number or 0)} if kind in _NUMBERED else {}
    cuda = ("CUDAExecutionProvider", {"device_id": str(number or 0), "use_tf32": "0"})
    if kind == "cuda":
        return _Place([cuda], "cuda", number or 0)
    if kind == "tensorrt":
        settings["trt_fp16_enable"] = str(int(options.precision == "float16"))
        return _Place([(providers[kind], settings), cuda], "cuda", number or 0)
    return _Place([(providers[kind], settings)])
