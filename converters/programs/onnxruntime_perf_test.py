"""ONNX Runtime's `onnxruntime_perf_test`, built together with its tests: on a phone or a board without Python."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from converters.engines.engine import Options
from converters.programs.program import DEFAULTS, PROGRAMS, Program, Times
from prototxt_gen.errors import FormatError, UnsupportedError

# Source: onnxruntime/test/perftest/performance_runner.cc. Older releases write "Average inference time cost: ",
# newer ones "Average inference time cost total: "; the percentiles were "P50 Latency is 0.1 sec" before 1.4.
_MEDIAN = re.compile(r"P50 Latency(?::| is) (\S+) s")
_MEAN = re.compile(r"Average inference time cost(?: total)?: ?(\S+) ms")
_REQUESTS = re.compile(r"Total inference requests: ?(\d+)")


class OnnxRuntimePerfTest(Program):
    """As many runs as asked for, one after another, on made-up inputs (-m times, -I)."""

    name = "onnxruntime_perf_test"
    title = "onnxruntime_perf_test"
    files = ("onnx",)

    def command(self, files: Mapping[str, str], iterations: int, options: Options = DEFAULTS) -> list[str]:
        """See Program.command. The device is an execution provider as the tool calls it: cpu, cuda, nnapi, qnn, ..."""
        self.need(files)
        if not re.fullmatch(r"[a-z0-9]+", options.device):
            raise UnsupportedError(
                f"{self.title}: device: found {options.device!r}, expected an execution provider such as cpu or nnapi"
            )
        if options.precision != "float32":
            raise UnsupportedError(
                f"{self.title}: precision: found {options.precision!r}, expected float32: the tool has no option for it"
            )
        threads = ["-x", f"{options.threads}"] if options.threads else []
        # -s prints the percentiles, -S makes the inputs the same every time.
        flags = ["-e", options.device, "-I", "-S", "1", "-s", "-m", "times", "-r", f"{iterations}"]
        return [self.name, *flags, *threads, files["onnx"]]

    def read(self, text: str, source: str) -> Times:
        """See Program.read: the median, and without percentiles the mean."""
        median, mean, requests = _MEDIAN.search(text), _MEAN.search(text), _REQUESTS.search(text)
        if not (mean and requests):
            lines = [line for line in text.splitlines() if line.strip()]
            last = lines[-1].strip()[:200] if lines else "nothing"
            raise FormatError(
                f"{source}: found no 'Average inference time cost', expected it; the output ends with: {last}"
            )
        printed = median[1] if median else mean[1]
        try:
            ms = float(printed) * (1000 if median else 1)
        except ValueError:
            ms = math.nan
        if not (math.isfinite(ms) and ms > 0):
            raise FormatError(f"{source}: found a latency of {printed!r}, expected a number above 0")
        threads = re.search(r"Setting intra_op_num_threads to (\d+)", text)
        details = {"threads": int(threads[1])} if threads and int(threads[1]) else {}
        return Times([ms], [], {}, details | {"whole": "median" if median else "mean"})


PROGRAMS.register(OnnxRuntimePerfTest.name)(OnnxRuntimePerfTest())
