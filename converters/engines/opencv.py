"""The engine `opencv`: OpenCV's own reader of Caffe files, which versions before 5 have.

Networks are rewritten for the target `opencv4` first: its table knows which words of Caffe that reader takes, which it
stops at, and which it passes over in silence.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np

from converters.engines.engine import ENGINES, Blobs, Engine, Options, Session, Shapes, refused, target_of
from converters.engines.pairs import pair_for
from converters.targets.checking import untaken_tops
from converters.targets.spellings import net_in_known_words
from converters.weights import save_weights
from converters.weights.blobs import Array
from prototxt_gen.errors import NotInstalledError, UnsupportedError
from prototxt_gen.layers import Shape, is_input
from prototxt_gen.proto import NetParameter
from prototxt_gen.text import to_text
from prototxt_gen.trace import trace

#: OpenCV's targets on the CPU; the second is for Arm alone.
_TARGETS = {"float32": "DNN_TARGET_CPU", "float16": "DNN_TARGET_CPU_FP16"}


@ENGINES.register("opencv")
class OpenCVEngine(Engine):
    """cv2.dnn on the CPU; the number of threads counts for the whole process."""

    name, title = "opencv", "OpenCV"

    def __init__(self, options: Options) -> None:
        try:
            import cv2
        except ImportError as fault:
            raise NotInstalledError("opencv-python-headless", "opencv", "engine opencv") from fault
        if not hasattr(cv2.dnn, "readNetFromCaffe"):
            purpose = f"engine opencv (OpenCV {cv2.__version__} reads no Caffe files)"
            raise NotInstalledError("opencv-python-headless<5", "opencv", purpose)
        if options.device.lower() != "cpu":
            raise refused(self.name, "device", options.device, ["cpu"])
        here = cv2.dnn.getAvailableTargets(cv2.dnn.DNN_BACKEND_OPENCV)
        known = {name: getattr(cv2.dnn, target, None) for name, target in _TARGETS.items()}
        if options.precision not in known or known[options.precision] not in here:
            expected = [name for name, target in known.items() if target in here]
            raise refused(self.name, "precision", options.precision, expected, "on this CPU")
        self.options = options
        if options.threads:
            cv2.setNumThreads(options.threads)
        self._cv2: Any = cv2
        self._threads: int = cv2.getNumThreads()
        self._target = known[options.precision]
        self.target = target_of(self.name, options, self._threads, {"opencv": cv2.__version__})

    def _load(
        self, net: NetParameter, weights: Blobs | None, outputs: Sequence[str] | None, shapes: Shapes | None
    ) -> Session:
        pair = pair_for("opencv4", net, weights, outputs, shapes, self.title)
        return self.compile(pair.net, pair.weights, pair.outputs)

    def compile(self, net: NetParameter, weights: Blobs, outputs: Mapping[str, str] | None = None) -> OpenCVSession:
        """A network exactly as it is: its TEST phase alone, with an Input layer for each input, and all its weights.

        `outputs`: blobs by the names of tops, the default is those that no layer takes under their own names. Tops of
        layers with several have no name there: OpenCV gives the first. UnsupportedError with what it says.
        """
        rows = trace(net_in_known_words(net))
        inputs = {
            top: shape
            for row in rows
            if is_input(row.type)
            for top, shape in zip(row.tops, row.top_shapes, strict=True)
        }
        makers = _makers(net)
        given = {top: top for tops in untaken_tops(net) for top in tops} if outputs is None else outputs
        with tempfile.TemporaryDirectory() as folder:
            text, path = Path(folder) / "net.prototxt", Path(folder) / "net.caffemodel"
            text.write_bytes(to_text(net).encode())
            save_weights(weights, path, net)
            try:
                found = self._cv2.dnn.readNetFromCaffe(str(text), str(path))
            except self._cv2.error as fault:
                raise _cannot(self._cv2, fault) from fault
        found.setPreferableBackend(self._cv2.dnn.DNN_BACKEND_OPENCV)
        found.setPreferableTarget(self._target)
        known = set(found.getLayerNames())
        # OpenCV calls layers whose tops nothing takes by the names of their tops.
        names = {top: makers[blob] if makers[blob] in known else blob for top, blob in given.items()}
        if names and inputs:
            try:
                # This makes the layers, and so refuses those that OpenCV cannot set up.
                found.getLayersShapes([list(shape) for shape in inputs.values()])
            except self._cv2.error as fault:
                raise _cannot(self._cv2, fault) from fault
        return OpenCVSession(self._cv2, found, self._threads, inputs, names)


class OpenCVSession(Session):
    """A cv2.dnn.Net; `names` maps each top to the name that it has there."""

    def __init__(self, cv2: Any, net: Any, threads: int, inputs: Mapping[str, Shape], names: Mapping[str, str]) -> None:
        super().__init__(inputs, list(names))
        self._cv2, self._net, self._threads, self._names = cv2, net, threads, dict(names)
        self._own_outputs: list[Array] | None = None
        self._own_shapes: list[Shape] = []

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        results, _ = self._forward(self._given(inputs), None)
        return dict(zip(self._names, results, strict=True))

    def step(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
        """One run on arrays, which OpenCV copies before the clock starts, into arrays that are this session's own."""
        given = self._given(values)
        shapes = [array.shape for array in given.values()]
        known = self._own_outputs if shapes == self._own_shapes else None
        results, ms = self._forward(given, known)
        self._own_outputs, self._own_shapes = results, shapes
        return dict(zip(self._names, results, strict=True)), ms

    def _forward(self, inputs: Mapping[str, Array], outputs: list[Array] | None) -> tuple[list[Array], float]:
        """The outputs, written into `outputs` where they are given, and the milliseconds that it took."""
        if not self._names:
            return [], 0.0
        # Another engine of the same process may have set another number of threads.
        if self._cv2.getNumThreads() != self._threads:
            self._cv2.setNumThreads(self._threads)
        names = list(self._names.values())
        try:
            for name, array in inputs.items():
                self._net.setInput(np.ascontiguousarray(array, np.float32), name)
            begun = perf_counter_ns()
            results = self._net.forward(names) if outputs is None else self._net.forward(names, outputs)
            ms = (perf_counter_ns() - begun) / 1e6
        except self._cv2.error as fault:
            raise _cannot(self._cv2, fault) from fault
        return [np.asarray(array, np.float32) for array in results], ms


def _makers(net: NetParameter) -> dict[str, str]:
    """The layer that writes each top last, by its name there: one with the name of an earlier layer gets a number."""
    makers: dict[str, str] = {}
    times = Counter[str]()
    for layer in net.layer:
        called = f"{layer.name}_{times[layer.name]}" if times[layer.name] else layer.name
        times[layer.name] += 1
        makers |= dict.fromkeys(layer.top, called)
    return makers


def _cannot(cv2: Any, fault: Exception) -> UnsupportedError:
    return UnsupportedError(f"OpenCV {cv2.__version__}: {' '.join(str(fault).split())[:300]}")
