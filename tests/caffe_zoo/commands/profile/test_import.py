"""The command that makes a table of what came back: what it prints, and what it leaves out."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from search import LatencyTable

SPACE = "s4-4_b1-2_w8-16_c3_i3x32x32"
TOOL = '#!/bin/sh\nbytes=$(wc -c <"$1")\necho "$((bytes)) us"\n'


@pytest.fixture
def folder(tmp_path, run):
    """An export and its results: a microsecond for a byte of weights."""
    blocks = tmp_path / "blocks"
    own = ("--tool", "own", "--command", "tool {caffemodel} {prototxt}", "--pattern", "([0-9]+) us", "--unit", "us")
    run("profile", "export", "--space", SPACE, *own, "--files", "caffe", "--check", 3, "--rounds", 2, "--out", blocks)
    (tmp_path / "tool").write_text(TOOL)
    (tmp_path / "tool").chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run(["sh", blocks / "measure.sh"], env=environment, check=True, capture_output=True)
    return blocks


def test_the_table_and_how_right_it_is(folder, tmp_path, run):
    printed = run("profile", "import", folder, "-o", tmp_path / "t.json", "--device-name", "Camera 7").splitlines()
    table = LatencyTable.load(tmp_path / "t.json")
    assert printed[0].split() == ["ms", "predicted", "ms", "measured", "error", "network"]
    for line, check in zip(printed[1:4], table.origin["check"], strict=True):
        predicted, measured, error, code = line.split()
        assert (float(predicted), float(measured)) == pytest.approx(
            (check["predicted_ms"], check["measured_ms"]), rel=1e-3
        )
        assert error == f"{check['predicted_ms'] / check['measured_ms'] - 1:+.1%}" and code == check["network"]
    assert printed[4].startswith("of 3 whole networks: mean error ") and "Kendall's tau 1.000" in printed[4]
    assert (
        printed[5] == f"{tmp_path / 't.json'}: {len(table.entries)} parts in 2 rounds: own, Camera 7, float32, batch 1"
    )


def test_whole_networks_drawn_and_put_to_use(folder, tmp_path, run):
    pytest.importorskip("matplotlib")
    words = ("-o", tmp_path / "t.json", "--correct", "--plot", tmp_path / "t.png")
    printed = run("profile", "import", folder, *words)
    assert re.search(
        r"corrected by 3 whole networks: .* off in the mean before|no correction: the plain sums of 3 whole networks",
        printed,
    )
    assert (tmp_path / "t.png").read_bytes().startswith(b"\x89PNG")
    assert len(LatencyTable.load(tmp_path / "t.json").correction.networks) == 3


def test_what_is_missing_is_refused_or_left_out(folder, tmp_path, run, fault):
    lost = sorted((folder / "results" / "round-2").glob("003-*.txt"))[0]
    lost.unlink()
    said = fault("profile", "import", folder, "-o", tmp_path / "t.json")
    assert said == f"dongfeng profile import: {lost.stem} (round 2): missing\n"
    assert not (tmp_path / "t.json").exists()
    assert f"left out: {lost.stem} (round 2): missing" in run(
        "profile", "import", folder, "--partial", "-o", tmp_path / "t.json"
    )


def test_a_wrong_unit_is_corrected(folder, tmp_path, run):
    run("profile", "import", folder, "-o", tmp_path / "us.json")
    run("profile", "import", folder, "--unit", "ns", "-o", tmp_path / "ns.json")
    one, other = (LatencyTable.load(tmp_path / name) for name in ("us.json", "ns.json"))
    for key, entry in one.entries.items():
        assert other.entries[key].ms == pytest.approx(entry.ms / 1000, abs=1e-6)


def test_drift_is_a_percentage(folder, tmp_path, capsys):
    from caffe_zoo.cli import main

    with pytest.raises(SystemExit):
        main(["profile", "import", str(folder), "-o", str(tmp_path / "t.json"), "--drift", "none"])
    assert "'none' is not a share above 0" in capsys.readouterr().err


def test_what_the_script_has_not_written_yet_is_said_in_words(tmp_path, run, fault):
    """Each place where results or an export are looked for and are not."""
    blocks, out = tmp_path / "blocks", ("-o", tmp_path / "t.json")
    own = ("--tool", "own", "--command", "LD_LIBRARY_PATH=. ./npu {caffemodel}", "--pattern", "([0-9]+) us")
    printed = run("profile", "export", "--space", SPACE, *own, "--files", "caffe", "--out", blocks)
    assert "on the device, where ./npu is:\n  sh blocks/measure.sh\n" in printed
    assert f"\n  dongfeng profile import {blocks} -o latency.json\n" in printed
    how = "run the export's measure.sh on the device, then copy the folder results/ that it writes back here"
    assert f"{blocks / 'results'}: is not there: {how}\n" in fault("profile", "import", blocks, *out)
    (blocks / "results").mkdir()
    assert f"{blocks / 'results'}: has no results in it: {how}\n" in fault("profile", "import", blocks, *out)
    expected = "expected the folder that `dongfeng profile export --out` wrote\n"
    assert f"{tmp_path}: has no index.json, {expected}" in fault("profile", "import", tmp_path, *out)
    assert f"{tmp_path / 'none'}: is no folder, {expected}" in fault("profile", "import", tmp_path / "none", *out)
    assert not (tmp_path / "t.json").exists()
