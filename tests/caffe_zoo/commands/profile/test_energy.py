"""dongfeng profile energy: what is read, written and printed, and what is refused."""

from __future__ import annotations

import re

import numpy as np
import pytest

from caffe_zoo.cli import main
from prototxt_gen import parts
from search import LatencyTable
from search.latency import Entry, space_parts
from search.spaces import parse_space
from tests.search.latency.fitting.made_up import SPACE, device_ms, drawn

SMALL = parse_space("s4-8_b1-2_b1-1_w8-16_c10_i3x16x16")


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "board.json"
    entries = {key: Entry(1.0, (1, 1), 1, part.label) for key, part in space_parts(SMALL).items()}
    LatencyTable({"engine": "board"}, entries).save(path)
    return path


def written(path, first, lines):
    path.write_text("\n".join([first, *(f"{name},{mj}" for name, mj in lines), ""]))
    return str(path)


def test_energies_of_parts(table, tmp_path, capsys):
    own = [part.key for part in parts(SMALL.at(0), SMALL.input_shape)]
    lacking = next(key for key in space_parts(SMALL) if key not in own)
    most = [key for key in space_parts(SMALL) if key != lacking]
    source = written(tmp_path / "parts.csv", "part,mj", [*((key, 2.5) for key in most), (lacking, ""), ("call", 0.5)])
    assert main(["profile", "energy", source, "--table", str(table), "-o", str(tmp_path / "more.json")]) == 0
    assert f"energies of {len(most)} parts; 1 have none" in capsys.readouterr().out
    energy = LatencyTable.load(tmp_path / "more.json").energy
    assert energy.parts == dict.fromkeys(most, 2.5) and energy.call_mj == 0.5
    assert LatencyTable.load(table).energy is None
    for path, told in ((table, " ms\n"), (tmp_path / "more.json", rf" ms, {0.5 + 2 * len(own):.4g} mJ\n")):
        assert main(["profile", "predict", str(path), str(SMALL.at(0)), "--input-size", "16x16"]) == 0
        assert re.match(rf"\S+: \S+{told}", capsys.readouterr().out)


def test_energies_of_networks(table, tmp_path, capsys):
    networks = drawn(20)
    lines = [(one, device_ms(one)) for one in networks[:19]] + [(networks[19], "")]
    source = written(tmp_path / "networks.csv", "architecture,mj", lines)
    words = ["profile", "energy", source, "--table", str(table), "--space", str(SPACE), "-o", str(table)]
    status = main(words)
    printed = capsys.readouterr().out
    found = LatencyTable.load(table).energy
    assert f"energies of {len(found.parts)} parts from 19 measurements of 19 networks, 1 lines without one" in printed
    assert space_parts(SPACE).keys() <= found.parts.keys()
    error = found.origin["cross_validation"]["mean_error"]
    assert f"mean error {error:.2%}" in printed and status == (error > 0.05)


def test_energies_that_are_too_rough_are_written_and_told(table, tmp_path, capsys):
    lines = zip(drawn(12), np.random.default_rng(0).uniform(1, 20, 12), strict=True)
    source = written(tmp_path / "networks.csv", "architecture,mj", lines)
    words = ["profile", "energy", source, "--table", str(table), "--input-size", "96x96", "-o", str(table)]
    assert main(words) == 1
    assert re.search(r"too rough .*; measure more networks, which", capsys.readouterr().out)
    assert LatencyTable.load(table).energy is not None


@pytest.mark.parametrize(
    ("texts", "more", "message"),
    [
        (["part,ms\nx,3\n"], [], "line 1: found 'part,ms', expected part,mj"),
        (["network,mj\ndf1,3\n"], [], "line 1: found 'network,mj', expected architecture,mj"),
        (["part,mj\nx,3\n"], [], "energies: found x, expected keys of parts in the table"),
        (["part,mj\nx,3\nx,4\n"], [], "part x: found twice"),
        (["part,mj\nx,much\n"], [], "line 2: found 'much', expected millijoules"),
        (["architecture,mj\ndf1,-3\n"], [], "line 2: found -3 mj, expected a number above 0"),
        (["architecture,mj\ndf1,\n"], [], "found no millijoules behind any of the 1 networks"),
        (["architecture,mj\ndf1,3\n"], [], "found 1 different ones, expected at least 5"),
        (["architecture,mj\ndf1,3\n", "part,mj\nx,3\n"], [], "found networks and parts, expected one of both"),
        (["part,mj\nx,3\n"], ["--input-size", "16x16"], "--input-size: found with energies of parts"),
    ],
)
def test_what_is_no_list_of_energies_is_refused(table, tmp_path, capsys, texts, more, message):
    sources = []
    for number, text in enumerate(texts):
        sources.append(str(tmp_path / f"{number}.csv"))
        (tmp_path / f"{number}.csv").write_text(text)
    before = table.read_bytes()
    assert main(["profile", "energy", *sources, "--table", str(table), *more, "-o", str(table)]) == 2
    assert re.search(message, capsys.readouterr().err)
    assert table.read_bytes() == before
