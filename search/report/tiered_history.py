"""How a search by Tiered Pruning went: widths and probabilities of each block, latency, the supernet; in words, as CSV.

What it wrote down of itself is read (see search/training/tiered_history.py), while it runs and after. `tiered_plot.py`
draws it as a picture, `page.html` on the page.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from prototxt_gen.errors import FormatError
from search.spaces.reading import parse_space
from search.spaces.tiered import TieredLayer, TieredSpace
from search.study.tiered import FOUND, GOALS, FoundNetwork, read_found
from search.training.tiered import HISTORY
from search.training.tiered_history import read_history

# So many points of a curve are enough for a picture.
POINTS = 120
#: What becomes less as the search goes on: the name in the history, and in words.
SIZES = {
    "parameters": "parameters",
    "multiply_adds": "multiply-adds",
    "saved_bytes": "memory of a step",
    "step_ms": "time of a step",
}


@dataclass(frozen=True)
class BlockCourse:
    """A candidate of a layer after each decision, as long as it was there: lists are as long as that.

    `shares` are its probabilities, `smalls` and `larges` its two inner widths (0 for none), `likely` the width that is
    expected of it. `frozen` is the step at which its width was decided, `removed` that at which it went.
    """

    code: str
    shares: list[float]
    smalls: list[int]
    larges: list[int]
    likely: list[float]
    frozen: int | None
    removed: int | None

    @property
    def width(self) -> str:
        """Its inner width as it was last, in words: one, or two; empty where it has none."""
        if not self.larges or not self.larges[-1]:
            return ""
        small, large = self.smalls[-1], self.larges[-1]
        return f"{large}" if small == large else f"{small} to {large}"

    def words(self) -> str:
        """What became of it, as a sentence about it goes on."""
        if self.removed is not None:
            return f"removed at step {self.removed:,}"
        share = f"{_percent(self.shares[-1])}" if self.shares else "there"
        if not self.width:
            return share
        return f"{share}, inner width {self.width}" + (f" since step {self.frozen:,}" if self.frozen else "")


@dataclass(frozen=True)
class LayerCourse:
    """A layer: its candidates, and the probability of its bypass after each decision, as long as that was open.

    `gone` is the step at which the layer was removed, `kept` that at which its bypass was closed. `most` is the largest
    inner width that it may have, 0 for none.
    """

    name: str
    optional: bool
    most: int
    blocks: list[BlockCourse]
    bypass: list[float]
    gone: int | None
    kept: int | None

    @property
    def left(self) -> list[BlockCourse]:
        """The candidates that are still there."""
        return [block for block in self.blocks if block.removed is None]

    def words(self) -> str:
        """What became of it."""
        if self.gone is not None:
            return "left out"
        left = self.left
        leader = max(left, key=lambda block: block.shares[-1] if block.shares else 0.0)
        width = f", inner width {leader.width}" if leader.width else ""
        told = f"{leader.code}{width}"
        if len(left) > 1:
            share = f" with {_percent(leader.shares[-1])}" if leader.shares else ""
            told = f"{len(left)} of {len(self.blocks)} blocks left; {leader.code} leads{share}{width}"
        else:
            decided = [block.removed for block in self.blocks if block is not leader]
            steps = [step for step in (*decided, leader.frozen, self.kept) if step is not None]
            still = self.bypass_open or " to " in leader.width
            told += f", decided at step {max(steps):,}" if steps and not still else ""
        return told

    def bypass_words(self) -> str:
        """Whether it is left out; empty where that is no question."""
        if self.gone is not None:
            return f"left out since step {self.gone:,}"
        if self.kept is not None:
            return f"stays since step {self.kept:,}"
        return f"left out with {_percent(self.bypass[-1])}" if self.bypass else ""

    @property
    def bypass_open(self) -> bool:
        """Whether it may still be left out, or not."""
        return self.optional and self.gone is None and self.kept is None


@dataclass(frozen=True)
class TieredCourse:
    """A search for one goal (ms): its decisions as the history has them, and what became of each layer.

    `folder` is where its files lie; `found` its network, None while it is searched.
    """

    folder: Path
    goal: float
    space: str
    decisions: list[dict[str, Any]]
    layers: list[LayerCourse]
    found: FoundNetwork | None

    @property
    def steps(self) -> list[int]:
        """The steps of the decisions."""
        return [line["step"] for line in self.decisions]

    @property
    def progress(self) -> float:
        """Which share of the search is done, in 0..1."""
        return float(self.decisions[-1]["progress"]) if self.decisions else 0.0

    def words(self) -> list[str]:
        """How it went, in sentences."""
        if not self.decisions:
            return ["Nothing was decided yet: the weights of all paths warm up."]
        last = self.decisions[-1]
        done = "The search is done" if self.progress == 1 else f"{_percent(self.progress)} of the search is done"
        there = [layer for layer in self.layers if layer.gone is None]
        left = sum(len(layer.left) for layer in there)
        return [
            f"{done}, after {last['step']:,} steps in {last['seconds']:.0f} s.",
            f"Of {sum(len(layer.blocks) for layer in self.layers)} blocks {left} are left, in {len(there)} of "
            f"{len(self.layers)} layers.",
            *self.found_words(),
        ]

    def found_words(self) -> list[str]:
        """What is known of the network found."""
        if self.found is None:
            return []
        measured = "" if self.found.measured is None else f", measured whole {self.found.measured:.4g} ms"
        remark = f" {self.found.remark[:1].upper()}{self.found.remark[1:]}." if self.found.remark else ""
        return [f"Found: {self.found.architecture}, predicted {self.found.predicted:.4g} ms{measured}.{remark}"]

    def latency_words(self) -> str:
        """How near to the goal it came."""
        last = self.decisions[-1]["latency"]
        return f"From {self.decisions[0]['latency']:.4g} to {last:.4g} ms, at a goal of {self.goal:.6g} ms."

    def size_words(self) -> str:
        """How much smaller and faster the supernet became."""
        first, last = self.decisions[0], self.decisions[-1]
        told = [f"from {first[name]:,} to {last[name]:,} {SIZES[name]}" for name in ("parameters", "multiply_adds")]
        times = [line["step_ms"] for line in self.decisions if line["step_ms"] is not None]
        if times:
            told.append(f"from up to {max(times):.3g} to {times[-1]:.3g} ms a step")
        return f"The supernet went {', '.join(told)}."

    def csv(self) -> str:
        """A line for each decision: step, time, latency, loss, the supernet's size, and how many things it decided."""
        names = ("step", "progress", "seconds", "temperature", "latency", "loss", *SIZES)
        return _csv(
            (*names, "events"),
            (
                [*("" if line[name] is None else line[name] for name in names), len(line["events"])]
                for line in self.decisions
            ),
        )

    def layers_csv(self) -> str:
        """A line for each candidate that is there after a decision, and one for a layer that is not."""
        names = ("step", "layer", "bypass", "candidate", "share", "small", "large", "wide", "event")
        rows: list[list[Any]] = []
        for line in self.decisions:
            events = {(event[1], event[2]): event[0] for event in line["events"]}
            for number, (layer, own) in enumerate(zip(line["layers"], self.layers, strict=True)):
                begin = [line["step"], own.name, "" if layer["bypass"] is None else layer["bypass"]]
                told = events.get((number, None), "")
                if layer["gone"]:
                    rows.append([*begin, "", "", "", "", "", told or "layer removed"])
                for key, one in layer["candidates"].items():
                    values = [one[name] for name in ("share", "small", "large", "wide")]
                    event = events.get((number, int(key))) or told
                    rows.append([*begin, own.blocks[int(key)].code, *values, event])
        return _csv(names, rows)

    def document(self) -> dict[str, Any]:
        """As the page is told it: at most `POINTS` of the decisions."""
        kept = spread(len(self.decisions))
        lines = [self.decisions[place] for place in kept]

        def of(values: Sequence[float]) -> list[float]:
            return [float(f"{values[place]:.4g}") for place in kept if place < len(values)]

        return {
            "name": f"{self.goal:.6g} ms",
            "goal": self.goal,
            "words": self.words(),
            "latency_words": self.latency_words() if lines else "",
            "size_words": self.size_words() if lines else "",
            "steps": [line["step"] for line in lines],
            "latency": of([line["latency"] for line in self.decisions]),
            "found": self.found and {"predicted": self.found.predicted, "measured": self.found.measured},
            "sizes": {words: [line[name] for line in lines] for name, words in SIZES.items()},
            "layers": [
                {
                    "name": layer.name,
                    "words": layer.words(),
                    "most": layer.most,
                    "bypass_words": layer.bypass_words(),
                    "bypass": of(layer.bypass),
                    "gone": layer.gone,
                    "blocks": [
                        {
                            "code": block.code,
                            "words": block.words(),
                            "shares": of(block.shares),
                            "smalls": of(block.smalls),
                            "larges": of(block.larges),
                            "likely": of(block.likely),
                            "frozen": block.frozen,
                            "removed": block.removed,
                        }
                        for block in layer.blocks
                    ],
                }
                for layer in self.layers
            ],
        }


