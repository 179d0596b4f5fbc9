"""A network given to a toolchain as it is, and what became of it: right, refused, or others' numbers without a word."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from converters.engines import make_engine
from converters.targets.spellings import net_in_known_words
from converters.weights import Weights
from prototxt_gen import CaffeError, NetParameter
from prototxt_gen.text import parse_text
from tests.filling import Array, fill_inputs, fill_weights

#: Runs a network, its weights, its inputs; gives tops by name. CaffeError where the tool does not take it.
Runs = Callable[[NetParameter, Weights, Mapping[str, Array]], Mapping[str, Array]]


@dataclass(frozen=True)
class Tried:
    """What became of a network. `off`: the largest difference as a share of the largest value, where there are numbers.

    `said`: what the tool said of a network that it refused, or which top is wrong.
    """

    outcome: Literal["right", "refused", "silent"]
    off: float | None = None
    said: str = ""

    def __str__(self) -> str:
        return (
            f"{self.outcome:8}" + ("" if self.off is None else f" {self.off:.1e}") + (f" {self.said}" * bool(self.said))
        )


def tried(run: Runs, net: NetParameter, tolerance: float, weights: Weights | None = None) -> Tried:
    """Runs a network by a tool and by our module, on the same weights and inputs."""
    known = net_in_known_words(net)
    given = dict(fill_weights(known)) if weights is None else weights
    inputs = {name: _distinct(array) for name, array in fill_inputs(known).items()}
    try:
        found = run(net, given, inputs)
    except CaffeError as fault:
        return Tried("refused", said=str(fault))
    expected = make_engine("torch").load(known, given).run(inputs)
    worst, said = 0.0, ""
    for name, array in expected.items():
        other = found.get(name)
        if other is None or other.shape != array.shape:
            return Tried("silent", None, f"{name}: {'missing' if other is None else other.shape} for {array.shape}")
        off = difference(other, array)
        if not off <= worst:
            worst, said = off, name
    return Tried("right", worst) if worst <= tolerance else Tried("silent", worst, said)


def difference(found: Array, expected: Array) -> float:
    """The largest difference as a share of the largest value."""
    if not np.isfinite(found).all():
        return float("inf")
    return float(np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-12)) if found.size else 0.0


def network(layers: str, **inputs: tuple[int, ...]) -> NetParameter:
    """A network of layers in text behind inputs of these shapes."""
    text = ""
    for top, shape in inputs.items():
        dims = " ".join(f"dim: {size}" for size in shape)
        text += f'layer {{ name: "{top}" type: "Input" top: "{top}" input_param {{ shape {{ {dims} }} }} }}\n'
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return parse_text(text + layers, NetParameter())


def _distinct(array: Array) -> Array:
    """Numbers of which no two are the same, in their place where they are no labels or places."""
    if array.size < 2 or (array == np.round(array)).all():
        return array
    places = np.random.default_rng(array.size).permutation(array.size).reshape(array.shape)
    return (places / array.size * np.float32(2) - 1 + (1.25 if array.min() > 0 else 0)).astype(np.float32)
