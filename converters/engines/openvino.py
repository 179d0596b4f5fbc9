"""The engine `openvino`: networks as ONNX in memory, on whatever device OpenVINO has."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import perf_counter_ns
from typing import Any

import numpy as np

from converters.engines.engine import (
    ENGINES,
    Blobs,
    Engine,
    Options,
    Session,
    Shapes,
    cpu_name,
    processors,
    refused,
    target_of,
)
from converters.engines.graphs import GraphSession, cannot_run, first_line, graph_of, package
from converters.weights.blobs import Array
from prototxt_gen.errors import UnsupportedError
from prototxt_gen.layers import Shape
from prototxt_gen.proto import NetParameter
from prototxt_gen.text import parse_text

_PURPOSE = "engine openvino"
#: Our names of types, OpenVINO's hints, and the capability of a device that has them.
_TYPES = {"float32": ("f32", "FP32"), "float16": ("f16", "FP16"), "bfloat16": ("bf16", "BF16")}
#: Devices of OpenVINO's that choose among others, or share out a network between them.
_VIRTUAL = ("AUTO", "HETERO", "MULTI", "BATCH")
_PROBE = """layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 4 dim: 8 dim: 8 } } }
layer { name: "y" type: "Convolution" bottom: "x" top: "y" convolution_param { num_output: 4 kernel_size: 3 } }"""


@ENGINES.register("openvino")
class OpenVINOEngine(Engine):
    """OpenVINO for the least latency of one run, on its CPU plugin by default.

    `device` is what OpenVINO calls it: cpu, gpu, gpu.1, npu, auto, auto:gpu,cpu. float32 means float32: left alone,
    OpenVINO computes in bfloat16 or float16 where a processor has them. Without `threads` the number is OpenVINO's own
    choice, which the target names; on other devices it does not count.
    """

    name, title = "openvino", "OpenVINO"

    def __init__(self, options: Options) -> None:
        package("onnx", "openvino", _PURPOSE)  # the export needs it
        with _without_telemetry():
            runtime = package("openvino", "openvino", _PURPOSE)
        self.options = options
        self._core = runtime.Core()
        self._device = _device(self._core, options.device)
        hint, _ = _TYPES.get(options.precision, ("", ""))
        known = _precisions(self._core, self._device)
        if options.precision not in known:
            raise refused(self.name, "precision", options.precision, known, f"on {self._device}")
        self._settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": hint}
        on_cpu = any(member.startswith("CPU") for member in _members(self._core, self._device))
        if options.threads and on_cpu:
            self._settings["INFERENCE_NUM_THREADS"] = options.threads
        if self._device.partition(":")[0] == "AUTO":
            # It would begin on the CPU and move to its choice in the middle of a measurement.
            self._settings["ENABLE_STARTUP_FALLBACK"] = "NO"
        blobs = {"y": [np.zeros((4, 4, 3, 3), np.float32), np.zeros(4, np.float32)]}
        probe, _ = graph_of(parse_text(_PROBE, NetParameter()), blobs, None, None)
        try:
            compiled = self._core.compile_model(self._core.read_model(probe.to_bytes()), self._device, self._settings)
        except Exception as fault:  # its errors have no base class of their own
            raise UnsupportedError(f"engine openvino: device {self._device}: {first_line(fault)}") from fault
        found = _precision_of(compiled)
        if found not in (None, options.precision):
            raise refused(self.name, "precision", options.precision, [found], f"what {self._device} takes in its place")
        # Of other devices than the CPU, one thread starts the runs.
        threads = (_property(compiled, "INFERENCE_NUM_THREADS") or options.threads or processors()) if on_cpu else 1
        version = runtime.get_version().partition("-")[0]
        self.target = target_of(
            self.name, options, threads, {"openvino": version}, _named(self._core, compiled, self._device),
            plugin=self._device,
        )  # fmt: skip

    def _load(
        self, net: NetParameter, weights: Blobs | None, outputs: Sequence[str] | None, shapes: Shapes | None
    ) -> Session:
        """A graph for any batch where the network allows that; it is compiled for each one that is met."""
        graph, any_batch = graph_of(net, weights, outputs, shapes)
        label = f"network {net.name!r}"
        try:
            model = self._core.read_model(graph.to_bytes())
        except Exception as fault:
            raise cannot_run(label, self.title, fault) from fault
        session = OpenVINOSession(
            self._core, model, (self._device, self._settings), graph.inputs, graph.outputs, graph.input_shapes, label,
            any_batch,
        )  # fmt: skip
        session.prepare(tuple(session.inputs.values()))
        return session


class OpenVINOSession(GraphSession):
    """A graph in OpenVINO: a request of it for each of the shapes that are in use."""

    title = OpenVINOEngine.title

    def __init__(
        self,
        core: Any,
        model: Any,
        place: tuple[str, Mapping[str, Any]],
        inputs: Mapping[str, str],
        outputs: Mapping[str, str],
        shapes: Mapping[str, Shape],
        label: str,
        any_batch: bool,
    ) -> None:
        super().__init__(inputs, outputs, shapes, label, any_batch)
        self._core, self._model, self._place = core, model, place
        self._ports = _ports(model, list(inputs.values()))
        self._requests: dict[tuple[Shape, ...], _Request] = {}

    def prepare(self, shapes: tuple[Shape, ...]) -> _Request:
        """The request for inputs of these shapes, in their order. UnsupportedError for what OpenVINO cannot run."""
        found = self._requests.get(shapes)
        if found is not None:
            return found
        self._check_shapes(dict(zip(self.inputs, shapes, strict=True)))
        try:
            # Compiled for exactly these sizes, a graph runs faster than one whose batch is open.
            if self._any_batch:
                self._model.reshape(
                    {port: list(shape) for port, shape in zip(self._ports, shapes, strict=True) if port is not None}
                )
            compiled = self._core.compile_model(self._model, *self._place)
            request = _Request(compiled, self._ports)
        except Exception as fault:
            raise self._cannot(fault) from fault
        # Memory for two: the network's own batch, and a last one that is smaller.
        for old in list(self._requests)[1:]:
            del self._requests[old]
        self._requests[shapes] = request
        return request

    def _once(self, inputs: Mapping[str, Array]) -> list[Array]:
        arrays = [inputs[name] for name in self.inputs]
        request = self.prepare(tuple(array.shape for array in arrays))
        try:
            return request.run(arrays)
        except Exception as fault:
            raise self._cannot(fault) from fault

    def native(self, inputs: Mapping[str, Array]) -> dict[str, Any]:
        """OpenVINO's tensors by name, which share the arrays' memory."""
        return {name: _tensor(np.ascontiguousarray(array, np.float32)) for name, array in self._given(inputs).items()}

    def step(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
        """One run on tensors, set before the clock starts; the outputs are the request's own tensors."""
        given = list(self._given(values).values())
        request = self.prepare(tuple(tuple(tensor.shape) for tensor in given))
        try:
            outputs, ms = request.step(given)
        except Exception as fault:
            raise self._cannot(fault) from fault
        return dict(zip(self.outputs, outputs, strict=True)), ms


