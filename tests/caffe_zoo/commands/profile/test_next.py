"""dongfeng profile next: networks written for the user's own tool, and the list to fill in."""

from __future__ import annotations

import csv

import pytest

from caffe_zoo.cli import main
from prototxt_gen import parse_architecture
from search import LatencyTable, parse_space
from tests.search.latency.fitting.made_up import device_ms

SPACE = "s8-16_b1-2_b1-2_b1-2_w8-16-32_c10_i3x64x64"


def run(*arguments):
    return main(["profile", *map(str, arguments)])


def fill_in(path):
    """What the device's tool says of each network."""
    lines = list(csv.DictReader(path.read_text().splitlines()))
    for line in lines:
        line["ms"] = device_ms(line["architecture"])
    path.write_text("architecture,ms\n" + "".join(f"{line['architecture']},{line['ms']}\n" for line in lines))
    return [line["architecture"] for line in lines]


def test_next_and_fit_in_turns(tmp_path, capsys):
    first, second, out = tmp_path / "first.csv", tmp_path / "second.csv", tmp_path / "latency.json"
    assert run("next", "--space", SPACE, "--count", 6, "--out", tmp_path / "nets", "-o", first) == 0
    printed = capsys.readouterr().out
    assert f"{tmp_path / 'nets'}: 6 networks, the most telling first" in printed
    assert f"dongfeng profile fit {first} --space {SPACE} --device-name NAME -o latency.json" in printed
    chosen = fill_in(first)
    assert all(parse_architecture(code) in parse_space(SPACE) for code in chosen)
    written = sorted(path.name for path in (tmp_path / "nets").iterdir())
    assert written == sorted(f"{code}.{kind}" for code in chosen for kind in ("prototxt", "caffemodel", "onnx"))
    assert run("next", "--space", SPACE, "--times", first, "--count", 4, "--out", tmp_path / "more", "-o", second) == 0
    assert not set(chosen) & set(fill_in(second))
    assert run("fit", first, second, "--space", SPACE, "--device-name", "NPU", "-o", out) == 0
    assert LatencyTable.load(out).origin["networks"] == 10


def test_times_are_not_written_over(tmp_path, capsys):
    times = tmp_path / "first.csv"
    times.write_text("architecture,ms\n")
    assert run("next", "--space", SPACE, "--out", tmp_path / "nets", "-o", times) == 2
    assert "first.csv: exists, and may hold times" in capsys.readouterr().err
    assert not (tmp_path / "nets").exists()


@pytest.mark.parametrize(("count", "status"), [(5, 0), (10_000, 2)])
def test_more_than_there_are(tmp_path, capsys, count, status):
    found = run("next", "--space", SPACE, "--count", count, "--out", tmp_path / "nets", "-o", tmp_path / "next.csv")
    assert found == status
    if status:
        assert "that are not timed yet, expected 10000" in capsys.readouterr().err
        assert not (tmp_path / "next.csv").exists()
