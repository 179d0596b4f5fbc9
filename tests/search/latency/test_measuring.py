"""Measuring in rounds: fair to all networks, and read off what runs."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from converters.engines import make_engine
from prototxt_gen import generate, parts
from search.latency import LatencyTable, measure
from search.spaces import BackboneSpace


def test_drift_of_the_machine_falls_on_all_networks_alike():
    # A clock on which everything becomes four times slower after a third of the work.
    calls = itertools.count()
    session = SimpleNamespace(time=lambda: 1.0 if next(calls) < 440 else 4.0)
    engine = SimpleNamespace(target={}, load=lambda net: session)
    entries = measure(engine, [generate("s4-8_b8_c10", input_shape=(1, 3, 32, 32))] * 10)
    assert {entry.ms for entry in entries} == {4.0}
    assert {entry.quartiles for entry in entries} == {(1.0, 4.0)}


def test_clipped_blocks_are_measured_with_their_clips():
    loaded = []

    def load(net):
        loaded.append([layer.type for layer in net.layer])
        return SimpleNamespace(time=lambda: 1.0)

    measure(SimpleNamespace(target={}, load=load), [part.net for part in parts("m8_i8e3_c10", (1, 3, 32, 32))])
    assert loaded == [
        ["Input", "Convolution", "Clip"],
        ["Input", "Convolution", "Clip", "Convolution", "Clip", "Convolution"],
        ["Input", "Pooling", "InnerProduct"],
    ]


def test_torch_measures_a_small_space(tmp_path):
    pytest.importorskip("torch")
    space = BackboneSpace(((1, 1),), (8, 64), stem=(4, 8), classes=10, input_shape=(1, 3, 64, 64))
    engine = make_engine("torch", 1)
    assert engine.target["engine"] == "torch" and engine.target["device"] and engine.target["threads"] == 1
    table = LatencyTable.measure(space, engine, tmp_path / "latency.json")
    assert all(
        entry.ms > 0 and entry.quartiles[0] <= entry.ms <= entry.quartiles[1] for entry in table.entries.values()
    )
    times = {entry.label: entry.ms for entry in table.entries.values()}
    assert times["basic 8-64-64 s2 16x16"] > times["basic 8-8-8 s2 16x16"]
    (whole,) = measure(engine, [generate(space.at(1), input_shape=space.input_shape, merged=True)])
    predicted = table.predict(space.at(1), space.input_shape)
    assert np.isclose(predicted, whole.ms, rtol=1.0)
