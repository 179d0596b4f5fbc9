"""Inputs that an int8 engine runs before all others, to learn how large a network's numbers become."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from converters.weights.blobs import Array
from prototxt_gen.errors import CaffeError, NetworkError
from prototxt_gen.layers import Shape

#: So many digits of the digest are in a target.
_DIGITS = 16


@dataclass(frozen=True)
class Calibration:
    """Inputs by name, one set an image, and the SHA-256 of their numbers. `Calibration.of` makes it.

    They are read from the sequence anew each time, so that one that makes its items when it is asked for them holds
    one in memory.
    """

    inputs: Sequence[Mapping[str, ArrayLike]]
    digest: str

    @classmethod
    def of(cls, inputs: Sequence[Mapping[str, ArrayLike]] | Calibration) -> Calibration:
        """Reads all of them once. CaffeError names the first that is not arrays of finite numbers by name, or none."""
        if isinstance(inputs, cls):
            return inputs
        if isinstance(inputs, (Mapping, str, bytes)) or not isinstance(inputs, Sequence):
            raise CaffeError(
                f"calibration: found {type(inputs).__name__}, expected a sequence of inputs: arrays by the input's name"
            )
        if not len(inputs):
            raise CaffeError("calibration: found no inputs, expected some: the ranges of int8 come from them")
        digest = hashlib.sha256()
        for number, given in enumerate(inputs):
            for name, array in sorted(_arrays(given, number).items()):
                digest.update(f"{name} {array.shape}\n".encode())
                digest.update(array.tobytes())
        return cls(inputs, digest.hexdigest())

    def __len__(self) -> int:
        return len(self.inputs)

    def for_network(self, shapes: Mapping[str, Shape]) -> Iterator[dict[str, Array]]:
        """The inputs that a network takes, by name, float32, one set after another.

        NetworkError for a set without one of them, or with one of another shape; the first axis, the images at a time,
        is free.
        """
        for number, given in enumerate(self.inputs):
            arrays = _arrays(given, number)
            for name, shape in shapes.items():
                found = arrays[name].shape if name in arrays else None
                if found is None or (len(found), found[1:]) != (len(shape), tuple(shape[1:])):
                    raise NetworkError(
                        f"calibration[{number}]: {name}: found {'none' if found is None else found}, "
                        f"expected {tuple(shape)}"
                    )
            yield {name: arrays[name] for name in shapes}

    def target(self, method: str) -> dict[str, Any]:
        """What a target says of it: how many inputs, a digest of their numbers, and how ranges come from them."""
        return {"images": len(self), "sha256": self.digest[:_DIGITS], "method": method}


def _arrays(given: Mapping[str, ArrayLike], number: int) -> dict[str, Array]:
    """One set of inputs, float32. CaffeError for anything else, or numbers that are not finite."""
    if not isinstance(given, Mapping) or not given:
        raise CaffeError(f"calibration[{number}]: found {type(given).__name__}, expected arrays by the input's name")
    arrays = {}
    for name, values in given.items():
        try:
            array = np.ascontiguousarray(values, np.float32)
        except (TypeError, ValueError) as fault:
            raise CaffeError(f"calibration[{number}]: {name}: not numbers: {fault}") from fault
        if not np.isfinite(array).all():
            raise CaffeError(f"calibration[{number}]: {name}: found numbers that are not finite")
        arrays[name] = array
    return arrays
