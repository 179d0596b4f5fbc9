"""The conformance cases of real Caffe, as networks that a tool is tried with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from converters.weights import Weights, load_weights
from prototxt_gen import NetParameter, read_prototxt, select_phase
from tests.filling import Array
from tools.reference_facts import REFERENCE

CASES = sorted(path.stem for path in (REFERENCE / "conformance").glob("*.npz"))


@dataclass(frozen=True)
class Case:
    """A network of the TEST phase, its weights, and what real Caffe gave for its inputs."""

    net: NetParameter
    weights: Weights
    inputs: dict[str, Array]
    outputs: dict[str, Array]


def case(name: str) -> Case:
    """A case by its name."""
    path = REFERENCE / "conformance" / name
    net = select_phase(read_prototxt(path.with_suffix(".prototxt")), "TEST")
    weights = path.with_suffix(".caffemodel")
    arrays = dict(np.load(path.with_suffix(".npz")))
    inputs, outputs = (
        {key.removeprefix(kind): value for key, value in arrays.items() if key.startswith(kind)}
        for kind in ("in__", "out__")
    )
    return Case(net, load_weights(weights, net) if weights.exists() else {}, inputs, outputs)
