"""What a rewritten network's outputs differ by: the cost of an approximation in numbers, seen on inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from converters.weights.blobs import Array
from prototxt_gen.errors import NetworkError
from prototxt_gen.flow import flow_of, output_names
from prototxt_gen.layers import LAYERS, Shape, is_input
from prototxt_gen.passes.phase import phase_of, select_phase
from prototxt_gen.proto import NetParameter
from prototxt_gen.trace import LayerSummary, trace

#: How many inputs are drawn where none are given.
_DRAWN = 4


@dataclass(frozen=True)
class OutputDifference:
    """How far an output of the new network lies from the old one's, over all inputs.

    `largest` and `mean` are absolute differences as shares of the old output's largest absolute value. `same_labels`:
    the share of places at which the greatest of the channels is the same one; None for outputs without channels.
    """

    output: str
    shape: Shape
    largest: float
    mean: float
    same_labels: float | None

    def __str__(self) -> str:
        labels = "" if self.same_labels is None else f", {self.same_labels:.2%} of the labels are the same"
        return f"{self.output}: differs by {self.largest:.1e} of the largest value, {self.mean:.1e} in the mean{labels}"

    def as_json(self) -> dict[str, Any]:
        """Plain values, as reports print them."""
        return {
            "output": self.output,
            "shape": list(self.shape),
            "largest": self.largest,
            "mean": self.mean,
            "same_labels": self.same_labels,
        }


def compare_outputs(
    old: tuple[NetParameter, Mapping[str, Sequence[ArrayLike]] | None],
    new: tuple[NetParameter, Mapping[str, Sequence[ArrayLike]] | None],
    *,
    inputs: Sequence[Mapping[str, Array]] | None = None,
    renamed: Mapping[str, str] | None = None,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    seed: int = 0,
    images: int = _DRAWN,
) -> list[OutputDifference]:
    """Runs both networks, TEST phase, by PyTorch on the same inputs, and says how the outputs differ, by the old names.

    `inputs` are by the old network's names. Where none are given, `images` of each are drawn from `seed`: smooth random
    pictures, since neighbouring numbers of an image are alike and what resizing makes of noise says little. `renamed`
    has new names of blobs by old ones. Outputs that the new network lacks are left out. NetworkError where none is
    left, or where an output has another shape.
    """
    from converters.engines import make_engine

    renamed = renamed or {}
    rows = trace(select_phase(old[0], phase_of(old[0])), input_shapes)
    names = output_names(flow_of(rows), None)
    made = {top for layer in new[0].layer for top in layer.top}
    pairs = {name: renamed.get(name, name) for name in names if renamed.get(name, name) in made}
    if not pairs:
        raise NetworkError(f"outputs: found none of {', '.join(names)} in the new network, expected one or more")
    engine = make_engine("torch")
    shapes = input_shapes and {renamed.get(name, name): shape for name, shape in input_shapes.items()}
    sessions = (
        engine.load(old[0], old[1], outputs=list(pairs), input_shapes=input_shapes),
        engine.load(new[0], new[1], outputs=list(pairs.values()), input_shapes=shapes),
    )
    if inputs is None:
        random = np.random.default_rng(seed)
        inputs = [drawn_inputs(rows, random) for _ in range(images)]
    sums = {name: _Sum() for name in pairs}
    for one in inputs:
        theirs = sessions[0].run(one)
        ours = sessions[1].run({renamed.get(name, name): array for name, array in one.items()})
        for name, new_name in pairs.items():
            sums[name].add(name, theirs[name], ours[new_name])
    return [sums[name].result(name) for name in pairs]


def drawn_inputs(rows: Sequence[LayerSummary], random: np.random.Generator) -> dict[str, Array]:
    """Arrays for the inputs of a network: smooth pictures with numbers from -128 to 128, zeros for labels and switches.

    Pictures are the sum of noise at five scales, the coarsest strongest, as natural images have it.
    """
    plain = set()
    for row in rows:
        kind = LAYERS[row.type]
        places = {index % len(row.bottoms) for index in (*kind.labels, *kind.switches)} if row.bottoms else set()
        plain |= {row.bottoms[index] for index in places}
    made = {}
    for row in rows:
        for name, shape in zip(row.tops, row.top_shapes, strict=True) if is_input(row.type) else ():
            made[name] = np.zeros(shape, np.float32) if name in plain else _picture(shape, random)
    return made


def _picture(shape: Shape, random: np.random.Generator) -> Array:
    """Noise at scales of 1, 2, 4, 8 and 16 numbers along the last two axes, each as strong as its scale."""
    total = np.zeros(shape)
    for scale in (1, 2, 4, 8, 16):
        axes = min(2, max(0, len(shape) - 2))
        small = (*shape[: len(shape) - axes], *(-(-size // scale) for size in shape[len(shape) - axes :]))
        noise = random.uniform(-1, 1, small)
        for axis in range(len(shape) - axes, len(shape)):
            noise = noise.repeat(scale, axis)
        total += scale * noise[tuple(map(slice, shape))]
    return (total * (128 / max(float(np.abs(total).max(initial=0)), 1e-30))).astype(np.float32)


class _Sum:
    """What was seen of one output so far."""

    def __init__(self) -> None:
        self.shape: Shape = ()
        self.largest = self.total = self.scale = 0.0
        self.numbers = self.places = self.same = 0

    def add(self, name: str, theirs: Array, ours: Array) -> None:
        if theirs.shape != ours.shape:
            raise NetworkError(f"output {name!r}: found shape {ours.shape}, expected {theirs.shape}")
        self.shape = theirs.shape
        gaps = np.abs(ours.astype(np.float64) - theirs)
        self.largest = max(self.largest, float(gaps.max(initial=0)))
        self.total += float(gaps.sum())
        self.numbers += gaps.size
        self.scale = max(self.scale, float(np.abs(theirs).max(initial=0)))
        if theirs.ndim > 1 and theirs.shape[1] > 1:
            same = theirs.argmax(1) == ours.argmax(1)
            self.places += same.size
            self.same += int(same.sum())

    def result(self, name: str) -> OutputDifference:
        scale = self.scale or 1.0
        labels = self.same / self.places if self.places else None
        return OutputDifference(
            name, self.shape, self.largest / scale, self.total / max(1, self.numbers) / scale, labels
        )
