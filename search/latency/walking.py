"""Timing parts where they stand: networks run part by part, each part on what the one before has made.

A block that runs again and again finds its weights in the cache; in a network it does not. So whole networks run, one
part after the other, by a session for each distinct part, and each part is timed by itself: its weights are as cold,
its inputs as warm and laid out as in the network. Every network walked runs several times in a row, as a network that
is used does, and the first time does not count: it finds the caches full of another network.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from time import perf_counter_ns
from typing import Any

from converters.engines import Engine, Session
from prototxt_gen.errors import CaffeError
from prototxt_gen.generator.parts import Part
from prototxt_gen.proto import NetParameter
from search.latency.measuring import checked_time, load_batch

#: How often a network runs in a row; the first run does not count.
RUNS = 3

# As little as a network can do: what it takes is what any call takes.
_LEAST_SHAPE = (1, 1, 1, 1)


class Walker:
    """Sessions of parts on one engine, and the runs of networks made of them.

    `failed` holds the reasons why parts could not be run, by key: nothing is timed of them any more.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._sessions: dict[str, Session] = {}
        self._inputs: dict[str, dict[str, Any]] = {}
        self._least = load_batch(engine, _least_network())
        self._least_input = self._least.native(self._least.own_inputs()) if engine.in_process else {}
        self.failed: dict[str, str] = {}

    def walk(self, network: Sequence[Part], timed: Callable[[str, float], object]) -> list[float]:
        """Runs a network RUNS times; `timed` gets the key and the milliseconds of each part that ran.

        Returns the milliseconds of calls that do next to nothing, in a row, too: a part whose call finds itself out of
        the caches would find its layers out of them in a network.
        """
        for run in range(RUNS):
            blobs: dict[str, Any] = {}
            for index, part in enumerate(network):
                ms = self._step(part, blobs)
                needed = {bottom for later in network[index + 1 :] for bottom in later.bottoms.values()}
                ms_of_freeing = _drop(blobs, blobs.keys() - needed)
                if ms is not None and run > 0:
                    timed(part.key, ms + ms_of_freeing)
        return [checked_time(self._least.step(self._least_input)[1]) for _ in range(RUNS)][1:]

    def samples(self, part: Part | None, count: int) -> list[float]:
        """Milliseconds of a part alone, or of next to nothing, by an engine that runs it in a program of its own."""
        if part is None:
            return [checked_time(ms) for ms in self._least.samples(count)]
        session = self._session(part)
        if session is None:
            return []
        try:
            return [checked_time(ms) for ms in session.samples(count)]
        except Exception as fault:
            self._fail(part, fault)
            return []

    def load(self, part: Part) -> bool:
        """Whether a part is ready to run."""
        return self._session(part) is not None

    def _step(self, part: Part, blobs: dict[str, Any]) -> float | None:
        session = self._session(part)
        if session is None:
            return None
        values = {own: blobs[name] for own, name in part.bottoms.items() if name in blobs}
        try:
            if len(values) < len(part.bottoms):  # the image, and what a part that failed has not made
                if part.key not in self._inputs:
                    self._inputs[part.key] = session.native(session.own_inputs())
                values = self._inputs[part.key] | values
            made, ms = session.step(values)
            blobs.update({name: made[own] for own, name in part.tops.items()})
            return checked_time(ms)
        except Exception as fault:
            self._fail(part, fault)
            return None

    def _session(self, part: Part) -> Session | None:
        if part.key in self.failed:
            return None
        if part.key not in self._sessions:
            try:
                self._sessions[part.key] = load_batch(self._engine, part.net, tuple(part.tops))
            except Exception as fault:
                self._fail(part, fault)
                return None
        return self._sessions[part.key]

    def _fail(self, part: Part, fault: Exception) -> None:
        # Whatever an engine stumbles over, out of memory too: the other parts can still be timed.
        words = " ".join(str(fault).split())[:300]
        self.failed[part.key] = words if isinstance(fault, CaffeError) else f"{type(fault).__name__}: {words}"
        self._sessions.pop(part.key, None)
        self._inputs.pop(part.key, None)


def _drop(blobs: dict[str, Any], names: Collection[str]) -> float:
    """Frees blobs as a network does as soon as nothing takes them any more; the milliseconds that this takes."""
    begun = perf_counter_ns()
    for name in names:
        del blobs[name]
    return (perf_counter_ns() - begun) / 1e6


def _least_network() -> NetParameter:
    net = NetParameter(name="least")
    data = net.layer.add(name="data", type="Input", top=["data"])
    data.input_param.shape.add(dim=_LEAST_SHAPE)
    net.layer.add(name="relu", type="ReLU", bottom=["data"], top=["relu"])
    return net
