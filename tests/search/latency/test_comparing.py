"""Two tables side by side: what is common, how it compares, and why nothing is."""

import math

import pytest

from prototxt_gen import parts
from prototxt_gen.errors import UnsupportedError
from search.latency import Entry, LatencyTable
from search.latency.comparing import compare_tables

TARGET = {"engine": "torch", "threads": 1}


def table(times, target=TARGET):
    return LatencyTable(target, {key: Entry(ms, (ms, ms), 1, f"part {key}") for key, ms in times.items()})


def of(architecture, shape):
    return LatencyTable(
        TARGET, {part.key: Entry(1.0, (1.0, 1.0), 1, part.label) for part in parts(architecture, shape)}
    )


def test_common_parts_have_a_ratio_and_the_rest_is_listed():
    found = compare_tables(
        table({"a": 1.0, "b": 2.0, "c": 4.0, "d": 1.0}), table({"e": 9.0, "c": 1.0, "b": 1.0, "a": 0.6}, {"threads": 2})
    )
    assert [(pair.label, pair.first, pair.second, pair.ratio) for pair in found.pairs] == [
        ("part a", 1.0, 0.6, 0.6),
        ("part b", 2.0, 1.0, 0.5),
        ("part c", 4.0, 1.0, 0.25),
    ]
    assert (found.only_first, found.only_second, found.untimed) == (("part d",), ("part e",), ())
    assert found.ratio == 0.5
    assert found.quartiles == pytest.approx((0.75, 1.1))
    assert found.extremes == pytest.approx((0.5, 1.2))
    assert found.tau == pytest.approx(2 / math.sqrt(3 * 2))
    assert [pair.label for pair in found.outliers()] == ["part c", "part a", "part b"]
    assert found.differences == (("engine", "torch", "-"), ("threads", "1", "2"))


def test_one_target_measured_twice_tells_how_far_times_repeat():
    found = compare_tables(table({"a": 1.0, "b": 2.0}), table({"a": 1.02, "b": 2.0}))
    assert found.differences == ()
    assert found.repeats == pytest.approx([0.02 / 1.01, 0])


def test_parts_without_a_time_have_no_ratio():
    found = compare_tables(table({"a": 1.0, "b": 0.0}), table({"a": 2.0, "b": 1.0}))
    assert ([pair.label for pair in found.pairs], found.untimed) == (["part a"], ("part b",))
    assert math.isnan(found.tau)


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (of("s4-8_b8_c10", (1, 3, 64, 64)), of("s4-8_b8_c10", (1, 3, 32, 32)), "other input sizes: 64x64 and 32x32"),
        (of("s4-8_b8_c10", (1, 3, 64, 64)), of("s4-16_b32_c5", (1, 3, 64, 64)), "other parts, such as 'stem 3-4-8 64x"),
        (table({}), table({"a": 1.0}), "first: there are no parts"),
        (table({"a": 0.0}), table({"a": 1.0}), "none of the 1 common parts has a time in both"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_the_reason(first, second, reason):
    with pytest.raises(UnsupportedError, match=reason):
        compare_tables(first, second, ("first", "second"))
