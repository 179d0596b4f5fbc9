"""The engine `torch`: networks in PyTorch, eager on the CPU, as CUDA graphs on an NVIDIA GPU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from converters.engines.engine import (
    ENGINES,
    Blobs,
    Engine,
    Options,
    Session,
    Shapes,
    refused,
    split_device,
    target_of,
)  # fmt: skip
from converters.engines.graphs import first_line
from converters.weights.blobs import Array
from prototxt_gen.errors import CaffeError, UnsupportedError
from prototxt_gen.layers import LAYERS, is_input
from prototxt_gen.passes.phase import select_phase
from prototxt_gen.proto import NetParameter
from prototxt_gen.trace import LayerSummary, trace

if TYPE_CHECKING:
    import torch
    from torch import Tensor, fx

#: What each device computes in. On the CPU float16 is slow or missing, layer by layer.
_PRECISIONS = {"cpu": ("float32", "bfloat16"), "cuda": ("float32", "float16", "bfloat16")}
#: Up to here a type holds every whole number.
_WHOLE = {"float16": 2048, "bfloat16": 256}


@ENGINES.register("torch")
class TorchEngine(Engine):
    """PyTorch in inference mode; the number of threads counts for the whole process.

    `device` is cpu, cuda or cuda:1. On CUDA a network runs as a CUDA graph, with channels last, cuDNN's fastest
    algorithms and without TF32, and is timed by CUDA events. With float16 or bfloat16 weights and blobs are of that
    type; inputs that hold labels or places stay float32, outputs of `run` are float32 again.
    """

    name, title = "torch", "PyTorch"

    def __init__(self, options: Options) -> None:
        # torch takes seconds to import; whoever only looks at the table of engines should not wait for it.
        import torch

        self.options = options
        self._device = _device(options)
        if options.threads:
            torch.set_num_threads(options.threads)
        self._threads = torch.get_num_threads()
        versions: dict[str, str] = {"torch": torch.__version__}
        if self._device.type == "cpu":
            self.target = target_of(self.name, options, self._threads, versions)
        else:
            versions |= {"cuda": str(torch.version.cuda), "cudnn": str(torch.backends.cudnn.version())}
            # One thread of the CPU starts the graphs.
            self.target = target_of(
                self.name, options, 1, versions, torch.cuda.get_device_name(self._device), tf32=False, cuda_graphs=True
            )

    def _load(
        self, net: NetParameter, weights: Blobs | None, outputs: Sequence[str] | None, shapes: Shapes | None
    ) -> Session:
        import torch

        from converters.pytorch.module import to_torch

        module = to_torch(net, weights, outputs=outputs, input_shapes=shapes)
        exact: set[str] = set()
        if self.options.precision != "float32":
            rows = trace(select_phase(net, "TEST", level=net.state.level), shapes)
            _refuse_places(net, rows, self.options.precision)
            exact = _exact_inputs(rows)
        dtype = getattr(torch, self.options.precision)
        kind = TorchSession if self._device.type == "cpu" else CudaSession
        return kind(module, self._threads, self._device, dtype, exact, f"network {net.name!r}")


class TorchSession(Session):
    """A module from `to_torch`, in evaluation mode, on the CPU."""

    def __init__(
        self,
        module: fx.GraphModule,
        threads: int,
        device: torch.device,
        dtype: torch.dtype,
        exact: set[str],
        label: str,
    ) -> None:
        import torch

        meta: dict[str, Any] = module.meta["caffe"]
        places = [node for node in module.graph.nodes if node.op == "placeholder"]
        self._places = list(meta["inputs"])
        super().__init__(
            {name: shape for (name, shape), node in zip(meta["inputs"].items(), places, strict=True) if node.users},
            meta["outputs"],
        )
        self._threads, self._device, self._label = threads, device, label
        self._dtypes = {name: torch.float32 if name in exact else dtype for name in self._places}
        self._whole = dtype == torch.float32
        self._module = module.to(device, dtype)
        convolutions = [
            part for part in module.modules() if isinstance(part, (torch.nn.Conv2d, torch.nn.ConvTranspose2d))
        ]
        # The CPU's convolutions, and those of tensor cores, are fastest on images with channels last.
        self._channels_last = bool(convolutions)
        for part in convolutions:
            part.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        import torch

        tensors = self._tensors(self._given(inputs))
        self._set_threads()
        cuda = [self._device] if self._device.type == "cuda" else []
        with torch.inference_mode(), torch.random.fork_rng(devices=cuda):
            torch.manual_seed(0)
            tops = self._call(tensors)
            return {name: top.detach().to("cpu", torch.float32).numpy() for name, top in tops.items()}

    def native(self, inputs: Mapping[str, Array]) -> dict[str, Any]:
        """Tensors by name on the device, laid out as the module's convolutions like them."""
        given = self._given(inputs)
        return {
            name: tensor for name, tensor in zip(self._places, self._tensors(given), strict=True) if tensor is not None
        }

    def step(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
        """One run of the module on tensors, which are laid out before the clock starts."""
        import torch

        tensors = [values.get(name) for name in self._places]
        self._set_threads()
        with torch.inference_mode():
            begun = perf_counter_ns()
            result = self._forward(tensors)
            ms = (perf_counter_ns() - begun) / 1e6
        return self._named(result), ms

    def _call(self, tensors: Sequence[Tensor | None]) -> dict[str, Tensor]:
        """The tops by name, in memory that the caller may read until the next call."""
        return self._named(self._forward(tensors))

    def _forward(self, tensors: Sequence[Tensor | None]) -> Any:
        """What the module gives. UnsupportedError for a layer that PyTorch does not compute in this precision."""
        try:
            return self._module(*tensors)
        except CaffeError:
            raise
        except RuntimeError as fault:
            if self._whole:
                raise
            raise UnsupportedError(f"{self._label}: PyTorch cannot run it: {first_line(fault)}") from fault

    def _named(self, result: Any) -> dict[str, Tensor]:
        tops = result if isinstance(result, Mapping) else {self.outputs[0]: result}
        return {name: tops[name] for name in self.outputs}

    def _tensors(self, inputs: Mapping[str, Array]) -> list[Tensor | None]:
        """The module's positional arguments: None for inputs that nothing needs."""
        import torch

        tensors: list[Tensor | None] = []
        for name in self._places:
            tensor = torch.from_numpy(np.asarray(inputs[name], np.float32)) if name in inputs else None
            if tensor is not None:
                tensor = tensor.to(self._device, self._dtypes[name])
                if tensor.ndim == 4 and self._channels_last:
                    tensor = tensor.to(memory_format=torch.channels_last)
            tensors.append(tensor)
        return tensors

    def _set_threads(self) -> None:
        """Another engine of the same process may have set another number of threads."""
        import torch

        if torch.get_num_threads() != self._threads:
            torch.set_num_threads(self._threads)


class CudaSession(TorchSession):
    """A module on an NVIDIA GPU: a CUDA graph for the shapes that it was loaded with, eager for others.

    PyTorch: docs, "CUDA semantics", section "CUDA Graphs": inputs and outputs of a graph are fixed tensors, so inputs
    are copied into its own, and its outputs are good until it runs again.
    """

    _graph: _Graph | None = None
    #: Why the network cannot be a graph.
    _fault: str | None = None

    def step(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
        """One run, timed by events around it on the GPU. UnsupportedError for a network that cannot be a graph."""
        import torch

        tensors = [values.get(name) for name in self._places]
        with torch.inference_mode(), torch.cuda.device(self._device), _full_float32():
            graph = self._captured(tensors)
            if graph is None:
                raise UnsupportedError(f"{self._label}: cannot be a CUDA graph: {self._fault}")
            return self._named(graph.result), graph.timed(tensors)

    def _call(self, tensors: Sequence[Tensor | None]) -> dict[str, Tensor]:
        import torch

        with torch.cuda.device(self._device), _full_float32():
            stated = list(self.inputs.values()) == [tuple(one.shape) for one in tensors if one is not None]
            graph = self._captured(tensors) if stated else None
            if graph is None:
                return super()._call(tensors)
            graph.run(tensors)
            return self._named(graph.result)

    def _captured(self, tensors: Sequence[Tensor | None]) -> _Graph | None:
        """The graph for tensors like these; None where the network has steps that no graph can hold."""
        if self._fault is None and (self._graph is None or not self._graph.takes(tensors)):
            try:
                self._graph = _Graph(self._module, tensors, self._device)
            except CaffeError:
                raise
            except RuntimeError as fault:
                self._graph, self._fault = None, first_line(fault)
        return self._graph


class _Graph:
    """A module captured as a CUDA graph. `result` is what the module gave, filled anew by each run."""

    def __init__(self, module: fx.GraphModule, tensors: Sequence[Tensor | None], device: torch.device) -> None:
        import torch

        self._inputs = [tensor if tensor is None else tensor.clone() for tensor in tensors]
        # The first runs, on a stream of their own: cuDNN tries its algorithms, libraries take their memory.
        stream = torch.cuda.Stream(device)
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            for _ in range(3):
                module(*self._inputs)
        torch.cuda.current_stream(device).wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self.result: Any = module(*self._inputs)
        self._begun, self._ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))

    def takes(self, tensors: Sequence[Tensor | None]) -> bool:
        """Whether the graph was made for tensors of these shapes."""
        return [None if one is None else one.shape for one in tensors] == [
            None if one is None else one.shape for one in self._inputs
        ]

    def run(self, tensors: Sequence[Tensor | None]) -> None:
        self._fill(tensors)
        self._graph.replay()

    def timed(self, tensors: Sequence[Tensor | None]) -> float:
        """Milliseconds of a run on the GPU, inputs already in place."""
        self._fill(tensors)
        self._begun.record()
        self._graph.replay()
        self._ended.record()
        self._ended.synchronize()
        return float(self._begun.elapsed_time(self._ended))

    def _fill(self, tensors: Sequence[Tensor | None]) -> None:
        for own, given in zip(self._inputs, tensors, strict=True):
            if own is not None and given is not None:
                own.copy_(given)


