"""Engines of which a test knows what everything takes, so that what is measured can be checked exactly."""

import numpy as np

from converters.engines import Engine, Session
from prototxt_gen.proto import NetParameter
from prototxt_gen.trace import trace


def kind(net):
    """What a network is, for tests to tell parts apart: how many layers, and the size of what comes out."""
    return len(net.layer), tuple(trace(net)[-1].top_shapes[0])


class FakeEngine(Engine):
    """`ms(net)` gives the time of each run; `runs` keeps the sessions that ran and the values they were given."""

    name = title = "fake"

    def __init__(self, ms=lambda net: 1.0, target=None, in_process=True):
        self.ms = ms
        self.target = {"engine": "fake", **(target or {})}
        self.in_process = in_process
        self.loaded, self.runs = [], []

    def _load(self, net, weights, outputs, shapes):
        self.loaded.append(net)
        return FakeSession(self, net, outputs, shapes)


class FakeSession(Session):
    def __init__(self, engine, net, outputs, shapes):
        rows = trace(net, input_shapes=shapes)
        inputs = {row.name: row.top_shapes[0] for row in rows if row.type == "Input"}
        super().__init__(inputs, outputs or [rows[-1].tops[-1]])
        self.engine, self.net = engine, net

    def run(self, inputs):
        raise AssertionError("nothing is measured by whole outputs")

    def native(self, inputs):
        return {name: f"own {name}" for name in self._given(inputs)}

    def step(self, values):
        self._given(values)
        self.engine.runs.append((self, dict(values)))
        return {name: (self.net.name, name) for name in self.outputs}, self.engine.ms(self.net)

    def samples(self, count):
        return [self.engine.ms(self.net)] * count


def work(net: NetParameter) -> float:
    """Milliseconds that tell parts apart: a millionth of a multiply-add."""
    return 0.001 + sum(float(np.prod(row.top_shapes[0])) for row in trace(net) if row.type != "Input") / 1e4
