"""Measuring until it is well enough known: rounds, budget, drift, what is lost when it is killed."""

import itertools
import random

import pytest

from prototxt_gen import parts
from prototxt_gen.errors import FormatError, UnsupportedError
from search.latency import LatencyTable, space_parts, surveying
from search.latency.correcting import Correction
from search.latency.levelling import NOISE_LIMIT
from search.latency.surveying import LEAST_ROUNDS
from search.spaces import BackboneSpace
from tests.search.latency.fake_engines import FakeEngine, work

SPACE = BackboneSpace(((1, 1), (1, 2)), (8, 16), stem=(4, 8), classes=10, input_shape=(1, 3, 32, 32))


def ticking(monkeypatch):
    """A clock that goes on by a second whenever it is read; nothing is saved in between."""
    clock = itertools.count()
    monkeypatch.setattr(surveying, "perf_counter", lambda: float(next(clock)))
    monkeypatch.setattr(surveying, "SECONDS_PER_SAVE", float("inf"))
    return clock


def test_every_part_is_measured_and_named():
    # Freeing what a part has taken is timed for real, and a busy machine may need more rounds for a small spread.
    table = LatencyTable.measure(SPACE, FakeEngine(work), spread=1.0)
    listed = space_parts(SPACE)
    assert {key: entry.label for key, entry in table.entries.items()} == {
        key: part.label for key, part in listed.items()
    }
    for key, entry in table.entries.items():
        assert entry.ms == pytest.approx(work(listed[key].net), abs=0.05)
        assert len(entry.rounds) == LEAST_ROUNDS and entry.samples >= 2 * LEAST_ROUNDS
    assert table.origin["method"] == "measured" and table.origin["rounds"] == LEAST_ROUNDS
    assert table.origin["input_shapes"] == [[1, 3, 32, 32]] and table.origin["finished"]


def test_a_network_pays_for_its_call_once():
    # A call costs 1 ms, whatever runs, and each part 10 ms beside.
    table = LatencyTable.measure(SPACE, FakeEngine(lambda net: 1.0 if net.name == "least" else 11.0))
    network = SPACE.at(0)
    assert table.call_ms == 1.0
    assert table.predict(network, SPACE.input_shape) == pytest.approx(
        1 + 10 * len(parts(network, SPACE.input_shape)), abs=0.2
    )


def test_parts_are_weighed_by_how_much_they_count_in_their_networks(monkeypatch):
    """A head that takes 1 ms in a network of 21 ms, and 3 ms in one of 33: the former counts for more."""
    space = BackboneSpace(((1, 2),), (8,), stem=(4,), classes=10, input_shape=(1, 3, 32, 32))
    head = parts("s4_b8_c10", space.input_shape)[-1].net
    # Two times far apart have a wide spread for ever: the budget ends it.
    ticking(monkeypatch)
    ran = []

    def ms(net):
        ran.append(net)
        if net != head:
            return 10.0
        return 3.0 if ran[-3].layer[-1].name == ran[-2].layer[-1].name else 1.0

    table = LatencyTable.measure(space, FakeEngine(ms), budget=1000)
    (entry,) = [entry for entry in table.entries.values() if entry.label.startswith("head")]
    # About as many walks are fast as slow ones: without weights this would be 2 at least.
    assert max(entry.rounds) == pytest.approx(3, abs=0.1) and entry.ms < 1.95
    assert len(entry.weights) == len(entry.rounds) and min(entry.weights) == pytest.approx(1 / 33, rel=0.02)