@contextmanager
def _full_float32() -> Iterator[None]:
    """float32 without TF32, and cuDNN trying its algorithms, for what is run inside; then as it was."""
    import torch

    matmul = torch.backends.cuda.matmul
    before = matmul.allow_tf32
    matmul.allow_tf32 = False
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False):
            yield
    finally:
        matmul.allow_tf32 = before


def _device(options: Options) -> torch.device:
    """The device, which is there and has the precision. UnsupportedError says what is missing."""
    import torch

    kind, number = split_device(options.device)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    known = ["cpu", *(f"cuda:{index}" for index in range(count))]
    if kind == "cuda" and ":" in options.device and number is None:
        raise refused("torch", "device", options.device, known)
    if kind == "cuda" and (number or 0) >= count:
        built = f"PyTorch {torch.__version__} is built {'with' if torch.version.cuda else 'without'} CUDA"
        raise refused("torch", "device", options.device, known, f"found {count or 'no'} CUDA devices; {built}")
    if kind not in _PRECISIONS or (kind == "cpu" and ":" in options.device):
        raise refused("torch", "device", options.device, known)
    if options.precision not in _PRECISIONS[kind]:
        raise refused("torch", "precision", options.precision, _PRECISIONS[kind], f"on {kind}")
    return torch.device(kind, number or 0) if kind == "cuda" else torch.device("cpu")


def _exact_inputs(rows: Sequence[LayerSummary]) -> set[str]:
    """Inputs that some layer takes as labels or places."""
    inputs = {top for row in rows if is_input(row.type) for top in row.tops}
    return inputs & {
        bottom for row in rows for index, bottom in enumerate(row.bottoms) if index in LAYERS[row.type].labels
    }


def _refuse_places(net: NetParameter, rows: Sequence[LayerSummary], precision: str) -> None:
    """UnsupportedError that lists layers whose tops are places which a type of less precision cannot hold."""
    faults = []
    for row in rows:
        options = row.layer
        if row.type == "ArgMax":
            shape, given = row.bottom_shapes[0], options.argmax_param
            axes = shape[given.axis :][:1] if given.HasField("axis") else shape[1:]
        elif row.type == "Pooling" and len(row.tops) > 1:
            axes = row.bottom_shapes[0][2:]
        else:
            continue
        places = cast(int, np.prod(axes, dtype=int))
        if places > _WHOLE[precision] + 1:
            faults.append(f"layer {row.name!r} ({row.type}): found {places} places")
    if faults:
        raise UnsupportedError(
            f"network {net.name!r}: {precision} holds no whole numbers above {_WHOLE[precision]}: {'; '.join(faults)}"
        )