def tiered_courses(folder: Path) -> list[TieredCourse]:
    """The searches by Tiered Pruning in the folder of a run, those of the smallest goals first; none in any other.

    FormatError for damaged files; FileError for those that cannot be read.
    """
    return sorted(map(_course, folder.glob(f"{GOALS}/*/{HISTORY}")), key=lambda course: course.goal)


def _course(path: Path) -> TieredCourse:
    found = path.parent / FOUND
    head, lines = read_history(path)
    try:
        space = parse_space(head["space"])
        if not isinstance(space, TieredSpace) or len(space.layers) != len(head["layers"]):
            raise ValueError(f"{space}: not the space of these layers")
        layers = [_layer(number, layer, lines) for number, layer in enumerate(space.layers)]
        network = read_found(found) if found.exists() else None
        return TieredCourse(path.parent, float(head["goal"]), head["space"], lines, layers, network)
    except (KeyError, TypeError, ValueError, IndexError) as fault:
        raise FormatError(f"{path}: {type(fault).__name__}: {fault}: not the history of a search") from fault


def spread(number: int) -> list[int]:
    """Which of so many points are drawn: all, or `POINTS` of them with the first and the last."""
    return sorted({round(place) for place in np.linspace(0, number - 1, min(POINTS, number)).tolist()})


