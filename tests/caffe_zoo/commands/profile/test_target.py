"""`--target` on the sub-commands of profile: spaces are cut and networks left out first, exports are in its words."""

import csv
import json

import pytest

from caffe_zoo.cli import main
from converters.targets.checking import check_target
from converters.targets.reading import read_target
from prototxt_gen import parse_architecture, parts, read_prototxt, summarize
from search import LatencyTable, cut_space, parse_space
from search.latency.measuring import Entry
from search.latency.predicting import space_parts
from tests.search.own_targets import own_target

SPACE = "s4-8_b1-2_b1-1_w8-16_c10_i3x32x32"
CUT = "s4-8_b1-2_b1-1_w8_c10_i3x32x32"
LEFT, OUT = "s4-8_b8_b8_c10", "s4-8_b8_b16_c10"
TOLD = "target board (BVLC Caffe 1.0, "
NUMBERS = "2 of 7 networks are left; 5 of 11 blocks are not taken"


@pytest.fixture
def run(capsys):
    """Runs a command line that ends with one of some statuses; gives what it prints."""

    def run(*words, status=(0,)):
        assert main([str(word) for word in words]) in status
        printed = capsys.readouterr()
        return printed.out + printed.err

    return run


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    """A file of a target that takes no wide layer, and no name of more than eight characters."""
    rules = [("Convolution", "num_output <= 8"), ("'*'", "name_length <= 8")]
    return own_target(tmp_path_factory.mktemp("targets"), rules)


def table_of(space):
    entries = {
        key: Entry((1 + summarize(part.net).multiply_adds) / 1e5, (0.0, 1.0), 5, part.label)
        for key, part in space_parts(parse_space(space)).items()
    }
    return LatencyTable({"engine": "made up"}, entries, call_ms=1e-6)


@pytest.fixture
def table(tmp_path):
    """A table of what the target takes alone."""
    table_of(CUT).save(tmp_path / "latency.json")
    return tmp_path / "latency.json"


def test_only_what_is_left_is_measured(run, tmp_path, target):
    pytest.importorskip("torch")
    options = ["--threads", "1", "--spread", "50%", "--budget", "0.01", "--target", str(target)]
    printed = run("profile", "measure", "--space", SPACE, *options, "-o", str(tmp_path / "cut.json"), status=(0, 1))
    assert printed.startswith(TOLD) and NUMBERS in printed
    assert set(LatencyTable.load(tmp_path / "cut.json").entries) <= set(space_parts(parse_space(CUT)))
    asked = ["--network", LEFT, "--network", OUT, "--input-size", "32x32"]
    printed = run("profile", "measure", *asked, *options, "-o", str(tmp_path / "two.json"), status=(0, 1))
    assert f"target board: 1 of 2 networks are left\n  left out: {OUT}: layer " in printed
    keys = {part.key for part in parts(LEFT, (1, 3, 32, 32))}
    assert set(LatencyTable.load(tmp_path / "two.json").entries) <= keys


def test_predictions_are_of_what_is_left(run, table, target):
    printed = run("profile", "space", "--space", SPACE, "--target", str(target), "--table", str(table))
    assert printed.startswith(TOLD) and NUMBERS in printed and f"{CUT}: 2 architectures" in printed
    told = json.loads(
        run("profile", "space", "--space", SPACE, "--target", str(target), "--table", str(table), "--json")
    )
    assert (told["networks"], told["cut"]["networks"], told["cut"]["left"]) == (2, 7, 2)
    # The table has no others.
    run("profile", "space", "--space", SPACE, "--table", str(table), status=(2,))
    printed = run("profile", "predict", str(table), OUT, LEFT, "--input-size", "32x32", "--target", str(target))
    assert f"left out: {OUT}: layer " in printed and "Convolution num_output: found num_output 16" in printed
    assert f"\n{LEFT}: " in printed and f"\n{OUT}: " not in printed


def test_networks_of_which_none_is_left(run, table, target):
    told = run("profile", "predict", str(table), OUT, "--input-size", "32x32", "--target", str(target), status=(2,))
    assert f"target board: takes none of the networks: {OUT}: layer " in told


