"""The engine `openvino2023`: OpenVINO 2023.3, the last that reads Caffe files, by its model optimizer.

It lives in a Python environment of its own (docs/engines.md says how to make one), named by a variable. The engine
`openvino` runs newer ones, by ONNX.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from converters.engines.apart import EngineApart
from converters.engines.engine import ENGINES, Blobs, Options, Session, Shapes, refused, target_of
from converters.engines.graphs import GraphSession
from converters.engines.pairs import pair_for
from converters.programs.caffe import threads_environment
from converters.programs.running import last_words
from converters.programs.worker import Worker, python_of
from converters.targets.checking import untaken_tops
from converters.targets.spellings import net_in_known_words
from converters.weights import save_weights
from converters.weights.blobs import Array
from prototxt_gen.errors import UnsupportedError
from prototxt_gen.layers import Shape
from prototxt_gen.proto import LayerParameter, NetParameter
from prototxt_gen.text import to_text
from prototxt_gen.trace import trace

#: The variable that names the Python of its environment.
PYTHON = "DONGFENG_OPENVINO2023_PYTHON"
# Of what the model optimizer prints, the lines that say why.
_REASON = re.compile(
    r"has no field named|^.*(?:Unsupported|unsupported|not supported|Unexpected exception happened during extracting)"
    r"|Cannot infer shapes"
)


@ENGINES.register("openvino2023")
class OpenVINO2023Engine(EngineApart):
    """OpenVINO 2023.3 on the CPU, in float32. Networks are rewritten for the target openvino2023, by exact rewrites.

    Times are those of its own runs, by `samples`. `limit_s` is how long loading a network, or one call, may take.
    """

    name, title = "openvino2023", "OpenVINO 2023.3"

    def __init__(self, options: Options) -> None:
        self._python = python_of(PYTHON, self.title, f"engine {self.name}")
        if options.device.lower() != "cpu":
            raise refused(self.name, "device", options.device, ["cpu"])
        if options.precision != "float32":
            raise refused(self.name, "precision", options.precision, ["float32"])
        self.options = options
        self.begin()
        about = self._worker.ask("about", f"engine {self.name}", threads=options.threads).values
        self.target = target_of(self.name, options, int(about["threads"]), dict(about["versions"]))

    def compile(
        self, net: NetParameter, weights: Blobs, outputs: Mapping[str, str] | None = None
    ) -> OpenVINO2023Session:
        """A network exactly as it is, with all its weights, whose inputs are Input layers.

        `outputs`: blobs by the names of tops, the default is those that no layer takes under their own names.
        UnsupportedError with what the tool says.
        """
        self.restarted()
        rows = trace(net_in_known_words(net))
        shapes = {top: shape for row in rows for top, shape in zip(row.tops, row.top_shapes, strict=True)}
        inputs = {name: shapes[name] for layer in net.layer if layer.type == "Input" for name in layer.top}
        unread = [top for tops in untaken_tops(net) for top in tops]
        makers = {top: layer for layer in net.layer for top in layer.top}
        given = {name: name for name in unread} if outputs is None else dict(outputs)
        number, label = next(self._numbers), f"network {net.name!r}"
        prototxt, caffemodel = (self._worker.folder / f"net{number}.{ending}" for ending in ("prototxt", "caffemodel"))
        prototxt.write_bytes(to_text(net).encode())
        save_weights(weights, caffemodel, net)
        try:
            answer = self.ask(
                "load", label, number=number, prototxt=str(prototxt), caffemodel=str(caffemodel), inputs=list(inputs),
                threads=self.options.threads,
            ).values  # fmt: skip
        finally:
            for file in (prototxt, caffemodel):
                file.unlink(missing_ok=True)
        places = [_place(answer["outputs"], _names(blob, makers), len(given), label) for blob in given.values()]
        session = OpenVINO2023Session(self, self._worker, number, inputs, list(given), places, label)
        self.kept(session, number)
        return session

    def _load(
        self, net: NetParameter, weights: Blobs | None, outputs: Sequence[str] | None, shapes: Shapes | None
    ) -> Session:
        pair = pair_for(self.name, net, weights, outputs, shapes, self.title)
        return self.compile(pair.net, pair.weights, pair.outputs)

    def _started(self) -> Worker:
        return Worker(
            self._python, self.name, self.title, seconds=self.limit_s, explain=_explained,
            environment=threads_environment(self.options.threads),
        )  # fmt: skip


class OpenVINO2023Session(GraphSession):
    """A network in the worker; batches that are multiples of its own run in pieces."""

    title = OpenVINO2023Engine.title

    def __init__(
        self,
        engine: OpenVINO2023Engine,
        worker: Worker,
        number: int,
        inputs: Mapping[str, Shape],
        outputs: Sequence[str],
        places: Sequence[int],
        label: str,
    ) -> None:
        super().__init__(
            {name: name for name in inputs}, {name: name for name in outputs}, inputs, label, any_batch=False
        )
        self._engine, self._worker, self._number, self._places = engine, worker, number, list(places)

    def samples(self, count: int) -> list[float]:
        """Milliseconds of so many runs one after another, on inputs of its own."""
        return list(self._asked(self.own_inputs(), count).values["ms"])

    def step(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
        """One run, and the milliseconds that it took in the worker."""
        answer = self._asked(self._given(values), 1)
        return dict(zip(self.outputs, self._ordered(answer), strict=True)), float(answer.values["ms"][0])

    def _once(self, inputs: Mapping[str, Array]) -> list[Array]:
        return self._ordered(self._asked(inputs, 1))

    def _asked(self, inputs: Mapping[str, Array], count: int) -> Any:
        self._check_shapes({name: array.shape for name, array in inputs.items()})
        arrays = {str(place): inputs[name] for place, name in enumerate(self.inputs)}
        return self._engine.ask("run", self._label, arrays, worker=self._worker, number=self._number, count=count)

    def _ordered(self, answer: Any) -> list[Array]:
        return [np.asarray(answer.arrays[str(place)], np.float32) for place in self._places]


def _names(blob: str, makers: Mapping[str, LayerParameter]) -> list[str]:
    """What the tool may call a blob: its name, its layer's, and what it was before a layer that only passes it on."""
    layer = makers[blob]
    before = [layer.bottom[0]] if layer.type == "Power" and not layer.HasField("power_param") else []
    return [form for name in (blob, layer.name, *before) for form in (name, f"{name}:0")]


def _place(found: Sequence[Sequence[str]], names: Sequence[str], asked: int, label: str) -> int:
    """Which of the tool's outputs a blob of these names is, one of so many that are `asked` for.

    The top of a layer in place may lose its name. UnsupportedError where the blob has no output.
    """
    for name in names:
        places = [place for place, known in enumerate(found) if name in known]
        if places:
            return places[0]
    if len(found) == 1 == asked:
        return 0
    listed = ", ".join("/".join(known) for known in found)
    raise UnsupportedError(f"{label}: OpenVINO 2023.3: outputs: found {listed}, expected one for {names[0]!r}")


def _explained(fault: str, printed: str) -> str:
    """Why a network is refused: of the fault and what was printed, the first line that says it."""
    lines = [" ".join(line.split()) for line in [*printed.splitlines(), *fault.splitlines()]]
    for line in lines:
        if _REASON.search(line):
            return f": {line[:300]}"
    short = " ".join(fault.split())
    return f": {short[:300]}" if short else last_words(printed)
