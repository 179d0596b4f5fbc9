"""Blocks between measured inner widths, where the truth is known."""

import random
from dataclasses import replace

import pytest

from prototxt_gen.errors import UnsupportedError
from search.latency import Entry, LatencyTable, space_parts
from search.latency.fitting.estimates import Estimates
from search.latency.layer_latencies import layer_latencies
from search.latency.predicting import placed_parts
from search.spaces import TieredSpace, TieredStage
from search.spaces.tiered import TieredBlock
from tests.search.latency.fake_engines import FakeEngine

SPACE = TieredSpace(
    (
        TieredStage(12, (1, 1), 2, ("convolution",)),
        TieredStage(16, (1, 3), 2, ("inverted", "fused")),
    ),
    (4,),
    5,
    (1, 3, 32, 32),
    head=None,
    granularity=8,
    expansion=8,
)
KNOTS = replace(SPACE, knots=5)
CALL = 0.25


def made_up(space, ms=lambda block: 1.0 + block.inner / 64 + block.kernel / 8, call_ms=CALL, joined=False):
    """A table by a formula of each block, 5 ms for what is no block; dyadic, so that sums have no rounding."""
    entries = {}
    for piece, part in placed_parts(space).items():
        time = ms(piece) if isinstance(piece, TieredBlock) and piece.inner else 5.0
        key = part.joined_key if joined and part.key in entries else part.key
        entries[key] = Entry(time, (time, time), 12, part.label, (time,) * 12)
    return LatencyTable({"engine": "made up"}, entries, call_ms=call_ms)


def times(table):
    return {key: entry.ms for key, entry in table.entries.items()}


def test_straight_lines_come_out_exactly():
    found = made_up(KNOTS).interpolated(SPACE)
    assert times(found) == times(made_up(SPACE))
    assert {key for key, entry in found.entries.items() if entry.samples} == set(space_parts(KNOTS))
    ((code, record),) = found.origin["interpolated"].items()
    assert code == str(SPACE) and (record["error"], record["largest"]) == (0, 0)
    assert record["parts"] == len(space_parts(SPACE)) - len(space_parts(KNOTS))


def at_random(block):
    """A time of each block, whatever made its input."""
    return 1 + random.Random(repr(replace(block, after=""))).randrange(512) / 64


