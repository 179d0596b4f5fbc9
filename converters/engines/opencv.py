"""The engine `opencv`: OpenCV's own reader of Caffe files, which versions before 5 have."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np

from converters.engines.engine import ENGINES, Blobs, Engine, Options, Session, Shapes, refused, target_of
from converters.weights import Weights, save_weights
from converters.weights.blobs import Array
from prototxt_gen.errors import NotInstalledError, UnsupportedError
from prototxt_gen.layers import Shape, is_input
from prototxt_gen.passes.phase import select_phase
from prototxt_gen.proto import LayerParameter, NetParameter
from prototxt_gen.text import to_text
from prototxt_gen.trace import AUTOMATIC, LayerSummary, trace

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
        """As for every engine, but without those `outputs` that OpenCV has no name for: tops of layers with several."""
        from converters.pytorch.module import to_torch, weights_of

        module = to_torch(net, weights, outputs=outputs, input_shapes=shapes)
        meta: dict[str, Any] = module.meta["caffe"]
        selected = NetParameter()
        selected.CopyFrom(select_phase(net, "TEST", level=net.state.level))
        rows = trace(selected, shapes)
        makers = _last_makers(rows)
        arrays = weights_of(module)
        for layer, row in zip(selected.layer, rows, strict=True):
            layer.ClearField("include")
            layer.ClearField("exclude")
            _say_for_opencv(layer, row, arrays)
        with tempfile.TemporaryDirectory() as folder:
            text, path = Path(folder) / "net.prototxt", Path(folder) / "net.caffemodel"
            text.write_bytes(to_text(selected).encode())
            save_weights(arrays, path, selected)
            try:
                found = self._cv2.dnn.readNetFromCaffe(str(text), str(path))
            except self._cv2.error as fault:
                raise _cannot(self._cv2, fault) from fault
        found.setPreferableBackend(self._cv2.dnn.DNN_BACKEND_OPENCV)
        found.setPreferableTarget(self._target)
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
        if names and meta["inputs"]:
            try:
                # This makes the layers, and so refuses those that OpenCV does not have.
                found.getLayersShapes([list(shape) for shape in meta["inputs"].values()])
            except self._cv2.error as fault:
                raise _cannot(self._cv2, fault) from fault
        return OpenCVSession(self._cv2, found, self._threads, meta["inputs"], names)


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


def _say_for_opencv(layer: LayerParameter, row: LayerSummary, weights: Weights) -> None:
    """Writes a layer in the words that OpenCV's reader looks at; it passes over the others in silence."""
    if layer.type == "InnerProduct" and layer.inner_product_param.transpose:
        layer.inner_product_param.transpose = False
        weights[layer.name][0] = np.ascontiguousarray(weights[layer.name][0].T)
    elif layer.type == "Concat" and layer.concat_param.HasField("concat_dim"):
        layer.concat_param.axis = layer.concat_param.concat_dim
        layer.concat_param.ClearField("concat_dim")
    elif layer.type == "Slice":
        options = layer.slice_param
        options.axis = options.slice_dim if options.HasField("slice_dim") else options.axis
        options.ClearField("slice_dim")
        if not options.slice_point:
            # It would share out the axis among those tops alone that something takes.
            sizes = [shape[options.axis] for shape in row.top_shapes]
            options.slice_point.extend(int(point) for point in np.cumsum(sizes[:-1]))
    elif layer.type == "Clip" and (layer.clip_param.min, layer.clip_param.max) == (0, 6):
        layer.type = "ReLU6"
        layer.ClearField("clip_param")


def _last_makers(rows: Sequence[LayerSummary]) -> dict[str, LayerSummary]:
    """By top, the last layer that writes it."""
    return {row.name if top == AUTOMATIC else top: row for row in rows if not is_input(row.type) for top in row.tops}


def _cannot(cv2: Any, fault: Exception) -> UnsupportedError:
    return UnsupportedError(f"OpenCV {cv2.__version__}: {' '.join(str(fault).split())[:300]}")
