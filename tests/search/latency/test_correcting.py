"""Corrections: what they recover of made-up deviations, which networks they ask for, what they add to predictions."""

import random

import numpy as np
import pytest

from prototxt_gen import parts
from prototxt_gen.errors import FormatError, UnsupportedError
from search.latency import Entry, LatencyTable, space_parts
from search.latency.checking import check, learnt_from, telling_networks, unseen_networks
from search.latency.correcting import Correction, Sum, fit_correction, megabytes, telling
from search.spaces import BackboneSpace
from tests.search.latency.fake_engines import FakeEngine, work

SPACE = BackboneSpace(((1, 2), (1, 3)), (8, 16, 64), stem=(4, 8), classes=10, input_shape=(1, 3, 32, 32))


def table_of(space, ms=work, call_ms=0.0):
    entries = {
        key: Entry(ms(part.net) + call_ms, (1.0, 1.0), 1, part.label) for key, part in space_parts(space).items()
    }
    return LatencyTable({"engine": "fake"}, entries, call_ms=call_ms)


def made_up_sums(count, seed=0):
    rng = random.Random(seed)
    found = []
    for _ in range(count):
        number = rng.randrange(5, 20)
        found.append(Sum(rng.uniform(2, 40), number, number * rng.uniform(0.2, 1.0)))
    return found


@pytest.mark.parametrize(
    ("slope", "constant", "part", "megabyte"),
    [(1.0, 0.0, 0.0, 0.0), (0.9, 0.0, 0.0, 0.0), (0.95, 0.3, 0.0, 0.0), (1.1, 0.0, -0.05, 0.0), (0.9, 0.0, 0.0, -0.1)],
)
def test_what_whole_networks_deviate_by_is_recovered(slope, constant, part, megabyte):
    sums = made_up_sums(12)

    def measured(one):
        return 0.5 + one.ms * slope + constant + one.parts * part + one.megabytes * megabyte

    found = fit_correction(sums, list(map(measured, sums)), 0.5, ["a"] * 12, "now")
    for one in made_up_sums(50, seed=1):
        told = 0.5 + one.ms * found.slope + found.constant_ms + one.parts * found.part_ms
        told += one.megabytes * found.megabyte_ms
        assert told == pytest.approx(measured(one), rel=0.01)
    assert found.error_after < 0.005
    is_none = (slope, constant, part, megabyte) == (1.0, 0.0, 0.0, 0.0)
    assert (found.error_before > 0.02, found.is_none) == (not is_none, is_none)
    assert found.words().startswith("no correction: " if is_none else "corrected by 12 whole networks: ")


def test_noise_alone_is_not_corrected_by_many_terms():
    rng = np.random.default_rng(0)
    sums = made_up_sums(12)
    found = fit_correction(sums, [one.ms * rng.normal(1, 0.01) for one in sums], 0.0, ["a"] * 12, "now")
    for one in made_up_sums(50, seed=1):
        told = one.ms * found.slope + found.constant_ms + one.parts * found.part_ms + one.megabytes * found.megabyte_ms
        assert told == pytest.approx(one.ms, rel=0.03)


def test_the_networks_that_tell_most_are_unlike_each_other():
    sums = [Sum(10.0, 10, 5.0)] * 50 + [Sum(2.0, 10, 1.0), Sum(40.0, 5, 3.0), Sum(10.0, 20, 9.0)]
    assert set(telling(sums, 4)) >= {50, 51, 52}
    assert len(set(telling(sums, 8))) == 8 and len(telling(sums[:3], 8)) == 3


def test_megabytes_are_those_of_what_a_part_takes():
    stem, first, *_, head = parts("s4-8_b16_b32_c10", (1, 3, 64, 64))
    assert megabytes(stem) == 3 * 64 * 64 * 4 / 1e6
    assert megabytes(first) == 8 * 16 * 16 * 4 / 1e6
    assert megabytes(head) == 32 * 4 * 4 * 4 / 1e6


