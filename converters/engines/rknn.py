"""The engine `rknn`: RKNN-Toolkit2, which compiles Caffe pairs for Rockchip's NPUs, and its simulator of these.

The toolkit lives in a Python environment of its own (docs/engines.md says how to make one), named by a variable. It
gives outputs in float16 or int8 as the NPU computes them, and no times.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from converters.engines.apart import EngineApart
from converters.engines.engine import ENGINES, Blobs, Options, Session, Shapes, refused
from converters.engines.graphs import GraphSession
from converters.engines.pairs import pair_for, passes_on
from converters.programs.caffe import threads_environment
from converters.programs.running import last_words
from converters.programs.worker import Worker, python_of
from converters.targets.spellings import net_in_known_words
from converters.weights import save_weights
from converters.weights.blobs import Array
from prototxt_gen.errors import UnsupportedError
from prototxt_gen.flow import top_names
from prototxt_gen.layers import Shape
from prototxt_gen.proto import NetParameter
from prototxt_gen.text import to_text
from prototxt_gen.trace import trace

#: The variable that names the Python of the toolkit's environment.
PYTHON = "DONGFENG_RKNN_PYTHON"
#: What the toolkit compiles for, in float16 or int8; and in int8 alone, for NPUs of cameras. It crashes for rk2118.
PLATFORMS = ("rk3562", "rk3566", "rk3568", "rk3576", "rk3588", "rv1126b")
INT8_PLATFORMS = ("rv1103", "rv1103b", "rv1106", "rv1106b")
_PLATFORM = "rk3588"
#: How ranges come about, as a target says it: RKNN.config's defaults.
METHOD = "quantized_algorithm normal, quantized_method channel, w8a8"
# Its optimizer loses track of outputs that are copied by layers which do nothing: Power, Reshape, Dropout, Concat.
_PASSING = "Eltwise"
# Of what the toolkit prints, the lines that say why: those of its reader, of its graph, its own.
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_REASONS = (
    re.compile(r"^E .*?:? +(?:OP in Layer|LSTM in|Layer) .*", re.IGNORECASE),
    re.compile(r"^(?:E |.*\bE RKNN: ).*(?:[Uu]nsupport|not support|invalid|failed|Failed).*"),
    re.compile(r"^\S*(?:Error|Exception|Fail|InvalidArgument|InvalidGraph|NotImplemented)\b: .*"),
    re.compile(r"^E (?!rknn-toolkit2 version).*(?<!\(most recent call last\):)$"),
)
_USUAL = re.compile(
    r"^I (?:.*\d+%|rknn-toolkit2 version)|UserWarning|RKNNBase\(cur_path|config\.(?:mean|std)_values is None"
)
_NOT_READ = re.compile(r"OP in Layer (.*) Current not support")


@ENGINES.register("rknn")
class RKNNEngine(EngineApart):
    """RKNN-Toolkit2's simulator. `device` is a platform; "cpu", the default of all engines, means that of the RK3588.

    An NPU computes in float16: so does the simulator, asked for float16 or for the best that there is, float32. int8 is
    the toolkit's quantization by a calibration, left at its defaults (METHOD). Networks are rewritten for the target
    rknn2, by exact rewrites alone. `limit_s` is how long loading a network, or one run, may take.
    """

    name, title = "rknn", "RKNN-Toolkit2"
    int8 = True

    def __init__(self, options: Options) -> None:
        self._python = python_of(PYTHON, self.title, "engine rknn")
        platform = _PLATFORM if options.device == "cpu" else options.device.lower()
        if platform not in (*PLATFORMS, *INT8_PLATFORMS):
            raise refused(self.name, "device", options.device, (*PLATFORMS, *INT8_PLATFORMS))
        known = ("float16", "int8") if platform in PLATFORMS else ("int8",)
        if options.precision not in (*known, *(["float32"] if "float16" in known else [])):
            raise refused(self.name, "precision", options.precision, known, f"on {platform}")
        precision = "int8" if options.precision == "int8" else "float16"
        self._calibration = options.calibrated(self.name) if precision == "int8" else None
        self.options = replace(options, device=platform, precision=precision)
        #: More of the toolkit's options for RKNN.config, such as quantized_algorithm.
        self.config: dict[str, Any] = {}
        self._environment = threads_environment(options.threads)
        self.begin()
        self.target = {
            "engine": self.name,
            "device": f"simulator of the {platform.upper()}",
            "threads": options.threads,
            "precision": precision,
            "batch": options.batch,
            "versions": dict(self._worker.ask("about", "engine rknn").values["versions"]),
        }
        if self._calibration is not None:
            self.target["calibration"] = self._calibration.target(METHOD)

    def compile(
        self, net: NetParameter, weights: Blobs, outputs: Mapping[str, str] | None = None, *, lenient: bool = False
    ) -> RKNNSession:
        """A network exactly as it is: its TEST phase alone, with an Input layer for each input, and all its weights.

        `outputs`: names for tops, the default is those that no layer takes under their own names. UnsupportedError
        with what the toolkit says. It goes on behind a layer that it does not know; `lenient` does, too.
        """
        self.restarted()
        rows = trace(net_in_known_words(net))
        shapes = {name: shape for row in rows for name, shape in zip(top_names(row), row.top_shapes, strict=True)}
        inputs = {name: shapes[name] for layer in net.layer if layer.type == "Input" for name in layer.top}
        unread: dict[str, None] = {}
        for layer in net.layer:
            for name in layer.bottom:
                unread.pop(name, None)
            unread.update(dict.fromkeys(layer.top))
        given = outputs or {name: name for name in unread}
        # It gives the tops that no layer takes: others are copied to one.
        said, names = NetParameter(), {}
        said.CopyFrom(net)
        for top, name in given.items():
            # Of a layer with several tops it forgets those that no layer takes.
            alone = all(len(layer.top) == 1 for layer in net.layer if name in layer.top)
            names[top] = name if name in unread and alone else f"{name}/out"
            if names[top] != name:
                passes_on(said, name, names[top], _PASSING)
        number, label = next(self._numbers), f"network {net.name!r}"
        folder = self._worker.folder / f"net{number}"
        folder.mkdir()
        (folder / "net.prototxt").write_bytes(to_text(said).encode())
        save_weights(weights, folder / "net.caffemodel", said)
        dataset = self._dataset(folder, inputs)
        try:
            answer = self.ask(
                "load", label, number=number, platform=self.options.device, config=self.config, dataset=dataset,
                inputs=list(inputs), prototxt=str(folder / "net.prototxt"), caffemodel=str(folder / "net.caffemodel"),
            )  # fmt: skip
        finally:
            for file in folder.glob("set*.npy"):
                file.unlink()
        session = RKNNSession(self, self._worker, number, inputs, {top: shapes[given[top]] for top in given}, label)
        self.kept(session, number)
        unknown = _NOT_READ.findall(answer.printed)
        if unknown and not lenient:
            raise UnsupportedError(f"{label}: {self.title} does not read the layers {', '.join(unknown)}")
        session.match(answer.values["outputs"], names, {top: layer.name for layer in said.layer for top in layer.top})
        return session

    def _load(
        self, net: NetParameter, weights: Blobs | None, outputs: Sequence[str] | None, shapes: Shapes | None
    ) -> Session:
        pair = pair_for("rknn2", net, weights, outputs, shapes, self.title, _PASSING)
        return self.compile(pair.net, pair.weights, pair.outputs)

    def _started(self) -> Worker:
        return Worker(
            self._python, "rknn", self.title, seconds=self.limit_s, environment=self._environment, explain=_explained,
            clean=_clean,
        )  # fmt: skip

    def _dataset(self, folder: Path, inputs: Mapping[str, Shape]) -> str | None:
        """The file that lists the calibration's inputs, a set a line, each a file of its own; None for float16."""
        if self._calibration is None:
            return None
        lines = []
        for number, arrays in enumerate(self._calibration.for_network(inputs)):
            files = [folder / f"set{number}.{place}.npy" for place in range(len(inputs))]
            for file, array in zip(files, arrays.values(), strict=True):
                np.save(file, array, allow_pickle=False)
            lines.append(" ".join(map(str, files)))
        listed = folder / "dataset.txt"
        listed.write_text("\n".join(lines) + "\n")
        return str(listed)


