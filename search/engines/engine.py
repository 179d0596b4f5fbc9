"""What every engine is, and the table they are entered in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from prototxt_gen.proto import NetParameter
from prototxt_gen.registry import Registry


class Engine(NamedTuple):
    """A way to run networks on a target.

    `target`: what the times depend on, as plain JSON values: engine, device, versions, threads.
    `prepare`: takes a network and gives a function that runs it once, at batch 1 on an input of the engine's making,
    and returns the milliseconds that took.
    """

    target: dict[str, Any]
    prepare: Callable[[NetParameter], Callable[[], float]]


# The number of threads, 0 for the engine's own choice -> the engine.
ENGINES: Registry[Callable[[int], Engine]] = Registry("engine")