def test_small_networks_are_predicted_as_well_as_large_ones(monkeypatch, tmp_path):
    """The caches keep 2 ms of every network from one run to the next, of all its parts in proportion."""
    saved, ran, known = 2.0, [[], []], {}
    space = BackboneSpace(((1, 2), (1, 3)), (8, 16), stem=(4, 8), classes=10, input_shape=(1, 3, 32, 32))

    def full(net):
        if id(net) not in known:
            known[id(net)] = net, 1.0 + 2 * work(net)
        return known[id(net)][1]

    def ms(net):
        if net.name == "least":
            return 1e-6
        if net.layer[0].input_param.shape[0].dim[1] == 3:  # the stem
            ran[:] = [ran[1], []]
        ran[1].append(net)
        # The run before was of the same network, but for the first one, which does not count.
        return full(net) * (1 - saved / max(sum(map(full, ran[0])), 2 * saved))

    ticking(monkeypatch)
    path = tmp_path / "latency.json"
    table = LatencyTable.measure(space, FakeEngine(ms), path, budget=2000, spread=1e-6)
    networks = list(space)
    truth = [sum(full(part.net) for part in parts(network, space.input_shape)) - saved for network in networks]
    assert max(truth) > 2.2 * min(truth)
    errors = [table.predict(network, space.input_shape) / ms - 1 for network, ms in zip(networks, truth, strict=True)]
    assert max(map(abs, errors)) < 0.05
    # Without the level, sums are wrong by more, one way for the small ones.
    table.level = None
    errors = [table.predict(network, space.input_shape) / ms - 1 for network, ms in zip(networks, truth, strict=True)]
    assert max(map(abs, errors)) > 0.15
    # What was walked before counts on.
    walked = len(table.origin["walks"]["networks"])
    again = LatencyTable.measure(space, FakeEngine(ms), path, budget=2200, spread=1e-6)
    assert again.origin["walks"]["networks"][:walked] == table.origin["walks"]["networks"]
    assert len(again.origin["walks"]["networks"]) > walked
    assert again.level.slope == pytest.approx(LatencyTable.load(path).level.slope)


