"""OpenVINO's `benchmark_app`, the one in C++ and the one in Python: both take an ONNX file and print the same lines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from converters.engines.engine import Options
from converters.programs.program import DEFAULTS, PROGRAMS, Program, Times
from prototxt_gen.errors import FormatError, UnsupportedError

# What the tool calls a precision; its CPU and GPU otherwise choose one themselves, such as bfloat16.
_PRECISIONS = {"float32": "f32", "float16": "f16", "bfloat16": "bf16"}
_DEVICES = ("CPU", "GPU", "NPU")

_LATENCY = re.compile(r"Median:\s+([\d.]+) (ms|us)")
_COUNT = re.compile(r"Count:\s+(\d+) iterations")
_DURATION = re.compile(r"Duration:\s+([\d.]+) ms")
_THROUGHPUT = re.compile(r"Throughput:\s+([\d.]+) FPS")

# Times have two digits behind the point: below this many units the rounding is more than 0.2 percent, and the mean,
# which has more digits, says more. Unless it is far off: then other work on the device has slowed some runs down.
_COARSE, _HALF_DIGIT, _FAR_OFF = 2.5, 0.005, 0.1


class BenchmarkApp(Program):
    """One request at a time, as a device that waits for its answer runs a network (-hint none, -api sync)."""

    name = "benchmark_app"
    title = "OpenVINO benchmark_app"
    files = ("onnx",)

    def command(self, files: Mapping[str, str], iterations: int, options: Options = DEFAULTS) -> list[str]:
        """See Program.command. Devices are cpu, gpu, npu, with a number for one of several: gpu.1."""
        self.need(files)
        device = options.device.upper()
        kind = device.partition(".")[0]
        if kind not in _DEVICES:
            raise UnsupportedError(f"{self.title}: device: found {options.device!r}, expected cpu, gpu or npu")
        if options.precision not in _PRECISIONS or (kind == "NPU" and options.precision != "float16"):
            expected = "float16" if kind == "NPU" else ", ".join(_PRECISIONS)
            raise UnsupportedError(
                f"{self.title}: precision on {options.device}: found {options.precision!r}, expected {expected}"
            )
        # With any hint the tool refuses a number of streams or threads.
        words = [
            self.name,
            "-m",
            files["onnx"],
            "-d",
            device,
            "-hint",
            "none",
            "-api",
            "sync",
            "-niter",
            f"{iterations}",
        ]
        if kind != "NPU":
            words += ["-nstreams", "1", "-infer_precision", _PRECISIONS[options.precision]]
        if options.threads and kind == "CPU":
            words += ["-nthreads", f"{options.threads}"]
        return words

    def read(self, text: str, source: str) -> Times:
        """See Program.read. The median; where it has too few digits, the mean beside it: duration by count."""
        latency, throughput = _LATENCY.search(text), _THROUGHPUT.search(text)
        count, duration = _COUNT.search(text), _DURATION.search(text)
        if not (latency and throughput and count and duration):
            lines = [line for line in text.splitlines() if line.strip()]
            last = lines[-1].strip()[:200] if lines else "nothing"
            raise FormatError(f"{source}: found no Median and Throughput, expected both; the output ends with: {last}")
        median, unit = float(latency[1]), latency[2]
        runs, milliseconds = int(count[1]), float(duration[1])
        if runs < 1 or milliseconds <= 0 or float(throughput[1]) <= 0:
            raise FormatError(f"{source}: found {runs} iterations in {milliseconds} ms, expected both above 0")
        per_ms = 1000 if unit == "us" else 1
        mean = milliseconds / runs
        coarse = median < _COARSE and abs(mean * per_ms - median) <= _HALF_DIGIT + _FAR_OFF * median
        ms = mean if coarse else median / per_ms
        if ms <= 0:
            raise FormatError(f"{source}: found a median of {latency[1]} {unit}, expected a number above 0")
        build = re.search(r"\[ INFO \] Build \.+ (\S+)", text)
        return Times(
            [ms],
            [],
            {"openvino": build[1]} if build else {},
            _details(text) | {"whole": "mean" if coarse else "median"},
        )


def _details(text: str) -> dict[str, Any]:
    """What the tool says of the device, of its threads and of the precision it chose."""
    found: dict[str, Any] = {}
    if device := re.search(r"Execution Devices:\s*\[?\s*'?([\w.]+)", text):
        found["device"] = device[1].lower()
    if threads := re.search(r"INFERENCE_NUM_THREADS: (\d+)", text):
        found["threads"] = int(threads[1])
    if precision := re.search(r"INFERENCE_PRECISION_HINT: (?:<Type: ')?(\w+)", text):
        longer = {short: name for name, short in _PRECISIONS.items()}
        found["precision"] = longer.get(precision[1], precision[1])
    return found


PROGRAMS.register(BenchmarkApp.name)(BenchmarkApp())
