"""Energies in a latency table: what parts and whole networks tell, limits by them, and what is refused."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from prototxt_gen import parts
from prototxt_gen.errors import FormatError, UnsupportedError
from search import LatencyTable
from search.costs import checked_limits, cost_bound, cost_graph, ends
from search.latency import Entry, space_parts
from search.spaces import BackboneSpace
from search.strategies.space_candidates import SpaceCandidates
from tests.search.latency.fitting.made_up import SPACE, device_ms, drawn

SMALL = BackboneSpace(((1, 2), (1, 2)), (8, 16, 32), stem=(4, 8), classes=10, input_shape=(1, 3, 32, 32))
CALL_MJ = 0.25


def small_table() -> LatencyTable:
    """Parts of the small space: times that fall where energies rise, so that nothing passes by mistaking them."""
    found = space_parts(SMALL)
    entries = {key: Entry(1 / (2 + place), (0, 1), 1, part.label) for place, (key, part) in enumerate(found.items())}
    table = LatencyTable({"device": "board"}, entries)
    table.state_energy({key: CALL_MJ + (place + 1) ** 1.5 for place, key in enumerate(found)}, CALL_MJ)
    return table


def summed(table: LatencyTable, architecture) -> float:
    """By the definition: the call once, and each part without it."""
    return CALL_MJ + sum(table.energy.parts[part.key] - CALL_MJ for part in parts(architecture, SMALL.input_shape))


def test_energies_of_parts_sum_and_the_call_counts_once():
    table = small_table()
    vectors = np.concatenate(list(SMALL.vectors()))
    told = table.energy.millijoules(cost_graph(SMALL, "energy", table).costs(vectors))
    for vector, mj in zip(vectors, told, strict=True):
        architecture = SMALL.decode(vector)
        assert mj == table.predict_energy(architecture, SMALL.input_shape)
        assert mj == pytest.approx(summed(table, architecture), abs=1e-4)


def test_a_limit_keeps_exactly_the_networks_that_meet_it():
    table = small_table()
    vectors = np.concatenate(list(SMALL.vectors()))
    mj = np.array([table.predict_energy(SMALL.decode(vector), SMALL.input_shape) for vector in vectors])
    (least, cheapest), (most, dearest) = ends(SMALL, "energy", table)
    assert (least, most) == (mj.min(), mj.max())
    assert (table.predict_energy(cheapest, SMALL.input_shape), table.predict_energy(dearest, SMALL.input_shape)) == (
        mj.min(),
        mj.max(),
    )
    # Both ends belong to a range, and they are networks' own energies here.
    low, high = np.sort(mj)[[len(mj) // 4, len(mj) // 2]].tolist()
    for limit in ((0.0, high), (low, high), (low, math.inf)):
        inside = cost_bound(SMALL, "energy", limit, table).holds(vectors)
        assert np.array_equal(inside, (mj >= limit[0]) & (mj <= limit[1]))
        candidates = SpaceCandidates(SMALL, table, limits={"energy": limit})
        assert candidates.count() == inside.sum()
        (verdict,) = candidates.verdicts()
        assert f"{inside.sum()} of {len(mj)} architectures; the space has {least:.6g} to {most:.6g} mJ" in verdict


def test_energies_of_whole_networks_are_told_by_regression():
    """Made-up energies are made-up times in another unit: only what is asked differs."""
    networks = drawn(41)
    table = LatencyTable({"device": "NPU"}, {key: Entry(1.0, (1, 1), 1, "x") for key in space_parts(SPACE)})
    energy = table.fit_energy(networks[:40], [device_ms(one) for one in networks[:40]], space=SPACE)
    assert energy.origin["cross_validation"]["mean_error"] < 0.05
    assert table.predict_energy(networks[40], SPACE.input_shape) == pytest.approx(device_ms(networks[40]), rel=0.05)
    vector = SPACE.encode(networks[40])
    sums = cost_graph(SPACE, "energy", table).costs(vector[None])
    assert energy.millijoules(sums)[0] == table.predict_energy(networks[40], SPACE.input_shape)
    # A limit at a network's own prediction holds for it, whatever a curve makes of the sums.
    own = table.predict_energy(networks[40], SPACE.input_shape)
    assert cost_bound(SPACE, "energy", (0, own), table).holds(vector[None])[0]
    assert not cost_bound(SPACE, "energy", (0, own * (1 - 1e-9)), table).holds(vector[None])[0]
    # The times are what they were.
    assert {entry.ms for entry in table.entries.values()} == {1.0}
    with pytest.raises(UnsupportedError, match=r"found inputs of \(1, 3, 64, 64\); the energies in the latency table"):
        table.predict_energy(networks[0], (1, 3, 64, 64))
    again = LatencyTable.parse(table.text(), "again")
    assert again.predict_energy(networks[40], SPACE.input_shape) == own


def test_networks_that_fit_no_others_are_remarked():
    networks = drawn(20)
    mj = [device_ms(one) * (3 if place == 7 else 1) for place, one in enumerate(networks)]
    table = LatencyTable({"device": "NPU"})
    table.fit_energy(networks, mj, input_shape=SPACE.input_shape)
    (remark,) = table.remarks()
    assert remark.startswith(f"energy: does not fit the others: {networks[7]}: {mj[7]:g} mJ, by the others ")


def test_a_file_keeps_energies_and_older_files_have_none(tmp_path):
    table = small_table()
    table.save(tmp_path / "table.json")
    again = LatencyTable.load(tmp_path / "table.json")
    assert again.energy == table.energy and again.plain().energy == table.energy
    document = json.loads(table.text())
    del document["energy"]
    assert LatencyTable.parse(json.dumps(document), "older").energy is None


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("parts", {"a": -1}, "energy.parts.a: found -1, expected mJ from 0"),
        ("parts", [], "energy.parts: found"),
        ("call_mj", "much", "energy.call_mj: found much"),
        ("curve", {"sums": [1, 0], "times": [1, 2]}, "energy.curve: found"),
        ("estimates", {}, "energy.estimates: found"),
        ("origin", {"method": "fitted"}, "energy.origin.cross_validation"),
        ("origin", None, "energy.origin: found None"),
    ],
)
def test_broken_energies_are_named(field, value, named):
    document = json.loads(small_table().text())
    document["energy"][field] = value
    with pytest.raises(FormatError, match=f"broken.json: {named}"):
        LatencyTable.parse(json.dumps(document), "broken.json")


def test_tables_without_energies_refuse_such_a_limit_by_name():
    table = small_table()
    key, lacking = next(iter(space_parts(SMALL).items()))
    told = {**table.energy.parts}
    del told[key]
    table.state_energy(told)
    with pytest.raises(UnsupportedError, match=f"space .*: the latency table has no energy of {lacking.label}"):
        checked_limits({"energy": 100.0}, SMALL, table)
    table.energy = None
    for without in (table, None):
        with pytest.raises(UnsupportedError, match=r"energy: the latency table has none: `dongfeng profile energy`"):
            checked_limits({"energy": 100.0}, SMALL, without)
    with pytest.raises(UnsupportedError, match="energy: the latency table has none"):
        table.predict_energy(SMALL.at(0), SMALL.input_shape)
    assert checked_limits({"memory": 10**9}, SMALL, table) == {"memory": (0, 10**9)}


def test_numbers_that_are_no_energies_of_the_tables_parts():
    table = small_table()
    with pytest.raises(FormatError, match="found 1234, expected keys of parts in the table"):
        table.state_energy({"1234": 1.0})
    key = next(iter(table.entries))
    with pytest.raises(FormatError, match=f"energy of {key}: found nan, expected mJ from 0"):
        table.state_energy({key: math.nan})