def test_a_machine_that_is_not_quiet_is_named(monkeypatch):
    ticking(monkeypatch)
    rng, runs = random.Random(0), itertools.count()

    def ms(net):
        # Other programs come and go, for some networks each.
        return 0.1 if net.name == "least" else rng.uniform(0.98, 1.02) * (3.0 if next(runs) // 200 % 2 else 2.0)

    table = LatencyTable.measure(SPACE, FakeEngine(ms), spread=0.0, budget=1500)
    assert table.level.noise > NOISE_LIMIT
    (remark,) = [remark for remark in table.remarks() if "the machine was not quiet: half of the networks" in remark]
    # The table is as good as it can be there: nothing has failed.
    assert remark not in table.faults()


def test_other_work_between_networks_is_not_of_the_budget(monkeypatch):
    clock = ticking(monkeypatch)
    calls = []

    def meanwhile():
        calls.append(next(clock))
        for _ in range(1000):
            next(clock)

    table = LatencyTable.measure(SPACE, FakeEngine(work), budget=300, spread=0.0, meanwhile=meanwhile)
    assert len(calls) > 10 and 290 < table.origin["seconds"] < 310


def test_noisy_parts_are_measured_more_often():
    rng = random.Random(0)
    noisy = max(space_parts(SPACE).values(), key=lambda part: len(part.net.layer))

    def ms(net):
        return 5.0 * rng.gauss(1, 0.1) if net == noisy.net else 5.0

    table = LatencyTable.measure(SPACE, FakeEngine(ms), spread=0.01)
    assert len(table.entries[noisy.key].rounds) > 2 * LEAST_ROUNDS
    assert table.entries[noisy.key].spread <= 0.01 and table.remarks() == []
    assert table.entries[noisy.key].ms == pytest.approx(5.0, rel=0.04)


def test_a_spread_that_is_not_reached_in_time_is_named_and_kept(monkeypatch, tmp_path):
    ticking(monkeypatch)
    rng = random.Random(0)
    path = tmp_path / "latency.json"
    table = LatencyTable.measure(SPACE, FakeEngine(lambda net: rng.uniform(1, 3)), path, budget=600, spread=0.001)
    assert set(table.entries) == set(space_parts(SPACE))
    (remark,) = table.remarks()
    assert f"the time was used up before {len(table.entries)} parts were known to 0.10%" in remark
    assert table.faults() == []
    # The same call does not begin again; a longer one goes on.
    engine = FakeEngine(lambda net: rng.uniform(1, 3))
    assert LatencyTable.measure(SPACE, engine, path, budget=600, spread=0.001).entries == table.entries
    assert engine.loaded == []
    more = LatencyTable.measure(SPACE, engine, path, budget=900, spread=0.001)
    for key, entry in table.entries.items():
        assert more.entries[key].rounds[: len(entry.rounds)] == entry.rounds
    assert sum(entry.samples for entry in more.entries.values()) > sum(e.samples for e in table.entries.values())


def test_parts_for_which_there_was_no_time_are_listed(monkeypatch):
    ticking(monkeypatch)
    table = LatencyTable.measure(SPACE, FakeEngine(), budget=4)
    assert 0 < len(table.entries) < len(space_parts(SPACE))
    (fault,) = table.faults()
    assert fault.startswith("no time was left for ")
    assert fault.count(", ") + 1 == len(space_parts(SPACE)) - len(table.entries)
    with pytest.raises(
        UnsupportedError, match=r"not in the latency table, which was made for inputs of \(1, 3, 32, 32"
    ):
        table.predictor(SPACE)


def test_a_part_that_fails_is_named_and_the_rest_is_kept(tmp_path):
    broken = list(space_parts(SPACE).values())[2]

    def ms(net):
        if net == broken.net:
            raise RuntimeError("out of\nmemory")
        return 1.0

    path = tmp_path / "latency.json"
    LatencyTable.measure(SPACE, FakeEngine(ms), path)
    table = LatencyTable.load(path)
    assert set(table.entries) == set(space_parts(SPACE)) - {broken.key}
    assert table.remarks() == [f"{broken.label}: failed: RuntimeError: out of memory"]
    with pytest.raises(UnsupportedError, match=r"failed: RuntimeError: out of memory"):
        table.predictor(SPACE)
    # On an engine that can run it, the same call adds what is missing.
    engine = FakeEngine(lambda net: 1.0)
    again = LatencyTable.measure(SPACE, engine, path)
    assert set(again.entries) == set(space_parts(SPACE)) and again.remarks() == []
    assert {key: again.entries[key] for key in table.entries} == table.entries


def test_a_machine_that_throttles_in_the_middle_is_named_and_the_rest_kept(monkeypatch):
    clock, rng = ticking(monkeypatch), random.Random(0)

    def ms(net):
        # Half of the time is used up when everything begins to take 30 % longer.
        return rng.uniform(0.9, 1.1) * (1.3 if next(clock) > 2_500 else 1.0)

    table = LatencyTable.measure(SPACE, FakeEngine(ms), spread=0.002, budget=5_000)
    (remark,) = [remark for remark in table.remarks() if "changed its speed" in remark]
    assert table.origin["drift"]["longer"] == pytest.approx(0.3, abs=0.05)
    assert f"{table.origin['drift']['longer']:.1%} longer" in remark and "10% is the limit" in remark
    assert set(table.entries) == set(space_parts(SPACE))


def test_what_a_resumed_measurement_says_of_drift_and_of_an_old_correction(tmp_path):
    rng = random.Random(0)
    path = tmp_path / "latency.json"
    table = LatencyTable.measure(SPACE, FakeEngine(lambda net: rng.uniform(0.9, 1.1)), path, spread=0.01)
    rounds = table.origin["rounds"]
    drifted = {"longer": 0.25, "slow_rounds": [9, 12], "fast_rounds": [1, 4]}
    table.origin["drift"] = drifted
    table.correction = Correction(1.1, 0.0, 0.0, 0.0, ("a", "b"), 0.1, 0.01, "2020-01-01T00:00:00+00:00")
    table.save(path)
    again = LatencyTable.measure(SPACE, FakeEngine(lambda net: rng.uniform(0.9, 1.1)), path, spread=0.005)
    assert again.origin["rounds"] > rounds and again.origin["drift"] == drifted
    # A busy machine may have a remark of its own.
    remarks = "; ".join(again.remarks())
    assert "25.0% longer in rounds 9 to 12" in remarks
    assert "the correction of 2020-01-01T00:00:00+00:00 is older than the last measurement" in remarks


def test_a_steady_machine_has_no_remark():
    rng = random.Random(0)
    table = LatencyTable.measure(SPACE, FakeEngine(lambda net: rng.uniform(0.9, 1.1)), spread=0.01)
    assert table.origin["drift"]["longer"] < 0.05 and table.remarks() == []


def test_a_killed_measurement_goes_on_with_what_it_had(tmp_path, monkeypatch):
    """It dies in its middle; what was saved counts on, and no sample of it is lost."""
    monkeypatch.setattr(surveying, "SECONDS_PER_SAVE", 0.0)
    path = tmp_path / "latency.json"
    calls = itertools.count()

    def dying(net):
        if next(calls) == 700:
            raise KeyboardInterrupt
        return 2.0

    with pytest.raises(KeyboardInterrupt):
        LatencyTable.measure(SPACE, FakeEngine(dying), path)
    kept = LatencyTable.load(path)
    assert not kept.origin["finished"] and 0 < kept.origin["rounds"] < LEAST_ROUNDS
    table = LatencyTable.measure(SPACE, FakeEngine(lambda net: 3.0), path)
    assert set(table.entries) == set(space_parts(SPACE)) and table.origin["finished"]
    for key, entry in kept.entries.items():
        rounds = table.entries[key].rounds
        assert rounds[: len(entry.rounds)] == entry.rounds and len(rounds) >= LEAST_ROUNDS
        assert {round(ms) for ms in rounds} == {2, 3}
        assert table.entries[key].samples > entry.samples
    assert table.origin["rounds"] > kept.origin["rounds"]
    # Now all is measured, and another target may look things up in it.
    assert LatencyTable.measure(SPACE, FakeEngine(target={"device": "another"}), path).target == table.target


def test_times_of_two_targets_do_not_mix(tmp_path):
    path = tmp_path / "latency.json"
    LatencyTable({"engine": "another"}).save(path)
    before = path.read_bytes()
    with pytest.raises(FormatError, match=r"latency.json: .*to be measured: target: .*found another, .*has fake"):
        LatencyTable.measure(SPACE, FakeEngine(), path)
    assert path.read_bytes() == before


def test_networks_of_several_sizes_come_into_one_table(tmp_path):
    path, network = tmp_path / "latency.json", "s8-16_b16_b32_b64_p16-64_d16-8_u8_c5"
    LatencyTable.measure([network], FakeEngine(work), path, input_shape=(1, 3, 64, 64))
    table = LatencyTable.measure([network], FakeEngine(work), path, input_shape=(1, 3, 64, 96))
    assert table.origin["input_shapes"] == [[1, 3, 64, 64], [1, 3, 64, 96]]
    for shape in ((1, 3, 64, 64), (1, 3, 64, 96)):
        found = parts(network, shape)
        expected = sum(work(part.net) - table.call_ms for part in found) + table.call_ms
        assert table.predict(network, shape) == pytest.approx(expected, abs=0.05)
    with pytest.raises(UnsupportedError, match=r"made for inputs of \(1, 3, 64, 64\) and \(1, 3, 64, 96\)"):
        table.predict(network, (1, 3, 96, 96))


def test_engines_that_start_a_program_are_measured_part_by_part():
    engine = FakeEngine(lambda net: 0.5 if net.name == "least" else 2.0, in_process=False)
    table = LatencyTable.measure(SPACE, engine)
    assert engine.runs == []
    assert {entry.ms for entry in table.entries.values()} == {2.0} and table.call_ms == 0.5
    assert {len(entry.rounds) for entry in table.entries.values()} == {surveying.LEAST_ROUNDS_OF_PROGRAMS}


def test_torch_measures_a_small_space(tmp_path):
    pytest.importorskip("torch")
    from converters import make_engine

    space = BackboneSpace(((1, 1),), (8, 64), stem=(4, 8), classes=10, input_shape=(1, 3, 64, 64))
    table = LatencyTable.measure(space, make_engine("torch", 1), tmp_path / "latency.json", budget=2)
    times = {entry.label: entry.ms for entry in table.entries.values()}
    assert times["basic 8-64-64 s2 16x16"] > times["basic 8-8-8 s2 16x16"] > 0
    assert 0 < table.call_ms < min(times.values())
    assert LatencyTable.load(tmp_path / "latency.json").entries == table.entries
