"""What every engine offers: run a network, give its tops, time it; and the table of engines."""

from __future__ import annotations

import platform
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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
        self._own: dict[str, Any] | None = None

    @abstractmethod
    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs by name, float32, for inputs by name; inputs that the network does not take are ignored.

        Another batch size than the network's is allowed where its layers allow it. Random numbers that a network
        draws are the same in every run. NetworkError names inputs that are missing.
        """

    def native(self, inputs: Mapping[str, Array]) -> dict[str, Any]:
        """Inputs in the form that `step` takes: this engine's own tensors, on its device, laid out as it likes."""
        return {name: np.ascontiguousarray(array, np.float32) for name, array in self._given(inputs).items()}

    def step(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
        """One run on values in the engine's own form: its outputs in that form by name, and the milliseconds it took.

        What one session gives, another of the same engine takes: so the parts of a network run one after another as
        the network itself runs, and each is timed with its weights and inputs where they are in a network.
        """
        begun = perf_counter_ns()
        outputs = self.run(values)
        return dict(outputs), (perf_counter_ns() - begun) / 1e6

    def time(self, inputs: Mapping[str, Array] | None = None) -> float:
        """Milliseconds of one run, on fixed inputs of its own where none are given."""
        if inputs is not None:
            return self.step(self.native(inputs))[1]
        if self._own is None:
            self._own = self.native(self.own_inputs())
        return self.step(self._own)[1]

    def samples(self, count: int) -> list[float]:
        """Milliseconds of so many runs one after another; fewer, each a mean, from programs that print means."""
        return [self.time() for _ in range(count)]

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
    #: Whether `step` runs in this process. An engine that starts a program for each call gives times by `samples`.
    in_process: ClassVar[bool] = True
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


@dataclass(frozen=True)
class Options:
    """How an engine runs: CPU threads, 0 for its own choice; "cpu", "cuda" or what else it knows; the numbers' type;
    how many images a run takes when it is timed. All of them are in its target: times of two choices do not mix.
    """

    threads: int = 0
    device: str = "cpu"
    precision: str = "float32"
    batch: int = 1


#: What makes each engine, by its name.
ENGINES: Registry[Callable[[Options], Engine]] = Registry("engine")


def make_engine(
    name: str = "torch", threads: int = 0, *, device: str = "cpu", precision: str = "float32", batch: int = 1
) -> Engine:
    """The engine of this name with this many threads, 0 for its own choice.

    CaffeError for another name lists the engines; NotInstalledError says how to install the engine's package.
    UnsupportedError for a device or a precision that the engine does not have.
    """
    if name not in ENGINES:
        raise CaffeError(f"engine: found {name!r}, expected one of {', '.join(ENGINES)}")
    return ENGINES[name](Options(threads, device, precision, batch))


def cpu_name() -> str:
    """The processor as its maker calls it, where the system says so."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Hardware")))
    return next(names, "") or platform.processor() or platform.machine()
