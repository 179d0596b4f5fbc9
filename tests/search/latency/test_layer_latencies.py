"""Latencies by layer and block: sums along a network are exactly what the table predicts of it."""

import random
import zlib

import numpy as np
import pytest

from prototxt_gen.errors import UnsupportedError
from search.latency import Entry, LatencyTable, space_parts
from search.latency.correcting import Correction
from search.latency.curves import Curve
from search.latency.layer_latencies import layer_latencies
from search.latency.levelling import Level
from search.latency.predicting import placed_parts
from search.spaces import TieredSpace, TieredStage
from search.spaces.tiered import Pick

# Layers behind a convolution or behind a sum, a stage that may be left out, convolutions with a choice and without.
SPACE = TieredSpace(
    (
        TieredStage(8, (1, 1), 1, ("convolution",), (3,)),
        TieredStage(12, (1, 2), 2, ("convolution",)),
        TieredStage(12, (0, 2), 1, ("inverted",)),
        TieredStage(16, (1, 3), 2, ("inverted", "fused"), (3, 5)),
        TieredStage(24, (1, 2), 2),
    ),
    (4,),
    5,
    (1, 3, 32, 32),
    head=40,
    granularity=8,
    expansion=4,
)
CORRECTION = Correction(0.9, 0.017, 0.003, 0.11, (), 0.05, 0.01, "")
VARIANTS = {
    "parts": {},
    "call": {"call_ms": 0.123457},
    "level": {"call_ms": 0.1, "level": Level(1.0371, -0.2913, 0.01)},
    "correction": {"call_ms": 0.1, "level": Level(1.04, -0.3, 0.01), "correction": CORRECTION},
    "curve": {"correction": CORRECTION, "curve": Curve((1.0, 7.0, 40.0), (1.1, 6.0, 41.0))},
}


def made_up_table(space=SPACE, **kept):
    """Each part has a time of its own, and some blocks another one behind a sum."""
    entries = {}
    for part in placed_parts(space).values():
        for key in (part.key, part.joined_key):
            ms = 0.2 + zlib.crc32(key.encode()) / 2**32
            if key == part.key or ("Eltwise" in key and ms > 0.5):
                entries[key] = Entry(ms, (ms, ms), 1, part.label)
    return LatencyTable({"engine": "made up"}, entries, **kept)


def random_picks(space, rng):
    """Any layer that may be left out is, not only the last ones of its stage."""
    return [
        None
        if layer.optional and rng.random() < 0.5
        else Pick(rng.randrange(len(layer.candidates)), rng.choice(layer.widths or (0,)))
        for layer in space.layers
    ]


def one_hot_sum(latencies, picks):
    """As a supernet sums them: every block weighed by 0 or 1, and what made the map followed as a probability."""
    total, summed = float(latencies.base), 0.0
    for layer, pick in zip(latencies.layers, picks, strict=True):
        there = float(pick is not None)
        for after, share in (("Convolution", 1 - summed), ("Eltwise", summed)):
            for candidate, times in enumerate(layer.blocks.get(after, ())):
                weights = np.zeros(len(times))
                if pick is not None and pick.candidate == candidate:
                    weights[layer.widths.index(pick.inner)] = 1
                total += share * there * float(weights @ times)
        summed = there * (layer.maker == "Eltwise") + (1 - there) * summed
    heads = latencies.heads
    total += (1 - summed) * heads.get("Convolution", 0) + summed * heads.get("Eltwise", 0)
    return float(latencies.milliseconds(total))


@pytest.mark.parametrize("kept", VARIANTS.values(), ids=list(VARIANTS))
def test_one_hot_sums_are_what_the_table_predicts(kept):
    table, rng = made_up_table(**kept), random.Random(0)
    latencies = layer_latencies(SPACE, table)
    for _ in range(60):
        picks = random_picks(SPACE, rng)
        expected = table.predict(SPACE.of_picks(picks), SPACE.input_shape)
        assert latencies.predict(picks) == one_hot_sum(latencies, picks) == expected


def test_every_layer_has_its_candidates_widths_and_the_makers_there_may_be():
    latencies = layer_latencies(SPACE, made_up_table())
    both = ["Convolution", "Eltwise"]
    found = [(layer.maker, list(layer.blocks)) for layer in latencies.layers]
    assert found == [
        ("Convolution", ["Convolution"]),
        ("Convolution", ["Convolution"]),
        ("Convolution", ["Convolution"]),
        ("Eltwise", ["Convolution"]),
        ("Eltwise", both),
        ("Convolution", both),
        ("Eltwise", ["Convolution"]),
        ("Eltwise", both),
        ("Convolution", both),
        ("Eltwise", ["Convolution"]),
    ]
    assert list(latencies.heads) == both
    for layer, of_space in zip(latencies.layers, SPACE.layers, strict=True):
        assert layer.widths == (of_space.widths or (0,))
        for times in layer.blocks.values():
            assert [row.shape for row in times] == [(len(layer.widths),)] * len(of_space.candidates)


@pytest.mark.parametrize(("least", "most"), [(3.0, 5.0), (6.0, 6.0), (0.5, 0.6), (50.0, 60.0)])
@pytest.mark.parametrize("curve", [None, VARIANTS["curve"]["curve"]], ids=["plain", "curve"])
def test_an_interval_of_milliseconds_is_one_of_nanoseconds(least, most, curve):
    latencies = layer_latencies(SPACE, made_up_table(curve=curve))
    first, last = latencies.interval(least, most)
    before, low, high, behind = latencies.milliseconds([first - 1, first, last, last + 1])
    assert before < least <= low <= high <= most < behind


def test_parts_that_the_table_lacks_are_named():
    table = made_up_table()
    lost = [part for part in space_parts(SPACE).values() if part.label.startswith("inverted 24-8")]
    for part in lost:
        del table.entries[part.key]
    with pytest.raises(UnsupportedError, match="not in the latency table: ") as raised:
        layer_latencies(SPACE, table)
    labels = sorted(part.label for part in lost)
    assert len(labels) == 6 and str(raised.value).endswith(": " + ", ".join(labels))