def test_what_is_exported_is_in_the_targets_words_and_the_table_has_the_parts_keys(run, tmp_path, target):
    tool = ["--tool", "own", "--command", "x {prototxt}", "--pattern", "([0-9.]+) ms", "--files", "caffe"]
    printed = run("profile", "export", "--space", SPACE, "--target", str(target), *tool, "--check", "2", "--out",
                  str(tmp_path / "out"))  # fmt: skip
    assert NUMBERS in printed
    index = json.loads((tmp_path / "out/index.json").read_text())
    found = read_target(target)
    assert index["subject"] == f"space {CUT}, in the words of board 1.0 ({found.digest})"
    keys = {one["key"] for one in index["networks"] if one["kind"] == "part"}
    assert keys == set(space_parts(parse_space(CUT)))
    for one in index["networks"]:
        report = check_target(read_prototxt(tmp_path / "out/networks" / f"{one['name']}.prototxt"), found)
        assert report.passed, one["name"]
    # Another target would be another export.
    other = own_target(tmp_path, [("Convolution", "num_output <= 8")], name="other")
    words = ["profile", "export", "--space", SPACE, "--target", str(other), *tool, "--out", str(tmp_path / "out")]
    assert "another export is here" in run(*words, status=(2,))


def test_networks_of_a_list_that_are_not_taken_are_not_exported(run, tmp_path, target):
    tool = ["--tool", "own", "--command", "x {prototxt}", "--pattern", "([0-9.]+) ms", "--files", "caffe"]
    asked = ["--network", LEFT, OUT, "--input-size", "32x32", "--target", str(target)]
    printed = run("profile", "export", *asked, *tool, "--out", str(tmp_path / "out"))
    assert "1 of 2 networks are left" in printed
    index = json.loads((tmp_path / "out/index.json").read_text())
    keys = {one["key"] for one in index["networks"] if one["kind"] == "part"}
    assert keys == {part.key for part in parts(LEFT, (1, 3, 32, 32))}


def test_networks_to_time_next_are_of_the_cut_space_in_the_targets_words(run, tmp_path, target):
    printed = run("profile", "next", "--space", SPACE, "--target", str(target), "--count", "2", "--out",
                  str(tmp_path / "nets"), "-o", str(tmp_path / "times.csv"))  # fmt: skip
    assert NUMBERS in printed and f"--space {CUT}" in printed
    codes = [row["architecture"] for row in csv.DictReader((tmp_path / "times.csv").read_text().splitlines())]
    assert {parse_architecture(code) for code in codes} == set(parse_space(CUT))
    for code in codes:
        assert check_target(read_prototxt(tmp_path / "nets" / f"{code}.prototxt"), read_target(target)).passed
        assert (tmp_path / "nets" / f"{code}.onnx").is_file()


def test_a_fit_holds_the_parts_that_are_left(run, tmp_path, target):
    networks = [str(one) for one in parse_space("s4-8_b1-3_b1-2_w8-16_c10_i3x32x32")][:9]
    lines = [f"{code},{1 + number}" for number, code in enumerate(networks)]
    (tmp_path / "times.csv").write_text("\n".join(["architecture,ms", *lines]))
    words = ["profile", "fit", str(tmp_path / "times.csv"), "--input-size", "32x32", "--device-name", "x"]
    words += ["-o", str(tmp_path / "fit.json"), "--target", str(target)]
    wide = "s4-8_b1-2_b1-1_w8-32_c10_i3x32x32"
    printed = run(*words, "--space", wide, status=(0, 1))
    assert "networks are left" in printed
    entries = set(LatencyTable.load(tmp_path / "fit.json").entries)
    left = set(space_parts(cut_space(parse_space(wide), target).space))
    assert left <= entries and not (set(space_parts(parse_space(wide))) - left) & entries
    assert "--target is for --space" in run(*words, status=(2,))


def test_the_zoo_is_timed_as_far_as_it_is_taken(run, tmp_path):
    target = own_target(tmp_path, [("network", "layers <= 100")], name="small")
    printed = run("profile", "zoo", "--networks", "df1", "resnet50", "--target", str(target), "--rounds", "1",
                  "--threads", "1", status=(0, 2))  # fmt: skip
    assert "target small: 1 of 2 networks are left" in printed and "left out: resnet50 at 224x224: " in printed
