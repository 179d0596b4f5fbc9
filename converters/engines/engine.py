"""What every engine offers: run a network, give its tops, time it; and the table of engines."""

from __future__ import annotations

import os
import platform
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter_ns
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from converters.engines.calibration import Calibration
from converters.weights.blobs import Array
from prototxt_gen.errors import CaffeError, NetworkError, UnsupportedError
from prototxt_gen.layers import Shape, is_input
from prototxt_gen.passes.phase import select_phase
from prototxt_gen.proto import NetParameter
from prototxt_gen.registry import Registry
from prototxt_gen.trace import trace

#: A network's weights by layer, and shapes by the name of an input.
Blobs: TypeAlias = Mapping[str, Sequence[ArrayLike]]
Shapes: TypeAlias = Mapping[str, Sequence[int]]


class Session(ABC):
    """A network with its weights, ready to run.

    `inputs` are the inputs that have to be given, by name, in the network's order, with the shapes that it was loaded
    with. `outputs` are the names of the tops that `run` gives. `in_float` names the layers that an int8 engine leaves
    in floating point, as far as it says.
    """

    in_float: tuple[str, ...] = ()

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
        the network itself runs, and each is timed with its weights and inputs where they are in a network. The clock
        covers the run alone: values are laid out before it starts and stay where they are when it has stopped. The
        outputs are good until this session runs again.
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


#: The types of numbers that engines know.
PRECISIONS = ("float32", "float16", "bfloat16", "int8")


@dataclass(frozen=True)
class Options:
    """How an engine runs: all of it is in its target, so that times of two choices do not mix.

    `threads`: of the CPU, 0 for the engine's own choice. `device`: "cpu", "cuda", "cuda:1" or what else the engine
    knows. `precision`: one of PRECISIONS, the type of the numbers that it computes with. `batch`: how many images a
    network is set up for; 1 leaves that to the network. `calibration`: with int8 the inputs that ranges come from.
    """

    threads: int = 0
    device: str = "cpu"
    precision: str = "float32"
    batch: int = 1
    calibration: Calibration | None = None

    def plain(self) -> dict[str, Any]:
        """The options as JSON values, without the calibration, which an engine's target tells by its digest."""
        return {"threads": self.threads, "device": self.device, "precision": self.precision, "batch": self.batch}

    def calibrated(self, engine: str) -> Calibration:
        """The calibration, for an engine that has int8. CaffeError says what is missing."""
        if self.calibration is None:
            raise CaffeError(
                f"engine {engine}: precision int8: found no calibration, expected inputs of the kind that the network "
                "is for: the ranges of its numbers come from them"
            )
        return self.calibration


class Engine(ABC):
    """A way to run networks on a target.

    `name` is its name in ENGINES, `title` what messages call it. `target` says what its times depend on, as plain JSON
    values: engine, device, threads, precision, batch, versions, and what else an engine has. `options` are what it was
    made with.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    #: Whether `step` runs in this process. An engine that starts a program for each call gives times by `samples`.
    in_process: ClassVar[bool] = True
    #: Whether it has the precision int8, which takes a calibration.
    int8: ClassVar[bool] = False
    target: dict[str, Any]
    options: Options = Options()

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
        shapes of inputs, by name. An engine with a `batch` above 1 sets the network up for so many images, whatever it
        states. UnsupportedError for what the engine cannot run, WeightsError for weights that do not fit.
        """
        if self.options.batch > 1:
            input_shapes = _of_batch(net, input_shapes, self.options.batch)
        return self._load(net, weights, outputs, input_shapes)

    @abstractmethod
    def _load(
        self, net: NetParameter, weights: Blobs | None, outputs: Sequence[str] | None, shapes: Shapes | None
    ) -> Session:
        """What `load` does, in this engine's way."""


#: What makes each engine, by its name.
ENGINES: Registry[Callable[[Options], Engine]] = Registry("engine")


def make_engine(
    name: str = "torch",
    threads: int = 0,
    *,
    device: str = "cpu",
    precision: str = "float32",
    batch: int = 1,
    calibration: Sequence[Mapping[str, ArrayLike]] | Calibration | None = None,
) -> Engine:
    """The engine of this name, running as `Options` says.

    With precision "int8", `calibration` has inputs as the networks take them, preprocessed: a set of arrays by name for
    each image. It is read here once, for its digest in `engine.target`, and again for each network that is loaded.

    CaffeError for another name lists the engines, and for a number of threads or images that is none says so;
    NotInstalledError says how to install the engine's package. UnsupportedError for a device or a precision that the
    engine does not have here names those that it has.
    """
    if name not in ENGINES:
        raise CaffeError(f"engine: found {name!r}, expected one of {', '.join(ENGINES)}")
    for option, number, least in (("threads", threads, 0), ("batch", batch, 1)):
        if not isinstance(number, int) or isinstance(number, bool) or number < least:
            raise CaffeError(f"engine {name}: {option}: found {number!r}, expected a whole number of at least {least}")
    # PyTorch's and numpy's objects for a device or a type say their names.
    device, precision = str(device).strip(), str(precision).removeprefix("torch.")
    if calibration is not None and precision != "int8":
        raise CaffeError(f"engine {name}: calibration: found with precision {precision}, expected with int8 alone")
    given = None if calibration is None else Calibration.of(calibration)
    return ENGINES[name](Options(threads, device, precision, batch, given))


def as_engine(engine: Engine | str) -> Engine:
    """An engine itself, or by its name one with nothing chosen; errors as of `make_engine`."""
    return make_engine(engine) if isinstance(engine, str) else engine


def refused(engine: str, option: str, found: Any, known: Iterable[str], reason: str = "") -> UnsupportedError:
    """The error for an option that an engine does not have here: what was asked for, why not, and what it has."""
    why = f" ({reason})" if reason else ""
    return UnsupportedError(f"engine {engine}: {option}: found {str(found)!r}{why}, expected {' or '.join(known)}")


def split_device(device: str) -> tuple[str, int | None]:
    """The kind of a device and its number: ("cuda", 1) of "cuda:1", ("cpu", None) of "cpu"."""
    kind, colon, number = device.partition(":")
    return (kind.lower(), int(number)) if colon and number.isdecimal() and number.isascii() else (device.lower(), None)


def target_of(
    engine: str, options: Options, threads: int, versions: Mapping[str, str], device: str | None = None, **more: Any
) -> dict[str, Any]:
    """What an engine's times depend on; `device` is its name in words, the processor's by default."""
    return {
        "engine": engine,
        "device": cpu_name() if device is None else device,
        "threads": threads,
        "precision": options.precision,
        "batch": options.batch,
        "versions": {**versions, "python": platform.python_version()},
        **more,
    }


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _of_batch(net: NetParameter, shapes: Shapes | None, batch: int) -> Shapes:
    """The shapes of the inputs with so many images: axis 0 of the first input, and of all that are as long there."""
    selected = select_phase(net, "TEST", level=net.state.level)
    found = {
        top: shape
        for row in trace(selected, shapes)
        if is_input(row.type)
        for top, shape in zip(row.tops, row.top_shapes, strict=True)
    }
    own = next((shape[0] for shape in found.values() if shape), None)
    return {top: (batch, *shape[1:]) if shape[:1] == (own,) else shape for top, shape in found.items()}


def cpu_name() -> str:
    """The processor as its maker calls it, where the system says so."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Hardware")))
    return next(names, "") or platform.processor() or platform.machine()