def test_corrected_predictions_are_sums_of_parts_still():
    table = table_of(SPACE, call_ms=0.25)
    plain = {network: table.predict(network, SPACE.input_shape) for network in SPACE}
    table.correction = Correction(0.9, 0.4, 0.01, 0.2, (), 0.0, 0.0, "")
    predict, vectors = table.predictor(SPACE), np.concatenate(list(SPACE.vectors()))
    assert predict(vectors).tolist() == [table.predict(SPACE.decode(vector), SPACE.input_shape) for vector in vectors]
    for network in SPACE:
        found = parts(network, SPACE.input_shape)
        expected = 0.25 + 0.4 + (plain[network] - 0.25) * 0.9 + 0.01 * len(found) + 0.2 * sum(map(megabytes, found))
        assert table.predict(network, SPACE.input_shape) == pytest.approx(expected, abs=1e-4)
        assert table.predict(network, SPACE.input_shape, corrected=False) == plain[network]
    assert table.predictor(SPACE, corrected=False)(vectors[:1])[0] == plain[SPACE.decode(vectors[0])]
    with pytest.raises(UnsupportedError, match="has no correction"):
        table.plain().predict(SPACE.at(0), SPACE.input_shape, corrected=True)


def test_a_correction_is_measured_kept_and_checked_with_other_networks(tmp_path):
    # Parts by themselves take half as long again, and 0.2 ms more for what happens at their edges.
    table = table_of(SPACE, lambda net: work(net) * 1.5 + 0.2)
    engine = FakeEngine(work)
    chosen = telling_networks(table, SPACE, 8)
    assert len({str(network) for network in chosen}) == 8
    correction = table.correct(engine, chosen, SPACE.input_shape)
    assert correction.error_before > 0.3 and correction.error_after < 0.05
    table.save(tmp_path / "latency.json")
    table = LatencyTable.load(tmp_path / "latency.json")
    assert table.correction == correction and learnt_from(table) == set(correction.networks)
    unseen = unseen_networks(table, SPACE, 20)
    assert len(unseen) == 20 and not {str(network) for network in unseen} & learnt_from(table)
    found = check(table, engine, unseen, SPACE.input_shape, rounds=2)
    assert found.agreement.mean_error < 0.05 and found.agreement.tau > 0.95
    assert found.predicted == tuple(table.predict(network, SPACE.input_shape) for network in unseen)
    assert found.document()["worst_network"] == found.networks[found.agreement.worst_index]
    plain = check(table.plain(), engine, unseen, SPACE.input_shape, rounds=2)
    assert plain.agreement.mean_error > 0.3
    with pytest.raises(UnsupportedError, match=f"has learnt from {correction.networks[0]}"):
        check(table, engine, [correction.networks[0]], SPACE.input_shape)


def test_what_cannot_be_corrected_or_checked():
    table, engine = table_of(SPACE), FakeEngine(work)
    with pytest.raises(UnsupportedError, match="found 1 networks, expected at least 2"):
        table.correct(engine, [SPACE.at(0)] * 3, SPACE.input_shape)
    other = FakeEngine(work, {"threads": 2})
    with pytest.raises(FormatError, match=r"target: .*threads: found .*, this run has 2"):
        table.correct(other, [SPACE.at(0), SPACE.at(1)], SPACE.input_shape)
    with pytest.raises(FormatError, match="target"):
        check(table, other, [SPACE.at(0)], SPACE.input_shape)
    with pytest.raises(UnsupportedError, match=r"not in the latency table: .*32x32"):
        check(table, engine, ["s8_b8_c10"], SPACE.input_shape)


def test_a_small_space_has_only_so_many_networks():
    space = BackboneSpace(((1, 1),), (8, 16), stem=(4,), classes=7, input_shape=(1, 3, 16, 16))
    table = table_of(space)
    assert {str(network) for network in unseen_networks(table, space, 60)} == {str(network) for network in space}
    assert len(telling_networks(table, space, 10)) == 2
