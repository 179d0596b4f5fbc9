"""Timing parts where they stand: networks run part by part, each part on what the one before has made.

A block that runs again and again finds its weights in the cache; in a network it does not. So whole networks run, one
part after the other, by a session for each distinct part, and each part is timed by itself: its weights are as cold,
its inputs as warm and laid out as in the network. Every network walked runs several times in a row, as a network that
is used does, and the first time does not count: it finds the caches full of another network.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter_ns
from typing import Any

from converters.engines import Engine, Session
from prototxt_gen.errors import CaffeError
from prototxt_gen.generator.parts import Part
from prototxt_gen.proto import NetParameter
from search.latency.measuring import MS_PER_ROUND, SAMPLES_PER_ROUND, checked_time, load_batch

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

    def walk(self, network: Sequence[Part]) -> tuple[dict[str, list[float]], list[float]]:
        """Runs a network in a row, as `measure` does, the first time uncounted: the milliseconds of its parts, by key.

        Then those of calls that do next to nothing, in a row, too: a part whose call finds itself out of the caches
        would find its layers out of them in a network.
        """
        freed = [self._last_use(network, index) for index in range(len(network))]
        timed: dict[str, list[float]] = {}
        self._run(network, freed, {})
        runs, used = 0, 0.0
        while runs < SAMPLES_PER_ROUND and used < MS_PER_ROUND:
            ms = self._run(network, freed, timed)
            # Where nothing of a network can run, once is enough.
            runs, used = runs + 1, used + (ms or MS_PER_ROUND)
        self._least.step(self._least_input)
        return timed, [checked_time(self._least.step(self._least_input)[1]) for _ in range(runs)]

    def _run(self, network: Sequence[Part], freed: Sequence[list[str]], timed: dict[str, list[float]]) -> float:
        """One run of a network: adds the times of the parts that ran to `timed`, and returns their sum."""
        blobs: dict[str, Any] = {}
        total = 0.0
        for part, names in zip(network, freed, strict=True):
            ms = self._step(part, blobs)
            if ms is not None:
                # A network frees its blobs as soon as nothing takes them any more, and that takes time as well.
                begun = perf_counter_ns()
                for name in names:
                    blobs.pop(name, None)
                ms += (perf_counter_ns() - begun) / 1e6
                timed.setdefault(part.key, []).append(ms)
                total += ms
        return total

    @staticmethod
    def _last_use(network: Sequence[Part], index: int) -> list[str]:
        """The blobs that nothing takes any more behind this part."""
        part, later = network[index], {name for one in network[index + 1 :] for name in one.bottoms.values()}
        return [name for name in (*part.bottoms.values(), *part.tops.values()) if name not in later]

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


def _least_network() -> NetParameter:
    net = NetParameter(name="least")
    data = net.layer.add(name="data", type="Input", top=["data"])
    data.input_param.shape.add(dim=_LEAST_SHAPE)
    net.layer.add(name="relu", type="ReLU", bottom=["data"], top=["relu"])
    return net
