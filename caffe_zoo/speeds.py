"""The zoo's networks timed on an engine, beside what is published of them: the release's tables made anew."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

from caffe_zoo.cards import CARDS, Card, card
from converters.engines import Engine
from prototxt_gen.generator.networks import generate
from prototxt_gen.memory import caffe_memory
from prototxt_gen.proto import NetParameter
from prototxt_gen.summary import summarize
from search.latency import Entry, measure
from search.latency.measuring import ROUNDS

#: The sizes at which the release times its segmentation networks: height, width.
SCENE_SIZES = ((384, 640), (1024, 1024), (1024, 2048))
#: The inputs for which the release states memory: batch, height, width.
MEMORY_INPUTS = ((50, 224, 224), (1, 1024, 1024))

#: What published figures were measured on, by the names that their keys have for it.
DEVICES = {
    "tx2": "Jetson TX2, TensorRT",
    "1080ti": "GTX 1080 Ti, TensorRT",
    "titanx_caffe": "Titan X, Caffe",
    "snapdragon845": "Snapdragon 845, ncnn",
    "v100": "V100, TensorRT fp16",
    "a100": "A100, TensorRT fp16",
}


class Case(NamedTuple):
    """A network of the zoo, at batch 1 and a size: (height, width)."""

    card: Card
    size: tuple[int, int]

    @property
    def is_scene(self) -> bool:
        """Whether the network segments: then frames per second are told, else milliseconds."""
        return self.card.kind == "segmentation"

    @property
    def title(self) -> str:
        """The network and its size, for messages."""
        return f"{self.card.name} at {self.size[0]}x{self.size[1]}"

    @property
    def published(self) -> dict[str, float]:
        """The published milliseconds, or frames per second, at this size, by what they were measured on."""
        begin = "fps" if self.is_scene else "latency_ms"
        found = {}
        for key, value in self.card.results.items():
            if told := re.fullmatch(rf"{begin}_(\w+?)(?:_(\d+)x(\d+))?", key):
                size = (int(told[2]), int(told[3])) if told[2] else self.card.preprocessing.crop
                if size == self.size:
                    found[DEVICES[told[1]]] = value
        return found

    def net(self) -> NetParameter:
        """The network as devices run it, with batch norm merged."""
        return generate(self.card.architecture, input_shape=(1, 3, *self.size), merged=True)


@dataclass(frozen=True)
class Timed:
    """A case and its time, or why there is none."""

    case: Case
    multiply_adds: int
    entry: Entry | None
    fault: str = ""

    @property
    def figure(self) -> float | None:
        """Frames per second of a segmentation network, milliseconds of another, None without a time."""
        if self.entry is None:
            return None
        return 1000 / self.entry.ms if self.case.is_scene else self.entry.ms


@dataclass(frozen=True)
class Memory:
    """The memory of a network with one of MEMORY_INPUTS, in MiB.

    `caffe` is what BVLC Caffe has in use at least, with batch norm as it was trained (prototxt_gen/memory.py); `peak`
    is the most of activations that is alive at once, batch norm merged, in float32; `published` is the whole memory of
    a GPU that runs it in BVLC Caffe, in MB as stated, None where the release says nothing.
    """

    card: Card
    inputs: tuple[int, int, int]
    caffe: float
    peak: float
    published: float | None


def cases(networks: Iterable[str] = (), sizes: Sequence[tuple[int, int]] = SCENE_SIZES) -> list[Case]:
    """The cases of networks by name, of all without names: classification first, each at its size; then segmentation
    by size. CaffeError for a network that is not in the zoo.
    """
    cards = [card(name) for name in dict.fromkeys(networks)] or list(CARDS.values())
    found = [Case(one, one.preprocessing.crop) for one in cards if one.kind == "classification"]
    return found + [Case(one, size) for size in dict.fromkeys(sizes) for one in cards if one.kind == "segmentation"]


def time_cases(
    engine: Engine,
    chosen: Sequence[Case],
    advance: Callable[[], object] = lambda: None,
    finished: Callable[[list[Timed]], object] = lambda done: None,
    rounds: int = ROUNDS,
    known: Iterable[Timed] = (),
) -> list[Timed]:
    """Times each case, those of one size in interleaved rounds; a case that the engine refuses or fails has no time.

    `known` are times of an earlier run on the same target: those cases are not timed again. `advance` is called
    `rounds` times for each case in all; `finished` with all that is done after each size.
    """
    times = {one.case.title: one for one in known if one.entry is not None}
    done: list[Timed] = []
    for _, members in groupby(chosen, key=lambda case: (case.is_scene, case.size)):
        group = list(members)
        left = [case for case in group if case.title not in times]
        for _ in range(rounds * (len(group) - len(left))):
            advance()
        times |= {one.case.title: one for one in _time_group(engine, left, advance, rounds)}
        done += [times[case.title] for case in group]
        finished(done)
    return done


def memory(networks: Iterable[str] = ()) -> list[Memory]:
    """The memory of the classification networks among these, or of all without names, for each of MEMORY_INPUTS."""
    cards = [card(name) for name in dict.fromkeys(networks)] or list(CARDS.values())
    return [_memory(one, inputs) for inputs in MEMORY_INPUTS for one in cards if one.kind == "classification"]


def _time_group(engine: Engine, group: list[Case], advance: Callable[[], object], rounds: int) -> list[Timed]:
    nets = {case.title: case.net() for case in group}
    entries: dict[str, Entry] = {}
    faults: dict[str, str] = {}

    def run_once(title: str) -> None:
        engine.load(nets[title]).time()

    def measure_all(titles: Sequence[str], advance: Callable[[], object] = lambda: None) -> None:
        entries.update(zip(titles, measure(engine, [nets[title] for title in titles], advance, rounds), strict=True))

    # What fails alone must not take the others with it.
    for title in nets:
        if fault := _fault(run_once, title):
            faults[title] = fault
            for _ in range(rounds):
                advance()
    able = [title for title in nets if title not in faults]
    if able and _fault(measure_all, able, advance):
        # There was no room for all of them at once.
        for title in able:
            if fault := _fault(measure_all, [title]):
                faults[title] = fault
    return [
        Timed(case, summarize(nets[case.title]).multiply_adds, entries.get(case.title), faults.get(case.title, ""))
        for case in group
    ]


def _fault(work: Callable[..., object], *arguments: Any) -> str:
    """Does the work; why it failed, in one line, or "". Each engine has faults of its own, so all kinds are caught."""
    try:
        work(*arguments)
    except Exception as fault:
        return " ".join(str(fault).split()) or type(fault).__name__
    return ""


def _memory(one: Card, inputs: tuple[int, int, int]) -> Memory:
    batch, height, width = inputs
    shape = (batch, 3, height, width)
    trained = summarize(generate(one.architecture, input_shape=shape))
    merged = summarize(generate(one.architecture, input_shape=shape, merged=True))
    published = one.results.get(f"memory_mb_caffe_{batch}x{height}x{width}")
    return Memory(one, inputs, caffe_memory(trained.layers) / 2**20, merged.peak_memory / 2**20, published)
