"""The engine `trtexec`: NVIDIA's program of that name on the PATH, through ONNX files.

It builds an engine of TensorRT for a network, which takes from seconds to minutes, keeps it, and times or runs it.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from converters.engines.engine import ENGINES, Blobs, Engine, Options, Session, Shapes
from converters.programs.program import PROGRAMS, Times
from converters.programs.running import find_program, run_program
from converters.programs.trtexec import build_flags
from converters.weights.blobs import Array
from prototxt_gen.errors import CaffeError, FormatError, UnsupportedError
from prototxt_gen.files import read_bytes
from prototxt_gen.layers import Shape
from prototxt_gen.proto import NetParameter
from prototxt_gen.text import parse_text

# What shows which device and which version run, and what becomes of errors, before any network is measured.
_PROBE = """
name: "probe"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 1 dim: 4 dim: 4 } } }
layer { name: "relu" type: "ReLU" bottom: "data" top: "relu" }
"""


@ENGINES.register("trtexec")
class TrtexecEngine(Engine):
    """TensorRT by its command line. `device` is "cuda" (also without a choice), "cuda:N" or "dla:N".

    `precision` is "float32", "tf32" (float32 whose factors are rounded to 10 bits, TensorRT's own default on GPUs since
    Ampere), "float16" or "bfloat16", each the least exact type that it may use. `limit_s` is how long one call of the
    program may take.
    """

    name = title = "trtexec"
    in_process = False
    limit_s: float = 3600.0

    def __init__(self, options: Options) -> None:
        self._program = find_program("trtexec", "engine trtexec")
        # There is no TensorRT on a CPU: what another engine's default says is this one's.
        device = "cuda" if options.device == "cpu" else options.device
        self.options = replace(options, device=device)
        build_flags(self.options)
        said = self._said()
        self.target = {
            "engine": self.name,
            "device": said.details.get("device", device) + (f" {device}" if device.startswith("dla") else ""),
            "threads": options.threads,
            "precision": options.precision,
            "batch": options.batch,
            "versions": dict(said.versions),
        }

    def call(self, arguments: Sequence[str], subject: str, folder: str) -> str:
        """What the program prints for these arguments in a folder; errors are those of `run_program`."""
        return run_program([self._program, *arguments], subject, seconds=self.limit_s, folder=folder)

    def _said(self) -> Times:
        """What it prints of a small network: device and version among it."""
        session = self._load(parse_text(_PROBE, NetParameter()), {}, None, None)
        assert isinstance(session, TrtexecSession)
        return session.printed(1, "engine trtexec")

    def _load(
        self, net: NetParameter, weights: Blobs | None, outputs: Sequence[str] | None, shapes: Shapes | None
    ) -> Session:
        if weights is None:  # the fillers' random numbers are torch's
            from converters.pytorch.module import to_torch, weights_of

            weights = weights_of(to_torch(net, outputs=outputs, input_shapes=shapes))
        return TrtexecSession(self, net, weights, outputs, shapes)


class TrtexecSession(Session):
    """A network as ONNX in a temporary folder, with the engine built of it; the folder goes with the session."""

    def __init__(
        self,
        engine: TrtexecEngine,
        net: NetParameter,
        weights: Blobs,
        outputs: Sequence[str] | None,
        shapes: Shapes | None,
    ) -> None:
        self._engine, self._net, self._weights, self._shapes = engine, net, weights, dict(shapes or {})
        self._label = f"network {net.name!r}"
        self._asked = outputs
        self._folder = tempfile.TemporaryDirectory(prefix="dongfeng-trtexec-")
        self._names: dict[str, str] = {}
        self._made: dict[str, str] = {}
        inputs = self._export({})
        super().__init__(inputs, list(self._made))

    def time(self, inputs: Mapping[str, Array] | None = None) -> float:
        """Milliseconds of one run, the median of ten, on inputs of its own: nothing that is timed depends on them."""
        return float(np.median(self.samples(10)))

    def samples(self, count: int) -> list[float]:
        """Milliseconds that the GPU works in each of so many runs, after a warm-up, in one call of the program."""
        path = Path(self._folder.name) / "times.json"
        path.unlink(missing_ok=True)
        self.printed(count, self._label, {"times": path.name})
        program = PROGRAMS["trtexec"]
        times = program.read(read_bytes(path).decode("utf-8", "replace"), f"{self._label}: trtexec's times").ms
        # Of at least so many runs; early versions count the warm-up among them.
        return times[-count:]

    def printed(self, count: int, subject: str, files: Mapping[str, str] | None = None) -> Times:
        """What the program prints when it times so many runs; `files` has more for its command."""
        program = PROGRAMS["trtexec"]
        command = program.command({**self._source(), **(files or {})}, count, self._engine.options)
        text = self._engine.call(command[1:], subject, self._folder.name)
        return program.read(text, f"{subject}: output of trtexec")

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """As for every engine; numbers come as printed, with six digits."""
        given = {name: np.ascontiguousarray(array, np.float32) for name, array in self._given(inputs).items()}
        shapes = {name: array.shape for name, array in given.items()}
        if shapes != self.inputs:
            self.inputs = self._export(shapes)
        folder = Path(self._folder.name)
        loaded = []
        for place, (name, array) in enumerate(given.items()):
            inner = self._names[name]
            if any(mark in inner for mark in "',"):
                raise UnsupportedError(f"{self._label}: trtexec cannot name the input {inner!r} on its command line")
            (folder / f"in{place}.bin").write_bytes(array.tobytes())
            loaded.append(f"'{inner}':in{place}.bin")
        path = folder / "outputs.json"
        path.unlink(missing_ok=True)
        source = self._source()
        command = [f"--loadEngine={source['engine']}"] if "engine" in source else [
            f"--onnx={source['onnx']}", f"--saveEngine={source['save']}"
        ]  # fmt: skip
        command += ["--iterations=1", "--warmUp=0", "--duration=0", *build_flags(self._engine.options)]
        command += [f"--loadInputs={','.join(loaded)}"] if loaded else []
        text = self._engine.call([*command, f"--exportOutput={path.name}"], self._label, self._folder.name)
        if not path.exists():
            raise CaffeError(f"{self._label}: trtexec wrote no outputs: {text.strip()[-300:]}")
        found = _outputs(read_bytes(path).decode("utf-8", "replace"), f"{self._label}: trtexec's outputs")
        missing = [name for name, inner in self._made.items() if inner not in found]
        if missing:
            raise FormatError(
                f"{self._label}: trtexec's outputs: found {', '.join(found)}, missing {', '.join(missing)}"
            )
        return {name: found[inner] for name, inner in self._made.items()}

    def _source(self) -> dict[str, str]:
        """The engine where it was built before, else what it is built of."""
        if (Path(self._folder.name) / "net.engine").exists():
            return {"engine": "net.engine"}
        return {"onnx": "net.onnx", "save": "net.engine"}

    def _export(self, shapes: Mapping[str, Shape]) -> dict[str, Shape]:
        """Writes the ONNX file for inputs of these shapes, all others as stated; gives the shapes of all inputs."""
        from converters.onnx.exporting import to_graph

        folder = Path(self._folder.name)
        graph = to_graph(
            self._net, self._weights, outputs=self._asked, merged=False, input_shapes={**self._shapes, **shapes}
        )
        (folder / "net.engine").unlink(missing_ok=True)
        graph.write(folder / "net.onnx")
        self._names, self._made = dict(graph.inputs), dict(graph.outputs)
        return {name: graph.input_shapes[name] for name in graph.inputs}


def _outputs(text: str, source: str) -> dict[str, Array]:
    """What --exportOutput writes: name, dimensions and values of each output (sampleReporting.cpp)."""
    try:  # numbers that C++ has a word for and JSON has none
        listed: list[dict[str, Any]] = json.loads(
            re.sub(r"(?<=[\[,\s])([+-]?)(nan|inf)\b(?=[,\s\]])", _json_word, text)
        )
        return {
            row["name"]: np.array(row["values"], np.float32).reshape(_dimensions(row["dimensions"])) for row in listed
        }
    except (ValueError, KeyError, TypeError, RecursionError) as fault:
        raise FormatError(f"{source}: not the JSON that trtexec writes: {fault}") from fault


def _json_word(found: re.Match[str]) -> str:
    return "NaN" if found[2] == "nan" else f"{found[1].replace('+', '')}Infinity"


def _dimensions(printed: str) -> tuple[int, ...]:
    return tuple(int(size) for size in printed.split("x")) if printed else ()