def _layer(number: int, layer: TieredLayer, lines: Sequence[Mapping[str, Any]]) -> LayerCourse:
    told = [line["layers"][number] for line in lines]
    steps = [line["step"] for line in lines]
    gone = next((step for step, one in zip(steps, told, strict=True) if one["gone"]), None)
    bypass = [float(one["bypass"]) for one in told if one["bypass"] is not None]
    closed = layer.optional and gone is None and len(bypass) < len(told)
    return LayerCourse(
        f"layer {number + 1}",
        layer.optional,
        layer.widths[-1] if layer.widths else 0,
        [_block(str(key), str(one), steps, told) for key, one in enumerate(layer.candidates)],
        bypass,
        gone,
        steps[len(bypass)] if closed else None,
    )


def _block(key: str, code: str, steps: Sequence[int], told: Sequence[Mapping[str, Any]]) -> BlockCourse:
    there = [one["candidates"][key] for one in told if key in one["candidates"]]
    smalls, larges = ([int(one[name]) for one in there] for name in ("small", "large"))
    likely = [
        small + float(one["wide"]) * (large - small) for one, small, large in zip(there, smalls, larges, strict=True)
    ]
    pairs = zip(steps, smalls, larges, strict=False)
    frozen = next((step for step, small, large in pairs if large and small == large), None)
    removed = steps[len(there)] if len(there) < len(steps) else None
    return BlockCourse(code, [float(one["share"]) for one in there], smalls, larges, likely, frozen, removed)


def _csv(names: Sequence[str], rows: Any) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    return text.getvalue()


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
