"""What every engine offers: run a network, give its tops, time it; and the table of engines."""

from __future__ import annotations

import platform
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter_ns
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from converters.weights.blobs import Array
from prototxt_gen.errors import CaffeError, NetworkError
from prototxt_gen.layers import Shape
from prototxt_gen.proto import NetParameter
from prototxt_gen.registry import Registry

#: A network's weights by layer, and shapes by the name of an input.
Blobs: TypeAlias = Mapping[str, Sequence[ArrayLike]]
Shapes: TypeAlias = Mapping[str, Sequence[int]]


class Session(ABC):
    """A network with its weights, ready to run.

    `inputs` are the inputs that have to be given, by name, in the network's order, with the shapes that it was loaded
    with. `outputs` are the names of the tops that `run` gives.
    """

    def __init__(self, inputs: Mapping[str, Shape], outputs: Sequence[str]) -> None:
        self.inputs: dict[str, Shape] = dict(inputs)
        self.outputs: tuple[str, ...] = tuple(outputs)

    @abstractmethod
    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs by name, float32, for inputs by name; inputs that the network does not take are ignored.

        Another batch size than the network's is allowed where its layers allow it. Random numbers that a network
        draws are the same in every run. NetworkError names inputs that are missing.
        """

    def time(self, inputs: Mapping[str, Array] | None = None) -> float:
        """Milliseconds of one run, on fixed inputs of its own where none are given."""
        given = self.own_inputs() if inputs is None else inputs
        begun = perf_counter_ns()
        self.run(given)
        return (perf_counter_ns() - begun) / 1e6

    def own_inputs(self) -> dict[str, Array]:
        """Inputs of the network's shapes to time a run with: numbers from 0 to 1, the same every time."""
        numbers = np.random.default_rng(0)
        return {name: numbers.random(shape, np.float32) for name, shape in self.inputs.items()}

    def _given(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The inputs that the network takes, in its order."""
        missing = [name for name in self.inputs if name not in inputs]
        if missing:
            raise NetworkError(
                f"inputs: found {', '.join(inputs) or 'none'}, expected {', '.join(self.inputs)} "
                f"(missing: {', '.join(missing)})"
            )
        return {name: inputs[name] for name in self.inputs}


class Engine(ABC):
    """A way to run networks on a target.

    `name` is its name in ENGINES, `title` what messages call it. `target` says what its times depend on, as plain JSON
    values: engine, device, threads, precision, versions.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    target: dict[str, Any]

    def load(
        self,
        net: NetParameter,
        weights: Blobs | None = None,
        *,
        outputs: Sequence[str] | None = None,
        input_shapes: Shapes | None = None,
    ) -> Session:
        """The network's TEST phase, ready to run with these weights; without weights its fillers give them.

        `outputs` names the tops to give; the default is those that no layer takes. `input_shapes` gives or replaces the
        shapes of inputs, by name. UnsupportedError for what the engine cannot run, WeightsError for weights that do not
        fit.
        """
        return self._load(net, weights, outputs, input_shapes)

    @abstractmethod
    def _load(
        self, net: NetParameter, weights: Blobs | None, outputs: Sequence[str] | None, shapes: Shapes | None
    ) -> Session:
        """What `load` does, in this engine's way."""


#: What makes each engine, by its name: a function of the number of threads, 0 for the engine's own choice.
ENGINES: Registry[Callable[[int], Engine]] = Registry("engine")


def make_engine(name: str = "torch", threads: int = 0) -> Engine:
    """The engine of this name with this many threads, 0 for its own choice.

    CaffeError for another name lists the engines; NotInstalledError says how to install the engine's package.
    """
    if name not in ENGINES:
        raise CaffeError(f"engine: found {name!r}, expected one of {', '.join(ENGINES)}")
    return ENGINES[name](threads)


def cpu_name() -> str:
    """The processor as its maker calls it, where the system says so."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Hardware")))
    return next(names, "") or platform.processor() or platform.machine()
