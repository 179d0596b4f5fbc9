"""The engine `torch`: networks in PyTorch on this machine's CPU, eager."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import numpy as np

from converters.engines.engine import ENGINES, Blobs, Engine, Options, Session, Shapes, cpu_name
from converters.weights.blobs import Array
from prototxt_gen.proto import NetParameter

if TYPE_CHECKING:
    from torch import Tensor, fx


@ENGINES.register("torch")
class TorchEngine(Engine):
    """PyTorch on the CPU in inference mode; the number of threads counts for the whole process."""

    name, title = "torch", "PyTorch"

    def __init__(self, options: Options) -> None:
        # torch takes seconds to import; whoever only looks at the table of engines should not wait for it.
        import torch

        if options.threads:
            torch.set_num_threads(options.threads)
        self._threads = torch.get_num_threads()
        self.target = {
            "engine": self.name,
            "device": cpu_name(),
            "threads": self._threads,
            "precision": "float32",
            "batch": options.batch,
            "versions": {"torch": torch.__version__, "python": platform.python_version()},
        }

    def _load(
        self, net: NetParameter, weights: Blobs | None, outputs: Sequence[str] | None, shapes: Shapes | None
    ) -> Session:
        from converters.pytorch.module import to_torch

        return TorchSession(to_torch(net, weights, outputs=outputs, input_shapes=shapes), self._threads)


class TorchSession(Session):
    """A module from `to_torch`, in evaluation mode."""

    def __init__(self, module: fx.GraphModule, threads: int) -> None:
        import torch

        meta: dict[str, Any] = module.meta["caffe"]
        places = [node for node in module.graph.nodes if node.op == "placeholder"]
        self._places = list(meta["inputs"])
        super().__init__(
            {name: shape for (name, shape), node in zip(meta["inputs"].items(), places, strict=True) if node.users},
            meta["outputs"],
        )
        self._threads = threads
        self._module = module
        convolutions = [
            part for part in module.modules() if isinstance(part, (torch.nn.Conv2d, torch.nn.ConvTranspose2d))
        ]
        # The CPU's convolutions are fastest on images with channels last.
        self._channels_last = bool(convolutions)
        for part in convolutions:
            part.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        import torch

        tensors = self._tensors(self._given(inputs))
        self._set_threads()
        with torch.inference_mode(), torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            result = self._module(*tensors)
        tops = result if isinstance(result, Mapping) else {self.outputs[0]: result}
        return {name: tops[name].detach().numpy() for name in self.outputs}

    def native(self, inputs: Mapping[str, Array]) -> dict[str, Any]:
        """Tensors by name, laid out as the module's convolutions like them."""
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
            result = self._module(*tensors)
            ms = (perf_counter_ns() - begun) / 1e6
        tops = result if isinstance(result, Mapping) else {self.outputs[0]: result}
        return {name: tops[name] for name in self.outputs}, ms

    def _tensors(self, inputs: Mapping[str, Array]) -> list[Tensor | None]:
        """The module's positional arguments: None for inputs that nothing needs."""
        import torch

        tensors: list[Tensor | None] = []
        for name in self._places:
            tensor = torch.from_numpy(np.asarray(inputs[name], np.float32)) if name in inputs else None
            if tensor is not None and tensor.ndim == 4 and self._channels_last:
                tensor = tensor.to(memory_format=torch.channels_last)
            tensors.append(tensor)
        return tensors

    def _set_threads(self) -> None:
        """Another engine of the same process may have set another number of threads."""
        import torch

        if torch.get_num_threads() != self._threads:
            torch.set_num_threads(self._threads)
