"""How many numbers reading may make: a small file must not ask for much memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from converters.onnx.values import Constant
from prototxt_gen.errors import UnsupportedError

_SPARE = 2**24
_TIMES = 8


@dataclass
class Budget:
    """How many numbers may still be made, in constants that are computed and in layers' weights."""

    numbers: int = 2**31

    @classmethod
    def of(cls, constants: Mapping[str, Constant]) -> Budget:
        """For a file with these constants eight times as many numbers, and 2^24."""
        return cls(_SPARE + _TIMES * sum(array.size for array in constants.values()))

    def check(self, wanted: int) -> None:
        """Before an array of `wanted` numbers is made: UnsupportedError where that is more than are left."""
        if wanted > self.numbers:
            raise UnsupportedError(f"takes {wanted:,} numbers, which is more than a file of this size may make")

    def take(self, wanted: int) -> None:
        """Notes that so many numbers are made; UnsupportedError as in `check`."""
        self.check(wanted)
        self.numbers -= wanted
