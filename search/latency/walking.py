"""Timing parts where they stand: networks run part by part, each part on what the one before has made.

A block that runs again and again finds its weights in the cache; in a network it does not. So whole networks run, one
part after the other, by a session for each part, and each part is timed by itself: its weights are as cold, its inputs
as warm and laid out as in the network. Every network walked runs several times in a row, as a network that is used
does, and the first time does not count: it finds the caches full of another network.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from time import perf_counter_ns
from typing import Any, NamedTuple

from converters.engines import Engine, Session
from prototxt_gen.errors import CaffeError
from prototxt_gen.generator.parts import Part
from prototxt_gen.proto import NetParameter
from search.latency.measuring import MS_PER_ROUND, SAMPLES_PER_ROUND, checked_time, load_batch

# As little as a network can do: what it takes is what any call takes.
_LEAST_SHAPE = (1, 1, 1, 1)


class _Step(NamedTuple):
    """A part, how many times the network has had it before, and the blobs that nothing takes any more behind it."""

    part: Part
    time: int
    freed: list[str]


class Walker:
    """Sessions of parts on one engine, and the runs of networks made of them.

    `failed` holds the reasons why parts could not be run, by key: nothing is timed of them any more.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        #: Of each part as many sessions as networks have it times: there, each time has weights of its own.
        self._sessions: dict[str, list[Session]] = {}
        self._inputs: dict[str, dict[str, Any]] = {}
        self._least = load_batch(engine, _least_network())
        self._least_input = self._least.native(self._least.own_inputs()) if engine.in_process else {}
        self.failed: dict[str, str] = {}

    def walk(self, network: Sequence[Part]) -> tuple[dict[str, list[float]], list[float]]:
        """Runs a network in a row, as `measure` does, the first time uncounted: the milliseconds of its parts, by key.

        Then those of calls that do next to nothing, in a row, too: a part whose call finds itself out of the caches
        would find its layers out of them in a network.
        """
        plan = self._plan(network)
        timed: dict[str, list[float]] = {}
        self._run(plan, {})
        runs, used = 0, 0.0
        while runs < SAMPLES_PER_ROUND and used < MS_PER_ROUND:
            ms = self._run(plan, timed)
            # Where nothing of a network can run, once is enough.
            runs, used = runs + 1, used + (ms or MS_PER_ROUND)
        self._least.step(self._least_input)
        return timed, [checked_time(self._least.step(self._least_input)[1]) for _ in range(runs)]

    def _run(self, plan: Sequence[_Step], timed: dict[str, list[float]]) -> float:
        """One run of a network: adds the times of the parts that ran to `timed`, and returns their sum."""
        blobs: dict[str, Any] = {}
        total = 0.0
        for part, time, freed in plan:
            ms = self._step(part, time, blobs)
            if ms is not None:
                # A network frees its blobs as soon as nothing takes them any more, and that takes time as well.
                begun = perf_counter_ns()
                for name in freed:
                    blobs.pop(name, None)
                ms += (perf_counter_ns() - begun) / 1e6
                timed.setdefault(part.key, []).append(ms)
                total += ms
        return total

    def _plan(self, network: Sequence[Part]) -> list[_Step]:
        """The steps of a network, whose sessions are all loaded."""
        plan, times = [], Counter[str]()
        for index, part in enumerate(network):
            later = {name for one in network[index + 1 :] for name in one.bottoms.values()}
            freed = [name for name in (*part.bottoms.values(), *part.tops.values()) if name not in later]
            plan.append(_Step(part, times[part.key], freed))
            self._session(*plan[-1][:2])
            times[part.key] += 1
        return plan

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

    def _step(self, part: Part, time: int, blobs: dict[str, Any]) -> float | None:
        session = self._session(part, time)
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

    def _session(self, part: Part, time: int = 0) -> Session | None:
        """The session of a part where a network has it for the first time, the second (1), and so on."""
        if part.key in self.failed:
            return None
        sessions = self._sessions.setdefault(part.key, [])
        try:
            while len(sessions) <= time:
                sessions.append(load_batch(self._engine, part.net, tuple(part.tops)))
        except Exception as fault:
            self._fail(part, fault)
            return None
        return sessions[time]

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
