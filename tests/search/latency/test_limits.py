"""Limits as people write them."""

import math

import pytest

from prototxt_gen.errors import ArchitectureError
from search.latency.limits import Interval, Known, Limit, parse_interval, parse_limit

LATENCIES = {"resnet18": 4.0, "s4-8_b8_c10": 0.5, "p1.64x2": 2.0}


def latency_of(name: str) -> Known:
    return Known(LATENCIES[name], "predicted by the table")


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2ms", 2.0),
        ("2", 2.0),
        (" 2.5 ms ", 2.5),
        ("1500us", 1.5),
        ("1500 µs", 1.5),
        ("0.002s", 2.0),
        (".5S", 500.0),
        ("250000ns", 0.25),
        ("1e3us", 1.0),
        ("0", 0.0),
        ("inf", math.inf),
        ("80% of resnet18", 3.2),
        ("12.5 %  OF s4-8_b8_c10", 0.0625),
        ("150%of p1.64x2", 3.0),
    ],
)
def test_a_limit_in_milliseconds(text, ms):
    assert parse_limit(text).resolved(latency_of).ms == pytest.approx(ms, rel=1e-12)


def test_a_share_says_where_it_comes_from():
    limit = parse_limit(" 80 %  of resnet18")
    assert limit == Limit(0.8, "resnet18", "80 % of resnet18")
    assert limit.resolved(latency_of).source == "80 % of resnet18 = 3.2 ms (resnet18: 4 ms, predicted by the table)"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ms",
        "-1",
        "nan",
        "2 m",
        "2 hours",
        "1,5",
        "80%",
        "80% resnet18",
        "% of resnet18",
        "-5% of x",
        "2ms 3ms",
        "1e400",
        "١",
    ],
)
def test_what_is_no_limit_is_refused(text):
    with pytest.raises(ArchitectureError, match=r"latency '.*': expected milliseconds .* share"):
        parse_limit(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2ms", (0.0, 2.0)),
        ("1ms..2ms", (1.0, 2.0)),
        ("1 .. 2", (1.0, 2.0)),
        ("500us..", (0.5, math.inf)),
        ("..80% of resnet18", (0.0, 3.2)),
        ("10% of p1.64x2..80% of resnet18", (0.2, 3.2)),
        ("2..2", (2.0, 2.0)),
    ],
)
def test_an_interval(text, expected):
    interval, shares = parse_interval(text).resolved(latency_of)
    assert interval == pytest.approx(expected)
    assert len(shares) == text.count("%")


def test_no_limits_are_the_widest_interval():
    assert Interval().resolved(latency_of) == ((0.0, math.inf), [])


@pytest.mark.parametrize("text", ["..", " .. ", "1..2..3", "a..b", "1..x"])
def test_what_is_no_interval_is_refused(text):
    with pytest.raises(ArchitectureError, match="latency"):
        parse_interval(text)


def test_ends_that_are_turned_round_are_refused():
    with pytest.raises(
        ArchitectureError, match=r"the least, 80% of resnet18 \(3.2 ms\), is above the most, 3 \(3 ms\)"
    ):
        parse_interval("80% of resnet18..3").resolved(latency_of)


@pytest.mark.parametrize("text", ["0ms", "0", "0ms..0ms", "..0s", "0% of resnet18"])
def test_no_time_at_all_is_refused(text):
    with pytest.raises(ArchitectureError, match=f"at most {text.split('..')[-1]}: no network takes no time"):
        parse_interval(text).resolved(latency_of)
    assert parse_interval("0..1").resolved(latency_of)[0] == (0.0, 1.0)
