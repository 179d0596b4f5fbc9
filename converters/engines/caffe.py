"""The engine `caffe`: the program of that name on the PATH, BVLC Caffe or a fork of it, through files.

Times are those of `caffe time`. No command of Caffe prints a network's outputs, but layers can read and write HDF5: a
run is `caffe test` of a network that begins with HDF5Data layers and ends with HDF5Output layers.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from converters.engines.engine import ENGINES, Blobs, Engine, Options, Session, Shapes, cpu_name, processors
from converters.engines.pairs import live_network, with_inputs
from converters.programs.caffe import gpu_flag, threads_environment, without_gradients
from converters.programs.program import PROGRAMS
from converters.programs.running import find_program, run_program
from converters.weights import save_weights
from converters.weights.blobs import Array
from prototxt_gen.errors import FileError, UnsupportedError
from prototxt_gen.flow import top_names
from prototxt_gen.layers import Shape
from prototxt_gen.passes.stock import FORK_TYPES, stock_weights, to_stock
from prototxt_gen.proto import NetParameter
from prototxt_gen.text import to_text
from prototxt_gen.trace import AUTOMATIC, trace

# Before the names of layers and blobs that a run adds to a network.
_OWN = "dongfeng_"


@ENGINES.register("caffe")
class CaffeEngine(Engine):
    """Caffe as it is installed. `device` is "cpu", "cuda" or "cuda:N".

    Layers of forks (`prototxt_gen.FORK_TYPES`) are rewritten in stock Caffe's words. `limit_s` is how long one call of
    the program may take.
    """

    name, title = "caffe", "Caffe"
    in_process = False
    limit_s: float = 3600.0

    def __init__(self, options: Options) -> None:
        self._program = find_program("caffe", "engine caffe")
        PROGRAMS["caffe"].command({"prototxt": ""}, 1, options)  # says what it cannot run
        self.options = options
        self._environment = threads_environment(options.threads)
        said = re.search(r"version (\S+)", self.call(["--version"], "engine caffe"))
        self.target = {
            "engine": self.name,
            "device": cpu_name() if options.device == "cpu" else self._gpu(),
            "threads": options.threads or _threads(),
            "precision": "float32",
            "batch": options.batch,
            "versions": {"caffe": said[1] if said else "unknown"},
        }

    def call(self, arguments: Sequence[str], subject: str) -> str:
        """What the program prints for these arguments; errors are those of `run_program`."""
        return run_program([self._program, *arguments], subject, seconds=self.limit_s, environment=self._environment)

    def _gpu(self) -> str:
        flag = gpu_flag(self.options.device)
        found = re.search(r"\] Name: +(\S.*)", self.call(["device_query", *flag], "engine caffe"))
        return found[1].strip() if found else self.options.device

    def _load(
        self, net: NetParameter, weights: Blobs | None, outputs: Sequence[str] | None, shapes: Shapes | None
    ) -> Session:
        from converters.pytorch.module import to_torch, weights_of

        module = to_torch(net, weights, outputs=outputs, input_shapes=shapes)
        meta: dict[str, Any] = module.meta["caffe"]
        selected = live_network(net, meta["outputs"], shapes, self.name)
        taken = {bottom for layer in selected.layer for bottom in layer.bottom} | set(meta["outputs"])
        inputs = {name: shape for name, shape in meta["inputs"].items() if name in taken}
        return CaffeSession(self, selected, weights_of(module), inputs, list(meta["outputs"]))


def _threads() -> int:
    """How many threads OpenMP and the BLAS libraries run where nobody says."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    return int(said) if said.isdecimal() and int(said) else processors()


