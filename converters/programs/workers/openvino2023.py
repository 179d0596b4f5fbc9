"""OpenVINO 2023.3 in its own environment: Caffe pairs read by its model optimizer, and run on the CPU."""

from __future__ import annotations

import sys
from importlib.metadata import version
from time import perf_counter_ns
from typing import Any

import numpy as np

# Both packages report what they do to their makers over the network, by a package that they can do without.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]

import openvino as ov  # noqa: E402
from openvino.tools.mo import convert_model  # noqa: E402

_CORE = ov.Core()
_LOADED: dict[int, Any] = {}


def _settings(threads: int) -> dict[str, Any]:
    # Left alone, it computes in bfloat16 where a processor has it.
    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    return {**settings, "INFERENCE_NUM_THREADS": threads} if threads else settings


def about(threads: int) -> dict[str, Any]:
    """Versions, and how many threads a network runs on."""
    parameter = ov.runtime.opset13.parameter([1, 1], np.float32)
    probe = ov.Model([ov.runtime.opset13.relu(parameter)], [parameter])
    found = _CORE.compile_model(probe, "CPU", _settings(threads)).get_property("INFERENCE_NUM_THREADS")
    return {"versions": {"openvino": version("openvino"), "openvino-dev": version("openvino-dev")}, "threads": found}


def load(number: int, prototxt: str, caffemodel: str, inputs: list[str], threads: int) -> dict[str, Any]:
    """Reads a pair of files and compiles it, to be run as `number`.

    `inputs`: the names of its inputs, in the order in which `run` gives them. "outputs" are the names of each output,
    in the order in which `run` gives them; "inputs" the names of those inputs that it has.
    """
    model = convert_model(caffemodel, input_proto=prototxt, framework="caffe", compress_to_fp16=False, silent=True)
    compiled = _CORE.compile_model(model, "CPU", _settings(threads))
    ports = {name: port for port in compiled.inputs for name in port.get_names()}
    named = [[index, ports[name]] for index, name in enumerate(inputs) if name in ports]
    _LOADED[number] = (compiled, compiled.create_infer_request(), named)
    return {
        "outputs": [sorted(port.get_names()) for port in compiled.outputs],
        "inputs": [inputs[index] for index, _ in named],
    }


def run(number: int, arrays: dict[str, Any], count: int = 1) -> dict[str, Any]:
    """The outputs of what was loaded as `number`, called by their places, for inputs in their order; "ms" of each run.

    The clock covers the runs alone: inputs lie where they are needed before it starts.
    """
    compiled, request, inputs = _LOADED[number]
    given = list(arrays.values())
    for index, port in inputs:
        request.set_tensor(port, ov.Tensor(np.ascontiguousarray(given[index], np.float32)))
    times = []
    for _ in range(count):
        begun = perf_counter_ns()
        request.infer()
        times.append((perf_counter_ns() - begun) / 1e6)
    found = [np.array(request.get_tensor(port).data) for port in compiled.outputs]
    return {"arrays": {str(place): array for place, array in enumerate(found)}, "ms": times}


def release(number: int) -> None:
    """Forgets what was loaded as `number`."""
    _LOADED.pop(number)
