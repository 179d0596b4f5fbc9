"""The engine `opencv`: OpenCV's own reader of Caffe files, which versions before 5 have."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from converters.engines.engine import ENGINES, Blobs, Engine, Options, Session, Shapes, cpu_name
from converters.weights import save_weights
from converters.weights.blobs import Array
from prototxt_gen.errors import NotInstalledError, UnsupportedError
from prototxt_gen.layers import Shape, is_input
from prototxt_gen.passes.phase import select_phase
from prototxt_gen.proto import NetParameter
from prototxt_gen.text import to_text
from prototxt_gen.trace import AUTOMATIC, LayerSummary, trace


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
        if options.threads:
            cv2.setNumThreads(options.threads)
        self._cv2: Any = cv2
        self.target = {
            "engine": self.name,
            "device": cpu_name(),
            "threads": cv2.getNumThreads(),
            "precision": "float32",
            "batch": options.batch,
            "versions": {"opencv": cv2.__version__, "python": platform.python_version()},
        }

    def _load(
        self, net: NetParameter, weights: Blobs | None, outputs: Sequence[str] | None, shapes: Shapes | None
    ) -> Session:
        """As for every engine, but without those `outputs` that OpenCV has no name for: tops of layers with several."""
        from converters.pytorch.module import to_torch, weights_of

        module = to_torch(net, weights, outputs=outputs, input_shapes=shapes)
        meta: dict[str, Any] = module.meta["caffe"]
        selected = NetParameter()
        selected.CopyFrom(select_phase(net, "TEST", level=net.state.level))
        makers = _last_makers(trace(selected, shapes))
        for layer in selected.layer:
            layer.ClearField("include")
            layer.ClearField("exclude")
        with tempfile.TemporaryDirectory() as folder:
            text, path = Path(folder) / "net.prototxt", Path(folder) / "net.caffemodel"
            text.write_bytes(to_text(selected).encode())
            save_weights(weights_of(module), path, selected)
            try:
                found = self._cv2.dnn.readNetFromCaffe(str(text), str(path))
            except self._cv2.error as fault:
                raise _cannot(self._cv2, fault) from fault
        found.enableFusion(outputs is None)  # with fusion, inner tops would hold old contents of their memory
        known = set(found.getLayerNames())
        names = {}
        for top in meta["outputs"]:
            maker = makers.get(top)
            if maker is None or len(maker.tops) != 1:
                continue
            # OpenCV calls layers whose tops nothing takes by the names of their tops.
            name = maker.name if maker.name in known else top
            if name in known:
                names[top] = name
        return OpenCVSession(self._cv2, found, meta["inputs"], names)


class OpenCVSession(Session):
    """A cv2.dnn.Net; `names` maps each top to the name that it has there."""

    def __init__(self, cv2: Any, net: Any, inputs: Mapping[str, Shape], names: Mapping[str, str]) -> None:
        super().__init__(inputs, list(names))
        self._cv2, self._net, self._names = cv2, net, dict(names)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        given = self._given(inputs)
        if not self._names:
            return {}
        try:
            for name, array in given.items():
                self._net.setInput(np.ascontiguousarray(array, np.float32), name)
            results = self._net.forward(list(self._names.values()))
        except self._cv2.error as fault:
            raise _cannot(self._cv2, fault) from fault
        return {top: np.array(array, np.float32) for top, array in zip(self._names, results, strict=True)}


def _last_makers(rows: Sequence[LayerSummary]) -> dict[str, LayerSummary]:
    """By top, the last layer that writes it."""
    return {row.name if top == AUTOMATIC else top: row for row in rows if not is_input(row.type) for top in row.tops}


def _cannot(cv2: Any, fault: Exception) -> UnsupportedError:
    return UnsupportedError(f"OpenCV {cv2.__version__}: {' '.join(str(fault).split())[:300]}")
