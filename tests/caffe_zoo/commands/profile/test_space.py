"""What `dongfeng profile space` prints, draws and refuses."""

from __future__ import annotations

import json
import re
import sys

import pytest

from prototxt_gen import generate, parse_architecture, parts, summarize
from search import LatencyTable, parse_space
from search.latency import Entry, space_parts

CODE = "s4-8_b1-3_b1-2_w8-16-32_c5_i3x32x32"


@pytest.fixture
def table(tmp_path):
    """A millisecond for a million multiply-adds and 0.01 ms a part: every part of the space, and of resnet18."""
    space = parse_space(CODE)
    entries = {}
    for part in (*space_parts(space).values(), *parts("r64_v1.64x2_v128x2_v256x2_v512x2_c1000", space.input_shape)):
        ms = 0.01 + summarize(part.net).multiply_adds / 1e6
        entries[part.key] = Entry(ms, (ms, ms), 1, part.label)
    path = tmp_path / "latency.json"
    LatencyTable({"engine": "torch", "device": "made up", "threads": 2}, entries).save(path)
    return path


def latencies(table) -> dict[str, float]:
    space, loaded = parse_space(CODE), LatencyTable.load(table)
    return {str(one): loaded.predict(one, space.input_shape) for one in space}


def test_everything_is_printed(run, table):
    expected = sorted(latencies(table).values())
    printed = run("profile", "space", "--space", CODE, "--table", table, "--latency", "1ms")
    inside = [ms for ms in expected if ms <= 1]
    lines = printed.splitlines()
    assert lines[0] == f"{CODE}: {len(expected)} architectures"
    assert lines[1] == "latency predicted by the table: torch, made up, 2 threads"
    for name, ms in {
        "fastest": expected[0],
        "middle": expected[(len(expected) - 1) // 2],
        "slowest": expected[-1],
        "slowest within": inside[-1],
    }.items():
        (row,) = (line for line in lines if re.match(rf"{name}  ", line))
        code = row.split()[-1]
        costs = summarize(generate(parse_architecture(code), input_shape=(1, 3, 32, 32)))
        assert f" {ms:.3f} " in row and latencies(table)[code] == pytest.approx(ms)
        assert f" {costs.multiply_adds:,} " in row and f" {costs.parameters:,} " in row
    assert lines[-1].startswith(f"at most 1 ms: can be met: {len(inside)} of {len(expected)} architectures (")
    rows = [line.split() for line in lines[lines.index("") + 1 :] if " to " in line]
    assert sum(int(row[3]) for row in rows) == len(expected)
    assert max(len(row[4]) for row in rows if len(row) > 4) == 50


def test_a_limit_that_cannot_be_met_says_by_how_much(run, table):
    fastest = min(latencies(table).values())
    printed = run("profile", "space", "--space", CODE, "--table", table, "--latency", f"{fastest / 2}ms", status=1)
    assert f"cannot be met: the fastest takes {fastest:.6g} ms, {fastest / 2:.6g} ms too many (100 % of the limit)" in (
        printed
    )


def test_a_share_of_a_named_network(run, fault, table, tmp_path):
    whole = LatencyTable.load(table).predict("r64_v1.64x2_v128x2_v256x2_v512x2_c1000", (1, 3, 32, 32))
    printed = run("profile", "space", "--space", CODE, "--table", table, "--latency", "2% of resnet18")
    assert f"2% of resnet18 = {whole * 0.02:.6g} ms (resnet18: {whole:.6g} ms, predicted by the table)\n" in printed
    code = "s4-8_b8_b8_c5"
    own = latencies(table)[code]
    printed = run("profile", "space", "--space", CODE, "--table", table, "--latency", f"100% of {code}..200% of {code}")
    number = sum(own <= ms <= 2 * own for ms in latencies(table).values())
    assert f"{own:.6g} to {2 * own:.6g} ms: can be met: {number} of" in printed
    message = fault("profile", "space", "--space", CODE, "--table", table, "--latency", "80% of df1")
    assert "parts of df1 at 32x32 are not in the table" in message
    assert (
        f"`dongfeng profile measure --network df1 --input-size 32x32 --engine torch --threads 2 -o {table}`" in message
    )
    message = fault("profile", "space", "--space", CODE, "--table", table, "--latency", "80% of nothing")
    assert "'nothing' is neither a network of the zoo" in message


def test_json_has_the_same(run, table):
    expected = sorted(latencies(table).values())
    words = ("profile", "space", "--space", CODE, "--table", table, "--json")
    found = json.loads(run(*words, "--latency-min", "0.5", "--latency-max", "1000us"))
    inside = sum(0.5 <= ms <= 1 for ms in expected)
    assert found["interval"] == {"latency_ms": [0.5, 1.0], "shares": [], "networks": [inside, inside]}
    assert found["networks"] == len(expected) and found["fastest"]["latency_ms"] == expected[0]
    assert found["middle_ms"] == [expected[(len(expected) - 1) // 2]] * 2
    assert sum(row["networks"][0] for row in found["histogram"]) == len(expected)
    assert "interval" not in json.loads(run(*words))


def test_the_picture(run, table, tmp_path, fault, monkeypatch):
    pytest.importorskip("matplotlib")
    words = ("profile", "space", "--space", CODE, "--table", table, "--latency", "1ms", "--plot")
    run(*words, tmp_path / "space.png")
    assert (tmp_path / "space.png").read_bytes().startswith(b"\x89PNG")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert "pip install 'dongfeng[plot]'" in fault(*words, tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--latency", "fast"], "expected milliseconds"),
        (["--latency", "2..x"], "expected milliseconds"),
        (["--latency-max", "1..2"], "expected milliseconds"),
    ],
)
def test_limits_that_are_none(table, words, message, capsys, run):
    with pytest.raises(SystemExit):
        run("profile", "space", "--space", CODE, "--table", table, *words)
    assert message in capsys.readouterr().err


def test_limits_that_contradict_each_other(fault, table):
    words = ("profile", "space", "--space", CODE, "--table", table)
    assert "--latency 2 and --latency-max 1" in fault(*words, "--latency", "2", "--latency-max", "1")
    assert "at most 0ms: no network takes no time, expected more than 0 ms" in fault(*words, "--latency", "0ms")
    assert "the least, 2 (2 ms), is above the most, 1 (1 ms)" in fault(*words, "--latency", "2..1")
