"""Inner widths between measured ones, on the command line: asked for by name, and never without a word."""

from dataclasses import replace

import pytest

from caffe_zoo.cli import main
from search import LatencyTable, TieredSpace, TieredStage
from search.latency import Entry, space_parts
from search.latency.far import read_export

SPACE = TieredSpace(
    (TieredStage(8, (1, 1), 2, kernels=(3,)),), (8,), 5, (1, 3, 16, 16), head=None, granularity=4, expansion=4
)
KNOTS = replace(SPACE, knots=3)


def made_up(space, path):
    """Every part takes as many milliseconds as its label has characters."""
    entries = {}
    for key, part in space_parts(space).items():
        entries[key] = Entry(float(len(part.label)), (1.0, 99.0), 3, part.label)
    LatencyTable({"engine": "torch", "device": "made up"}, entries, origin={"method": "measured"}).save(path)


def test_a_table_is_interpolated(tmp_path, run):
    made_up(KNOTS, tmp_path / "knots.json")
    printed = run("profile", "interpolate", tmp_path / "knots.json", "--space", SPACE, "-o", tmp_path / "all.json")
    table = LatencyTable.load(tmp_path / "all.json")
    assert table.entries.keys() == space_parts(SPACE).keys()
    first, *remarks = printed.splitlines()
    assert first == f"{tmp_path / 'all.json'}: 9 parts, 5 of them measured"
    assert remarks == [f"{tmp_path / 'all.json'}: {remark}" for remark in table.remarks()] and len(remarks) == 1
    assert f"4 parts of {SPACE} are interpolated between 3 measured inner widths" in remarks[0]
    said = run("profile", "space", "--space", SPACE, "--table", tmp_path / "all.json")
    assert said.count("4 parts of") == 1 and table.remarks()[0] in said


def test_measuring_some_widths_tells_all(tmp_path, run, capsys):
    pytest.importorskip("torch")
    path = tmp_path / "latency.json"
    # All parts are known so well after a moment, unless the machine is busy.
    options = ["--knots", "3", "--threads", "1", "--budget", "0.5", "--spread", "90%"]
    command = ["profile", "measure", "--space", str(SPACE), *options, "-o", str(path)]
    # The status is 1 where the machine changed its speed.
    assert main(command) in (0, 1)
    printed = "".join(capsys.readouterr())
    table = LatencyTable.load(path)
    measured = {key for key, entry in table.entries.items() if entry.samples}
    assert (measured, set(table.entries)) == (set(space_parts(KNOTS)), set(space_parts(SPACE)))
    assert f"{path}: 5 parts, spread at most" in printed and f"{path}: 9 parts with the interpolated ones" in printed
    assert f"{path}: 4 parts of {SPACE} are interpolated" in printed
    # Again: nothing is left to measure, and the table stays.
    before = path.read_bytes()
    assert main(command) in (0, 1)
    capsys.readouterr()
    assert path.read_bytes() == before
    predicted = run("profile", "predict", path, "g8_i8h16_c5", "--input-size", "16x16")
    assert "inverted 8-16-8 s2 8x8 (estimated)" in predicted


def test_some_widths_are_exported(tmp_path, run):
    options = ["--tool", "caffe", "--files", "caffe", "--out", tmp_path]
    run("profile", "export", "--space", SPACE, "--knots", 3, *options)
    parts = [network.key for network in read_export(tmp_path).networks if network.kind == "part"]
    assert set(parts) == space_parts(KNOTS).keys()


def test_a_table_of_some_widths_alone_says_what_can_be_done(tmp_path, fault):
    path = tmp_path / "latency.json"
    made_up(KNOTS, path)
    said = fault("profile", "space", "--space", SPACE, "--table", path)
    assert (
        f"`dongfeng profile measure --space {SPACE} --engine torch -o {path}` adds them, or `dongfeng profile" in said
    )
    assert f"`dongfeng profile interpolate {path} --space {SPACE} -o {path}` tells them by their neighbours; " in said
    wider = replace(SPACE, expansion=6)
    assert "interpolate" not in fault("profile", "space", "--space", wider, "--table", path)
    said = fault("profile", "interpolate", path, "--space", wider, "-o", tmp_path / "all.json")
    assert "not between measured inner widths: " in said and "(measured: 4 to 32)" in said
    assert not (tmp_path / "all.json").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["measure", "--network", "df1", "--knots", 3], "--knots is for --space"),
        (["measure", "--space", KNOTS, "--knots", 3], "has 3 already: give it whole"),
        (["measure", "--space", "s4-8_b1-2_w8_c10_i3x32x32", "--knots", 3], "expected one of Tiered Pruning"),
        (["measure", "--space", SPACE, "--knots", 1], "knots has 1, expected"),
        (["interpolate", "none.json", "--space", "s4-8_b1-2_w8_c10_i3x32x32"], "expected a space of Tiered Pruning"),
        (["interpolate", "none.json", "--space", SPACE], "none.json"),
    ],
)
def test_what_cannot_be_interpolated_is_one_line(tmp_path, fault, words, message):
    assert message in fault("profile", *words, "-o", tmp_path / "latency.json")