def test_what_was_measured_stays_and_so_do_networks_of_it(tmp_path):
    table = made_up(KNOTS, at_random)
    table.interpolated(SPACE).save(tmp_path / "latency.json")
    found = LatencyTable.load(tmp_path / "latency.json")
    assert {key: found.entries[key] for key in table.entries} == table.entries
    for place in range(0, KNOTS.count(), KNOTS.count() // 50):
        network = KNOTS.at(place)
        assert found.predict(network, SPACE.input_shape) == table.predict(network, SPACE.input_shape)
    for part in space_parts(SPACE).values():
        assert found.is_estimated(part) == (part.key not in table.entries)
    vectors = next(SPACE.vectors(0, 500))
    expected = [found.predict(SPACE.decode(vector), SPACE.input_shape) for vector in vectors[::50]]
    assert found.predictor(SPACE)(vectors[::50]).tolist() == expected
    latencies = layer_latencies(SPACE, found)
    assert [latencies.predict(SPACE.picks_at(vector)) for vector in vectors[::50]] == expected


@pytest.mark.parametrize("joined", [False, True], ids=["by part", "by what made its input, too"])
def test_between_two_widths_a_time_lies_on_their_line(joined):
    known = {
        piece: at_random(piece) + 8 * (joined and piece.after == "Eltwise")
        for piece in placed_parts(KNOTS)
        if isinstance(piece, TieredBlock) and piece.inner
    }
    found = made_up(KNOTS, known.__getitem__, joined=joined).interpolated(SPACE)
    for piece, part in placed_parts(SPACE).items():
        if not isinstance(piece, TieredBlock) or not piece.inner or piece in known:
            continue
        widths = [one.inner for one in known if replace(one, inner=0) == replace(piece, inner=0)]
        below, above = max(one for one in widths if one < piece.inner), min(one for one in widths if one > piece.inner)
        low, high = known[replace(piece, inner=below)], known[replace(piece, inner=above)]
        expected = low + (high - low) * (piece.inner - below) / (above - below)
        assert found.part_nanoseconds(part) / 1e6 + CALL == pytest.approx(expected, abs=1e-6)
        assert found.entries[part.key].label == f"{part.label} (interpolated)"


def test_a_call_that_is_in_all_times_makes_no_difference():
    """Once as times with a call of 0.25 ms, once as the same times without it."""
    whole = made_up(KNOTS, at_random).interpolated(SPACE)
    own = made_up(KNOTS, lambda block: at_random(block) - CALL, 0.0).interpolated(SPACE)
    for piece, part in placed_parts(SPACE).items():
        if isinstance(piece, TieredBlock) and piece.inner:
            assert abs(whole.part_nanoseconds(part) - own.part_nanoseconds(part)) <= 1
    assert whole.origin["interpolated"] == own.origin["interpolated"]


# One block with a kernel of 3 and one of 5, of these inner widths, and what they take. By hand: what the neighbours of
# 24 and 64 say, in hundredths of what they take.
LINE = TieredSpace((TieredStage(20, (1, 1), 2),), (20,), 5, (1, 3, 32, 32), head=None, granularity=8, expansion=8)
TIMES = {3: {8: 30.0, 24: 40.0, 64: 80.0, 160: 256.0}, 5: {8: 60.0, 24: 50.0, 64: 102.0, 160: 102.0}}
TOLD = {
    3: {24: 30 + 50 * 16 / 56, 64: 40 + 216 * 40 / 136},
    5: {24: 60 + 42 * 16 / 56, 64: 50 + 52 * 40 / 136},
}


def line(times, call_ms=0.0, **origin):
    entries = {}
    for piece, part in placed_parts(LINE).items():
        if not isinstance(piece, TieredBlock):
            entries[part.key] = Entry(5.0, (5.0, 5.0), 1, part.label)
        elif piece.inner in times[piece.kernel]:
            ms = times[piece.kernel][piece.inner]
            entries[part.key] = Entry(ms, (ms - 0.5, ms + 1), 1, part.label)
    return LatencyTable({"engine": "made up"}, entries, call_ms=call_ms, origin=origin)


@pytest.mark.parametrize("call_ms", [0.0, 20.0])
def test_the_error_is_that_of_widths_left_out(call_ms):
    found = line(TIMES, call_ms).interpolated(LINE)
    errors = sorted(
        abs(ms - TIMES[kernel][inner]) / (TIMES[kernel][inner] - call_ms)
        for kernel, widths in TOLD.items()
        for inner, ms in widths.items()
    )
    ((_, record),) = found.origin["interpolated"].items()
    assert (record["parts"], record["knots"], record["left_out"]) == (2 * 16, 8, 4)
    assert record["error"] == pytest.approx((errors[1] + errors[2]) / 2, abs=1e-6)
    assert record["largest"] == pytest.approx(errors[3], abs=1e-6)
    assert record["largest_of"] == "inverted 20-24k5-20 s2 16x16"
    (remark,) = found.remarks()
    assert remark == (
        f"32 parts of {LINE} are interpolated between 8 measured inner widths: of 4 of these, each left out and told "
        f"by its neighbours, half are at most {record['error']:.1%} off, the furthest {record['largest']:.1%} "
        "(inverted 20-24k5-20 s2 16x16)"
    )
    # The quartiles are those of the error, or of the neighbours, whatever is further.
    for inner, below, above in ((16, 8, 24), (152, 64, 160)):
        (part,) = [part for part in space_parts(LINE).values() if f" 20-{inner}-20 " in part.label]
        entry = found.entries[part.key]
        off = record["error"] * (entry.ms - call_ms)
        assert entry.ms == pytest.approx(
            TIMES[3][below] + (TIMES[3][above] - TIMES[3][below]) * (inner - below) / (above - below), abs=1e-6
        )
        expected = entry.ms - max(off, 0.5), entry.ms + max(off, 1.0)
        assert entry.quartiles == pytest.approx(expected, abs=1e-4)


def test_two_widths_tell_no_error():
    ends = {kernel: {inner: times[inner] for inner in (8, 160)} for kernel, times in TIMES.items()}
    found = line(ends).interpolated(LINE)
    (record,) = found.origin["interpolated"].values()
    assert (record["left_out"], record["error"], record["largest"], record["largest_of"]) == (0, None, None, None)
    assert found.remarks()[0].endswith("none of these has one on both sides, so how far off they are is not known")
    (part,) = [part for part in space_parts(LINE).values() if " 20-80-20 " in part.label]
    assert found.entries[part.key].quartiles == (29.5, 257.0)


def without(kernel, *widths):
    return {one: {w: ms for w, ms in times.items() if one != kernel or w not in widths} for one, times in TIMES.items()}


@pytest.mark.parametrize(
    ("table", "named"),
    [
        (
            line(without(5, 8)),
            ["20-8k5-20 s2 16x16 (measured: 24 to 160)", "20-16k5-20 s2 16x16 (measured: 24 to 160)"],
        ),
        (line(without(3, 160)), ["20-160-20 s2 16x16 (measured: 8 to 64)"]),
        (line(without(3, 8, 24, 64, 160)), ["20-8-20 s2 16x16 (none was measured)"]),
        (line(without(3, 24), failed={"inverted 20-24-20 s2 16x16": "no"}), ["20-24-20 s2 16x16 (failed)"]),
        (LatencyTable({}), ["head 20-5 8x8", "stem 3-20 32x32"]),
    ],
    ids=["below", "above", "none", "failed", "nothing measured"],
)
def test_what_does_not_lie_between_measured_widths_is_refused_by_name(table, named):
    before = dict(table.entries)
    with pytest.raises(UnsupportedError, match="not between measured inner widths: ") as raised:
        table.interpolated(LINE)
    assert all(name in str(raised.value) for name in named)
    assert table.entries == before and "interpolated" not in table.origin


def test_a_table_fitted_to_whole_networks_tells_its_parts_itself():
    estimates = Estimates(1.0, None, {})
    with pytest.raises(UnsupportedError, match="fitted to whole networks"):
        LatencyTable({}, estimates=estimates).interpolated(LINE)


def test_measuring_goes_on_without_what_was_interpolated(tmp_path):
    path, engine = tmp_path / "latency.json", FakeEngine()
    space = TieredSpace((TieredStage(8, (1, 1), 2, kernels=(3,)),), (8,), 5, (1, 3, 8, 8), granularity=4, expansion=4)
    knots = LatencyTable.measure(replace(space, knots=3), engine, path)
    told = knots.interpolated(space)
    told.save(path)
    # The knots are known well enough: nothing is measured, and what lies between stays.
    runs = len(engine.runs)
    assert times(LatencyTable.measure(replace(space, knots=3), engine, path)) == times(told)
    assert len(engine.runs) == runs
    more = LatencyTable.measure(replace(space, knots=5), engine, path)
    assert "interpolated" not in more.origin and more.entries.keys() == space_parts(replace(space, knots=5)).keys()
    more.interpolated(space).save(path)
    whole = LatencyTable.measure(space, engine, path)
    assert all(entry.samples for entry in whole.entries.values()) and whole.entries.keys() == space_parts(space).keys()
    assert whole.interpolated(space) is whole and not whole.remarks()
    with pytest.raises(UnsupportedError, match=r"measured: \d+ to \d+"):
        knots.interpolated(replace(space, expansion=6))