class RKNNSession(GraphSession):
    """A network in the simulator; batches that are multiples of its own run in pieces."""

    title = RKNNEngine.title

    def __init__(
        self,
        engine: RKNNEngine,
        worker: Worker,
        number: int,
        inputs: Mapping[str, Shape],
        outputs: Mapping[str, Shape],
        label: str,
    ) -> None:
        names = {name: name for name in inputs}
        super().__init__(names, {name: name for name in outputs}, inputs, label, any_batch=False)
        self._engine, self._worker, self._number, self._shapes = engine, worker, number, dict(outputs)
        self._places: list[int] = []

    def match(self, found: Sequence[str], names: Mapping[str, str], makers: Mapping[str, str]) -> None:
        """Says which of the toolkit's outputs, by their names in order, each top is; `names` are those in its file.

        It calls some tops of layers in place by the names of these layers: `makers` has them, by top. UnsupportedError
        where a top has no output of its own.
        """
        for top, name in names.items():
            places = [place for place, other in enumerate(found) if other == name]
            if not places:
                places = [place for place, other in enumerate(found) if other == makers.get(name)]
            if not places and len(found) == len(names) == 1:
                places = [0]
            if len(places) != 1:
                raise UnsupportedError(
                    f"{self._label}: {self.title}: outputs: found {', '.join(found)}, expected one for {top!r}"
                )
            self._places += places

    def time(self, inputs: Mapping[str, Array] | None = None) -> float:
        """UnsupportedError: what a simulator takes says nothing of its NPU."""
        raise UnsupportedError(
            "engine rknn: times: found a simulator, which takes as long as this computer does; "
            "expected the board itself, such as by rknn_benchmark and `dongfeng profile import`"
        )

    def step(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
        """As `time`."""
        return {}, self.time()

    def samples(self, count: int) -> list[float]:
        """As `time`."""
        return [self.time()]

    def _once(self, inputs: Mapping[str, Array]) -> list[Array]:
        self._check_shapes({name: array.shape for name, array in inputs.items()})
        arrays = {str(place): inputs[name] for place, name in enumerate(self.inputs)}
        found = self._engine.ask("run", self._label, arrays, worker=self._worker, number=self._number).arrays
        return [
            self._shaped(np.asarray(found[str(place)], np.float32), name)
            for place, name in zip(self._places, self.outputs, strict=True)
        ]

    def _shaped(self, array: Array, name: str) -> Array:
        """An output in Caffe's shape; the toolkit keeps axes of one number that Caffe leaves out."""
        shape = self._shapes[name]
        if [size for size in array.shape if size != 1] != [size for size in shape if size != 1]:
            raise UnsupportedError(
                f"{self._label}: {self.title}: output {name!r}: found shape {array.shape}, expected {shape}"
            )
        return array.reshape(shape)


def _clean(printed: str) -> str:
    """What the toolkit printed, without colours, bars of progress and what it always says."""
    lines = re.split(r"[\r\n]+", _COLOUR.sub("", printed))
    return "".join(f"{line}\n" for line in lines if line.strip() and not _USUAL.search(line))


def _explained(fault: str, printed: str) -> str:
    """Why a network is refused: of what the toolkit printed, the first line of the kind that says most."""
    lines = [" ".join(line.split()) for line in printed.splitlines()]
    for reason in _REASONS:
        for line in lines:
            if reason.search(line):
                return f": {line[:400]}"
    short = fault.splitlines()[-1] if fault.splitlines() else fault
    return f": {short[:300]}" if short else last_words(printed)
