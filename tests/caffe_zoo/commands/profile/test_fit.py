"""dongfeng profile fit: what is read, written and printed, and when a table is too rough."""

from __future__ import annotations

import re

import numpy as np
import pytest

from caffe_zoo.cli import main
from search import LatencyTable
from tests.search.latency.fitting.made_up import SPACE, device_ms, drawn


def written(path, networks, times):
    path.write_text("architecture,ms\n" + "".join(f"{one},{ms}\n" for one, ms in zip(networks, times, strict=True)))
    return str(path)


def test_a_table_of_times(tmp_path, capsys):
    networks = drawn(21)
    times = [*(device_ms(one) for one in networks[:20]), ""]
    source, out = written(tmp_path / "times.csv", networks, times), tmp_path / "latency.json"
    assert main(["profile", "fit", source, "--space", str(SPACE), "--device-name", "NPU 3", "-o", str(out)]) == 0
    table = LatencyTable.load(out)
    assert table.target == {"device": "NPU 3"}
    assert table.predict(networks[20], SPACE.input_shape) == pytest.approx(device_ms(networks[20]), rel=0.05)
    printed = capsys.readouterr().out
    assert f"{out}: {len(table.entries)} parts from 20 times of 20 networks, 1 line without a time left out" in printed
    assert "of these parts are in no network timed" in printed
    assert "networks left out in turn: mean error " in printed


def test_a_table_that_is_too_rough_is_written_and_told(tmp_path, capsys):
    rng = np.random.default_rng(0)
    source = written(tmp_path / "times.csv", drawn(12), rng.uniform(1, 20, 12))
    out = tmp_path / "latency.json"
    assert main(["profile", "fit", source, "--input-size", "96x96", "--device-name", "NPU", "-o", str(out)]) == 1
    assert re.search(r"too rough .* off in the mean, at most 5\.00% is expected", capsys.readouterr().out)
    assert LatencyTable.load(out).origin["cross_validation"]["mean_error"] > 0.05


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: found '', expected architecture,ms"),
        ("network,time\ndf1,3\n", "line 1: found 'network,time', expected architecture,ms"),
        (
            "architecture,ms\ndf1,3\ndf9,2\ndf2,fast\n",
            "line 3: 'df9' is neither a network .* line 4: found 'fast', expected milliseconds",
        ),
        ("architecture,ms\ndf1,3\ndf2\n", "found 1 different ones"),
        ("architecture,ms\n", "found 0 different ones"),
        (
            "architecture,ms\ndf1,\ndf2\n",
            "found no milliseconds behind any of the 2 networks: measure them on",
        ),
        ("architecture,ms\ndf1,nan\n", "line 2: found nan ms, expected a number above 0"),
        ("architecture,ms\ndf1,1e300\n", "line 2: found 1e300 ms"),
        ("architecture,ms\n" + "a" * 200_000 + ",1\n", "line 2: field larger than field limit"),
    ],
)
def test_files_that_are_no_times(tmp_path, capsys, text, message):
    source = tmp_path / "times.csv"
    source.write_text(text)
    assert main(["profile", "fit", str(source), "--device-name", "NPU", "-o", str(tmp_path / "latency.json")]) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "latency.json").exists()


def test_networks_of_another_size_are_not_predicted(tmp_path, capsys, fault):
    networks = drawn(8)
    source, out = written(tmp_path / "times.csv", networks, map(device_ms, networks)), str(tmp_path / "latency.json")
    assert main(["profile", "fit", source, "--space", str(SPACE), "--device-name", "NPU", "-o", out]) in (0, 1)
    assert main(["profile", "predict", out, str(networks[0]), "--input-size", "96x96"]) == 0
    capsys.readouterr()
    message = fault("profile", "predict", out, networks[0])
    assert (
        f"{out}: {networks[0]} at (1, 3, 224, 224): found inputs of (1, 3, 224, 224); the table was fitted" in message
    )
    assert "--input-size gives another size" in message


def test_networks_timed_more_than_once_are_counted_once(tmp_path, run):
    networks = drawn(6)
    source = written(tmp_path / "times.csv", networks * 2, [*map(device_ms, networks)] * 2)
    words = ("--input-size", "96x96", "--device-name", "NPU", "--limit", "1000%", "-o", tmp_path / "latency.json")
    assert "parts from 12 times of 6 networks\n" in run("profile", "fit", source, *words)


def test_a_table_without_a_device_is_not_made(tmp_path, capsys):
    source = written(tmp_path / "times.csv", drawn(6), range(1, 7))
    with pytest.raises(SystemExit):
        main(["profile", "fit", source, "-o", str(tmp_path / "latency.json")])
    assert "the following arguments are required: --device-name" in capsys.readouterr().err
