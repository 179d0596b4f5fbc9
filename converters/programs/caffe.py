"""The program `caffe`: what `caffe time` prints, of BVLC Caffe and its forks, on the CPU and on a GPU.

Caffe: tools/caffe.cpp, `time`. It runs the layers one by one, forward and backward, and prints the means of both.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Mapping
from typing import Any

from converters.engines.engine import Options, refused, split_device
from converters.programs.printed import milliseconds
from converters.programs.program import DEFAULTS, PROGRAMS, LayerTime, Program, Times
from converters.programs.rows import Layers
from prototxt_gen.errors import CaffeError, FormatError
from prototxt_gen.layers import is_input
from prototxt_gen.proto import NetParameter
from prototxt_gen.text import parse_text
from prototxt_gen.trace import trace

_END = "Average Forward pass"
# glog's prefix, with the year in later versions; some keep logs without it.
_PREFIX = r"(?:[IWEF](?:\d{4})?\d{4} [\d:.]+ +\d+ [\w.]+:\d+\] ?)"
_ROW = re.compile(rf"^{_PREFIX}? *(\S.*?)[ \t]+(forward|backward): (\S+) ms\.?[ \t]*$", re.MULTILINE)
_TOTAL = re.compile(rf"^{_PREFIX}?{_END}: (\S+) ms", re.MULTILINE)
_DEVICE = re.compile(rf"^{_PREFIX}?Use (CPU|GPU)(?: with device ID (\d+))?", re.MULTILINE)
_COUNT = re.compile(rf"^{_PREFIX}?Testing for (\d+) iterations", re.MULTILINE)
_NET = re.compile(rf"Initializing net from parameters: *\n(.*?)^{_PREFIX}", re.MULTILINE | re.DOTALL)
_MARK = re.compile(r"Initializing net from parameters|Benchmark begins|Average time per layer|\sforward: \S+ ms")
_FATAL = re.compile(r"^(F(?:\d{4})?\d{4} .*|.*Check failed: .*)", re.MULTILINE)


class CaffeProgram(Program):
    """`caffe time` on a prototxt; without a caffemodel the fillers give the weights, which takes as long."""

    name, title, files = "caffe", "caffe time", ("prototxt",)
    every_layer = True

    def command(self, files: Mapping[str, str], iterations: int, options: Options = DEFAULTS) -> list[str]:
        """Of the TEST phase. `device` is "cpu", "cuda" or "cuda:N"; numbers are float32 alone."""
        self.need(files)
        if options.precision != "float32":
            raise refused("caffe", "precision", options.precision, ["float32"])
        command = ["caffe", "time", f"-model={files['prototxt']}", f"-iterations={iterations}", "-phase=TEST"]
        return [*command, *gpu_flag(options.device)]

    def environment(self, options: Options = DEFAULTS) -> dict[str, str]:
        """The number of threads, for the libraries that Caffe is built with."""
        return threads_environment(options.threads)

    def wrote(self, text: str) -> bool:
        return bool(_MARK.search(text))

    def layers_of(self, row: str, layers: Layers) -> list[set[str]]:
        """The layer of this name, or the one whose top a Split copies."""
        return [layers.exact(row) or layers.split(row)]

    def read(self, text: str, source: str) -> Times:
        """The mean times of layers forward, and `ms` the "Average Forward pass"; the log of one run.

        `details` has, where the log prints its network: "inputs", the names of its input layers, and "network", each
        layer's [type, shapes of tops, multiply-adds] by name.
        """
        rows = _ROW.findall(text)
        totals = _TOTAL.findall(text)
        if not totals:
            fault = _FATAL.search(text)
            why = f": {fault[1].strip()[:300]}" if fault else ""
            raise FormatError(f"{source}: ends before {_END!r}, expected a whole output of caffe time{why}")
        if len(totals) > 1:
            raise FormatError(f"{source}: found {len(totals)} outputs of caffe time, expected one")
        forward = [(name, number) for name, direction, number in rows if direction == "forward"]
        twice = [name for name, times in Counter(name for name, _ in forward).items() if times > 1]
        if twice or not forward:
            found = f"found {', '.join(twice)} more than once" if twice else "found none"
            raise FormatError(f"{source}: layers' forward times: {found}, expected each once")
        *numbers, total = milliseconds([*forward, (_END, totals[0])], source)
        if total <= 0:
            raise FormatError(
                f"{source}: {_END}: found {totals[0]}, expected more than 0 ms: more iterations take long enough"
            )
        layers = [LayerTime(name, ms) for (name, _), ms in zip(forward, numbers, strict=True)]
        return Times([total], layers, {}, _details(text))


PROGRAMS.register("caffe")(CaffeProgram())


def gpu_flag(device: str) -> list[str]:
    """Caffe's option for a device; UnsupportedError for one that it does not have."""
    kind, number = split_device(device)
    if kind == "cpu":
        return []
    if kind == "cuda":
        return [f"-gpu={number or 0}"]
    raise refused("caffe", "device", device, ["cpu", "cuda", "cuda:N"])


def threads_environment(threads: int) -> dict[str, str]:
    """What tells OpenMP and the BLAS libraries that Caffe is built with how many threads to run; 0 leaves it open."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return dict.fromkeys(names, str(threads)) if threads else {}


def without_gradients(net: NetParameter) -> NetParameter:
    """The network with nothing to learn: the same forward, and `caffe time`, which also runs backward, has less to do.

    Takes a network whose phase is selected. Every blob of weights gets lr_mult 0 (Caffe: net.cpp, need_backward).
    """
    made = NetParameter()
    made.CopyFrom(net)
    made.ClearField("force_backward")
    for layer, row in zip(made.layer, trace(made), strict=True):
        while len(layer.param) < len(row.blob_shapes):
            layer.param.add()
        for param in layer.param:
            param.lr_mult = 0
    return made


def _details(text: str) -> dict[str, Any]:
    device, count = _DEVICE.search(text), _COUNT.search(text)
    details: dict[str, Any] = {"whole": "mean", "precision": "float32"}
    if device:
        details["device"] = device[1] if device[2] is None else f"{device[1]} {device[2]}"
    if count:
        details["iterations"] = int(count[1])
    printed = _NET.search(text)
    if not printed:
        return details
    with warnings.catch_warnings():  # a fork's own fields
        warnings.simplefilter("ignore")
        try:
            layers = trace(parse_text(printed[1], NetParameter()))
        except CaffeError:  # a fork's own layers: there is less to compare
            return details
    details["inputs"] = [row.name for row in layers if is_input(row.type)]
    details["network"] = {
        row.name: [row.type, [list(shape) for shape in row.top_shapes], row.multiply_adds] for row in layers
    }
    return details