class CaffeSession(Session):
    """A network in files of a temporary folder, which goes with the session."""

    def __init__(
        self, engine: CaffeEngine, net: NetParameter, weights: Blobs, inputs: Mapping[str, Shape], outputs: list[str]
    ) -> None:
        super().__init__(inputs, outputs)
        self._engine, self._net = engine, net
        names = {layer.name for layer in net.layer}
        self._weights = {name: blobs for name, blobs in weights.items() if name in names}
        self._label = f"network {net.name!r}"
        self._folder = tempfile.TemporaryDirectory(prefix="dongfeng-caffe-")
        self._written: dict[str, Shape] | None = None

    def time(self, inputs: Mapping[str, Array] | None = None) -> float:
        """Milliseconds of one run; Caffe times on inputs and weights of its own, zeros mostly, whatever is given."""
        return self.samples(1)[0]

    def samples(self, count: int) -> list[float]:
        """The mean of so many runs, as `caffe time` prints it, in one call of the program."""
        folder = Path(self._folder.name)
        path = folder / "time.prototxt"
        if not path.exists():
            _write(path, without_gradients(with_inputs(self._stock(self.inputs)[0], self.inputs)))
        program = PROGRAMS["caffe"]
        command = program.command({"prototxt": str(path)}, count, self._engine.options)
        try:
            text = self._engine.call(command[1:], self._label)
        except UnsupportedError as fault:
            if "Not Implemented" not in str(fault):
                raise
            raise UnsupportedError(f"{fault} (caffe time runs every layer backward, too)") from fault
        return program.read(text, f"{self._label}: output of caffe time").ms

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        import h5py

        given = {name: np.ascontiguousarray(array, np.float32) for name, array in self._given(inputs).items()}
        scalars = [name for name, array in given.items() if not array.ndim]
        if scalars:
            raise UnsupportedError(f"{self._label}: caffe: inputs {', '.join(scalars)}: HDF5Data has no scalars")
        folder = Path(self._folder.name)
        self._prepare({name: array.shape for name, array in given.items()})
        for place, array in enumerate(given.values()):
            with h5py.File(folder / f"in{place}.h5", "w") as file:
                file[f"{_OWN}input{place}"] = array
        results = [folder / f"out{place}.h5" for place in range(len(self.outputs))]
        for path in results:
            path.unlink(missing_ok=True)
        if not results:
            return {}
        flags = [f"-model={folder / 'run.prototxt'}", f"-weights={folder / 'net.caffemodel'}", "-iterations=1"]
        self._engine.call(["test", *flags, *gpu_flag(self._engine.options.device)], self._label)
        found = {}
        for name, path in zip(self.outputs, results, strict=True):
            if not path.exists():
                raise FileError(f"{path}: caffe did not write the output {name!r}")
            with h5py.File(path, "r") as file:
                found[name] = np.array(file["data"], np.float32).reshape(self._shapes[name])
        return found

    def _stock(self, shapes: Mapping[str, Shape]) -> tuple[NetParameter, dict[str, Any]]:
        """The network in stock Caffe's words for inputs of these shapes, and its weights."""
        if not any(layer.type in FORK_TYPES for layer in self._net.layer):
            return self._net, dict(self._weights)
        fixed = stock_weights(self._net, "TEST", shapes)
        return to_stock(self._net, "TEST", shapes), {**self._weights, **fixed}

    def _prepare(self, shapes: dict[str, Shape]) -> None:
        """Writes the network that reads and writes HDF5, and its weights, for inputs of these shapes."""
        if shapes == self._written:
            return
        folder = Path(self._folder.name)
        net, weights = self._stock(shapes)
        made = with_inputs(net, shapes)
        rows = trace(made)
        known = {name: shape for row in rows for name, shape in zip(top_names(row), row.top_shapes, strict=True)}
        self._shapes = {name: known[name] for name in self.outputs}
        for row, layer in zip(rows, made.layer, strict=True):
            if row.tops == (AUTOMATIC,):
                layer.top.append(row.name)
        made = _from_hdf5(made, folder)
        _to_hdf5(made, self.outputs, folder)
        _write(folder / "run.prototxt", made)
        save_weights(weights, folder / "net.caffemodel")
        self._written = dict(shapes)


def _from_hdf5(net: NetParameter, folder: Path) -> NetParameter:
    """The network with an HDF5Data layer and a Reshape in the place of each Input layer: in0.h5 has the first.

    A dataset is called like its top, and cannot have the slashes that a blob's name may have.
    """
    made = NetParameter(name=net.name)
    layers = [layer for layer in net.layer if layer.type == "Input"]
    for place, layer in enumerate(layers):
        top, listed = f"{_OWN}input{place}", folder / f"in{place}.txt"
        listed.write_text(f"{folder / f'in{place}.h5'}\n")
        shape = layer.input_param.shape[0].dim
        source = made.layer.add(name=top, type="HDF5Data", top=[top])
        source.hdf5_data_param.source, source.hdf5_data_param.batch_size = str(listed), shape[0]
        renamed = made.layer.add(name=layer.name, type="Reshape", bottom=[top], top=list(layer.top))
        renamed.reshape_param.shape.dim.extend(shape)
    made.layer.extend(layer for layer in net.layer if layer.type != "Input")
    return made


def _to_hdf5(net: NetParameter, outputs: Sequence[str], folder: Path) -> None:
    """Adds a layer that writes out0.h5 for the first output, and so on; what nothing reads is silenced.

    Caffe would print every number of a top that no layer takes.
    """
    read = {bottom for layer in net.layer for bottom in layer.bottom}
    unread = sorted({top for layer in net.layer for top in layer.top} - read - set(outputs))
    if unread:
        net.layer.add(name=f"{_OWN}silence", type="Silence", bottom=unread)
    for place, name in enumerate(outputs):
        flat = f"{_OWN}output{place}"
        net.layer.add(name=flat, type="Reshape", bottom=[name], top=[flat]).reshape_param.shape.dim.extend(
            (1, 1, 1, -1)
        )
        # It writes pairs of blobs.
        layer = net.layer.add(name=f"{_OWN}write{place}", type="HDF5Output", bottom=[flat, flat])
        layer.hdf5_output_param.file_name = str(folder / f"out{place}.h5")


def _write(path: Path, net: NetParameter) -> None:
    path.write_bytes(to_text(net).encode())