class _Request:
    """An infer request of a compiled graph, which takes arrays and gives them without a copy of its own.

    An output is written straight into the array that is handed out. That array is used again only when nobody else
    holds it or a part of it any more: large outputs would cost as much to allocate as a small network to run.
    """

    def __init__(self, compiled: Any, ports: Sequence[int | None]) -> None:
        self._request = compiled.create_infer_request()
        self._ports = ports
        # Of outputs whose size depends on the numbers, the tensors are not known before a run.
        self._own = [
            None if port.get_partial_shape().is_dynamic else self._request.get_output_tensor(place)
            for place, port in enumerate(compiled.outputs)
        ]
        self._lent: list[_Lent | None] = [None] * len(self._own)
        self._given: list[Any] = []

    def run(self, arrays: Sequence[Array]) -> list[Array]:
        for place, own in enumerate(self._own):
            if own is None:
                continue
            lent = self._lent[place]
            if lent is None or lent.held():
                lent = self._lent[place] = _Lent(tuple(own.shape))
            self._request.set_output_tensor(place, lent.tensor)
        self._infer([_tensor(array) for array in arrays])
        return [
            np.array(self._request.get_output_tensor(place).data) if lent is None else lent.array
            for place, lent in enumerate(self._lent)
        ]

    def step(self, tensors: Sequence[Any]) -> tuple[list[Any], float]:
        for place, own in enumerate(self._own):
            if own is not None:
                self._request.set_output_tensor(place, own)
        ms = self._infer(tensors)
        return [
            self._request.get_output_tensor(place) if own is None else own for place, own in enumerate(self._own)
        ], ms

    def _infer(self, tensors: Sequence[Any]) -> float:
        """Milliseconds of a run on these inputs, which stay alive until the next."""
        for port, tensor in zip(self._ports, tensors, strict=True):
            if port is not None:
                self._request.set_input_tensor(port, tensor)
        self._given = list(tensors)
        begun = perf_counter_ns()
        self._request.infer(share_outputs=True)
        return (perf_counter_ns() - begun) / 1e6


