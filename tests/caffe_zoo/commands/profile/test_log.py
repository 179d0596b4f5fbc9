"""`dongfeng profile log`: a table from a log, more logs into it, estimates said as such."""

import json

import pytest

from search import LatencyTable

CODE = "s4-8_b8x2_c6"
ROWS = [
    ("conv1 + conv1/relu", 0.5),
    ("conv2 + conv2/relu", 0.25),
    *((f"res2.{block}.{name}", 0.125) for block in (1, 2) for name in ("conv1", "conv2")),
    ("res2.1.skipConv + res2.1.sum + res2.1.relu", 0.125),
    ("pool3", 0.0625),
    ("fc", 0.0625),
]


@pytest.fixture
def profile(tmp_path):
    path = tmp_path / "profile.json"
    rows = [f', {{ "name" : "{name}", "timeMs" : 1, "averageMs" : {ms}, "percentage" : 1 }}' for name, ms in ROWS]
    path.write_text("\n".join(["[", '  { "count" : 8 }', *rows, "]"]))
    return path


def test_a_table_of_a_profile(run, profile, tmp_path):
    table = tmp_path / "latency.json"
    words = ("profile", "log", profile, "--network", CODE, "--input-size", "64x64", "-o", table)
    printed = run(*words, "--device-name", "A card", "--precision", "float16")
    assert printed == (
        f"{profile}: 9 rows, 1.5 ms: trtexec, A card, float16, batch 1\n"
        f"{table}: 4 parts\n"
    )  # fmt: skip
    found = LatencyTable.load(table)
    assert found.predict(CODE, (1, 3, 64, 64)) == pytest.approx(1.5)
    assert found.target["device"] == "A card" and found.origin["method"] == "log"


def test_more_logs_and_estimates(run, fault, profile, tmp_path):
    table = tmp_path / "latency.json"
    words = ("profile", "log", profile, "--network", CODE, "--input-size", "64x64", "-o", table)
    run(*words)
    assert "profile.json: is in the table already" in fault(*words)
    more = tmp_path / "more.json"
    more.write_text(profile.read_text() + "\n")
    printed = run(
        "profile", "log", more, "--network", CODE, "--input-size", "64x64", "-o", table,
        "--estimate", "s4-8_b8x3_c7", "--estimate", "s4-8_n8_c6",
    )  # fmt: skip
    assert "estimated: head 8-7 8x8 (estimated) 0.1" in printed
    assert "s4-8_b8x3_c7: 1.75" in printed and "ms of them estimated" in printed
    assert "s4-8_n8_c6: no part of this form in the log: bottleneck 8-8-" in printed
    document = json.loads(table.read_text())
    assert [log["file"] for log in document["origin"]["logs"]] == ["profile.json", "more.json"]
    assert set(document["origin"]["estimated"]) == {
        key for key, entry in document["entries"].items() if entry["label"].endswith("(estimated)")
    }


def test_what_does_not_fit_is_listed_and_nothing_written(fault, profile, tmp_path):
    table = tmp_path / "latency.json"
    said = fault("profile", "log", profile, "--network", "s4-8_b8x3_c6", "--input-size", "64x64", "-o", table)
    assert "not a whole log of s4-8_b8x3_c6 for an input of 1x3x64x64: layers without a row: res2.3.conv1" in said
    assert not table.exists()
    said = fault("profile", "log", tmp_path / "none", "--network", CODE, "-o", table)
    assert "none: cannot be read" in said


def test_a_row_of_several_parts_is_shared_out_by_choice(run, fault, profile, tmp_path):
    profile.write_text(profile.read_text().replace("pool3", "res2.2.relu + pool3"))
    words = ("profile", "log", profile, "--network", CODE, "--input-size", "64x64", "-o", tmp_path / "latency.json")
    assert "rows of several parts, which are shared out only by choice: 'res2.2.relu + pool3'" in fault(*words)
    assert "rows shared out by multiply-adds: 1\n" in run(*words, "--share")