class _Lent:
    """An array that is handed out, and OpenVINO's tensor in its memory."""

    def __init__(self, shape: Shape) -> None:
        self.array: Array = np.empty(shape, np.float32)
        self.tensor = _tensor(self.array)
        self._own = sys.getrefcount(self.array)

    def held(self) -> bool:
        """Whether anybody else holds the array, or a part of it, which holds the whole."""
        return sys.getrefcount(self.array) > self._own


def _ports(model: Any, names: Sequence[str]) -> list[int | None]:
    """The places of a model's inputs that have these names.

    OpenVINO drops inputs of which it needs no number, and gives one that is an output, too, that output's name.
    """
    known = {name: place for place, port in enumerate(model.inputs) for name in port.get_names()}
    found = [known.get(name) for name in names]
    unnamed = [place for place in range(len(model.inputs)) if place not in found]
    if len(unnamed) == found.count(None):
        return [unnamed.pop(0) if place is None else place for place in found]
    return found


def _tensor(array: Array) -> Any:
    """A tensor of OpenVINO's that has the array's memory, and keeps it alive."""
    tensor: Any = sys.modules["openvino"].Tensor(array, shared_memory=True)
    return tensor


@contextmanager
def _without_telemetry() -> Iterator[None]:
    """Importing OpenVINO reports that to its makers over the network, by a package that it can do without."""
    name = "openvino_telemetry"
    missing = object()
    before = sys.modules.get(name, missing)
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if before is missing:
            del sys.modules[name]
        else:
            sys.modules[name] = before  # type: ignore[assignment]


def _device(core: Any, name: str) -> str:
    """OpenVINO's spelling of a device. UnsupportedError names those that are here."""
    here = list(core.available_devices)
    wanted = name.upper()
    kind, _, listed = wanted.partition(":")
    parts = [part.strip().partition("(")[0].lstrip("-") for part in listed.split(",")] if listed else []
    # Where there are several of a kind they are called GPU.0 and GPU.1, and GPU is the first.
    known = {*here, *(device.partition(".")[0] for device in here)}
    if not ({kind} | set(parts) if kind not in _VIRTUAL else set(parts)) <= known:
        raise refused("openvino", "device", name, [*map(str.lower, here), "auto"], f"OpenVINO finds {', '.join(here)}")
    return wanted


def _members(core: Any, device: str) -> list[str]:
    """The devices that one may stand for."""
    kind, _, listed = device.partition(":")
    if kind not in _VIRTUAL:
        return [device]
    parts = [part.strip().partition("(")[0] for part in listed.split(",") if part and not part.startswith("-")]
    return parts or list(core.available_devices)


def _precisions(core: Any, device: str) -> list[str]:
    """The types of ours that every one of the devices has."""
    capabilities = [set(core.get_property(member, "OPTIMIZATION_CAPABILITIES")) for member in _members(core, device)]
    return [name for name, (_, capability) in _TYPES.items() if all(capability in found for found in capabilities)]


def _property(compiled: Any, name: str) -> Any:
    """A property of a compiled graph, None where its plugin has none of this name."""
    try:
        return compiled.get_property(name)
    except Exception:  # RuntimeError or another, by version and plugin
        return None


def _precision_of(compiled: Any) -> str | None:
    """The type that a compiled graph computes in, as far as its plugin says."""
    found = _property(compiled, "INFERENCE_PRECISION_HINT")
    text = found if isinstance(found, str) else getattr(found, "get_type_name", lambda: "")()
    return next((name for name, (hint, _) in _TYPES.items() if hint == text), None)


def _named(core: Any, compiled: Any, device: str) -> str:
    """What runs a compiled graph, in words: of several devices all."""
    found = _property(compiled, "EXECUTION_DEVICES") or _members(core, device)
    names = dict.fromkeys([found] if isinstance(found, str) else found)
    return " + ".join(
        cpu_name() if name.startswith("CPU") else str(core.get_property(name.strip("()"), "FULL_DEVICE_NAME"))
        for name in names
    )
