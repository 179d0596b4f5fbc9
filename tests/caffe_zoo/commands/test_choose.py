"""The command that reads networks off a table: what it prints, writes and refuses."""

import csv
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from caffe_zoo.cli import _parser
from converters import check_target, load_weights, read_target, to_torch
from prototxt_gen import generate, parse_architecture, read_prototxt, summarize, to_text
from search import LatencyTable, choose, cut_space, load_data, parse_space, read_known
from search.latency.measuring import Entry
from search.latency.predicting import space_parts
from search.strategies.accuracy_table import AccuracyTable, named_rows
from search.training.training import evaluate
from tests.search.own_targets import own_target

ROOT = Path(__file__).resolve().parents[3]
CODE = "m8_i8e1_i12e1-2_i16e1-2k3-5_h32_c10_i3x16x16"
SPACE = parse_space(CODE)
CODES = [[str(unit) for unit in SPACE.layers[layer].candidates] for layer in SPACE.rows]


def table_of(provenance=None) -> AccuracyTable:
    """Larger is better."""
    accuracies = [[0.5 + 0.05 * number for number in range(len(codes))] for codes in CODES]
    return AccuracyTable(CODE, named_rows(["layer 2", "layer 3"], CODES, accuracies), 0.7, provenance=provenance or {})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Both tables, as a search leaves them."""
    folder = tmp_path_factory.mktemp("tables")
    table_of().save(folder / "accuracy.json")
    entries = {
        key: Entry(round(0.02 + summarize(part.net).multiply_adds / 1e5, 6), (0.0, 1.0), 5, part.label)
        for key, part in space_parts(SPACE).items()
    }
    LatencyTable({"device": "made up"}, entries, call_ms=0.01).save(folder / "latency.json")
    return folder


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    """A search's folder with a supernet of a few steps."""
    pytest.importorskip("sklearn")
    from search.study.ponas import run_ponas
    from search.training.one_shot import OneShot
    from search.training.schedule import Schedule

    place = tmp_path_factory.mktemp("trained")
    settings = OneShot(
        Schedule(epochs=1, batch_size=256), row_epochs=0, suffixes=1, table_images=50, statistics_images=256
    )
    run_ponas(SPACE, load_data("digits", SPACE.input_shape), place, settings)
    (place / "latency.json").write_bytes((folder / "latency.json").read_bytes())
    made = AccuracyTable.load(place / "accuracy.json")
    table_of(made.provenance).save(place / "accuracy.json")
    return place


def rows_of(printed):
    """The printed table's rows: expected accuracy and code."""
    found = [line.split() for line in printed.splitlines() if re.search(r" m8_\S+$", line)]
    return [(next(cell for cell in cells if cell.endswith("%")), cells[-1]) for cells in found]


def expected_rows(folder, limits):
    latency = LatencyTable.load(folder / "latency.json")
    found = [choose(table_of(), latency, limit) for limit in limits]
    return [(f"{one.accuracy:.2%}", str(one.architecture)) for one in found]


def test_several_limits_give_several_networks(run, folder):
    limits = [{"latency": ms, "parameters": 3600} for ms in (0.25, 0.27, 0.3)]
    words = ["--latency", "0.25", "270us", "--latency", "0.3ms", "--parameters-max", "3.6k"]
    found = rows_of(run("choose", folder, *words))
    assert found == expected_rows(folder, limits) and len(set(found)) == 3
    limits = [{"latency": 0.3, "parameters": 3500}, {"latency": 0.29, "parameters": 2500}]
    words = ["--table", folder / "latency.json", "--latency", "0.3", "0.29", "--parameters-max", "3.5k", "2500"]
    found = rows_of(run("choose", folder / "accuracy.json", *words))
    assert found == expected_rows(folder, limits) and len(set(found)) == 2


def test_without_limits_the_most_accurate_network_is_chosen(run, folder):
    printed = run("choose", folder / "accuracy.json")
    assert rows_of(printed) == [("70.00%", "m8_i8e1_i12e2_i16k5e2_h32_c10")]
    assert " ms " not in printed  # the table of latencies was not asked for


def test_a_share_of_a_networks_latency(run, folder):
    table = LatencyTable.load(folder / "latency.json")
    code = str(SPACE.of_choices((1, 3)))
    ms = 0.95 * table.predict(code, SPACE.input_shape)
    printed = run("choose", folder, "--latency", f"95% of {code}")
    assert f"= {ms:.6g} ms" in printed
    assert rows_of(printed.splitlines()[-1]) == expected_rows(folder, [ms])


def test_a_boundary_is_printed_and_written(run, folder, tmp_path):
    pytest.importorskip("matplotlib")
    printed = run("choose", folder, "--boundary", "--out", tmp_path / "out")
    codes = [code for _, code in rows_of(printed)]
    assert len(codes) > 2 and codes[-1] == "m8_i8e1_i12e2_i16k5e2_h32_c10"
    assert [known.architecture for known in read_known(tmp_path / "out" / "boundary.csv")] == codes
    assert (tmp_path / "out" / "boundary.png").stat().st_size > 1000
    assert run("choose", folder / "accuracy.json", "--boundary") != printed
    assert len(rows_of(run("choose", folder, "--boundary", "parameters", "--number", "2"))) == 2
    within = rows_of(run("choose", folder, "--boundary", "--parameters-max", "3k", "--latency", "0.28"))
    assert (
        within
        and within != rows_of(printed)
        and within[-1] == expected_rows(folder, [{"latency": 0.28, "parameters": 3000}])[0]
    )


def test_networks_are_written_one_into_the_folder_several_below_it(run, folder, tmp_path):
    run("choose", folder, "--latency", "0.25", "--out", tmp_path / "one")
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == [
        "chosen.csv",
        "deploy.prototxt",
        "merged.prototxt",
    ]
    run("choose", folder, "--latency", "0.25", "0.4", "0.4", "--out", tmp_path / "two")
    codes = [known.architecture for known in read_known(tmp_path / "two" / "chosen.csv")]
    assert len(codes) == 2 == len(set(codes))
    for code in codes:
        deploy = generate(code, input_shape=SPACE.input_shape)
        assert to_text(read_prototxt(tmp_path / "two" / "networks" / code / "deploy.prototxt")) == to_text(deploy)


def accuracy_of(folder, merged=False):
    """The accuracy of the network and weights in a folder on the digits held out."""
    net = read_prototxt(folder / ("merged.prototxt" if merged else "deploy.prototxt"))
    weights = load_weights(folder / ("merged.caffemodel" if merged else "weights.caffemodel"), net)
    data = load_data("digits", SPACE.input_shape).with_mean(parse_architecture(net.name).traits.mean)
    return evaluate(to_torch(net, weights), data.held_out)


def written_accuracy(folder):
    with (folder / "chosen.csv").open() as file:
        (line,) = csv.DictReader(file)
    return float(line["accuracy"]), line["source"]


def test_weights_are_those_of_the_supernet_and_training_goes_on_from_them(run, trained, tmp_path):
    # The table says that its images are the digits, which are always at hand.
    words = ["--latency", "0.27"]
    run("choose", trained, *words, "--out", tmp_path / "inherited")
    inherited, source = written_accuracy(tmp_path / "inherited")
    assert source == "weights of the supernet, digits 16x16"
    assert accuracy_of(tmp_path / "inherited") == pytest.approx(inherited, abs=1e-6)
    assert accuracy_of(tmp_path / "inherited", merged=True) == pytest.approx(inherited, abs=0.01)
    assert (tmp_path / "inherited" / "train_val.prototxt").exists()

    table = trained / "accuracy.json"
    more = ["--table", trained / "latency.json", "--weights", trained / "supernet.pt", "--data", "digits"]
    more += ["--fine-tune", "--epochs", "3"]
    printed = run("choose", table, *words, *more, "--out", tmp_path / "tuned")
    tuned, source = written_accuracy(tmp_path / "tuned")
    assert source == "fine-tuned for 3 epochs, digits 16x16" and f"{tuned:.2%}" in printed
    assert accuracy_of(tmp_path / "tuned") == pytest.approx(tuned, abs=1e-6)
    assert tuned > inherited + 0.1


def test_of_other_images_it_is_said_that_they_are_needed(run, fault, trained, tmp_path):
    (tmp_path / "supernet.pt").write_bytes((trained / "supernet.pt").read_bytes())
    table_of({"settings": {"data": "folder 16x16 0123456789abcdef"}}).save(tmp_path / "accuracy.json")
    printed = run("choose", tmp_path, "--out", tmp_path / "net")
    assert "supernet.pt: its weights are written with --data, the images that it was trained with" in printed
    assert not (tmp_path / "net" / "weights.caffemodel").exists()
    said = fault("choose", tmp_path, "--fine-tune", "--out", tmp_path / "net")
    assert "--weights and --fine-tune: found no images, expected --data" in said


def test_a_supernet_of_other_images_or_of_another_space_is_refused(fault, trained, tmp_path):
    for name in range(10):
        (tmp_path / "images" / f"class {name % 2}").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 16)).save(tmp_path / "images" / f"class {name % 2}" / f"{name}.png")
    words = ["--data", tmp_path / "images", "--out", tmp_path / "net"]
    assert "a supernet trained with digits 16x16, found " in fault("choose", trained, *words)
    other = CODE.replace("_h32", "_h16")
    AccuracyTable(other, table_of().rows, 0.7).save(tmp_path / "other.json")
    said = fault("choose", tmp_path / "other.json", "--weights", trained, "--data", "digits", "--out", tmp_path / "net")
    assert f"a supernet of {CODE}, expected one of the table's space, {other}" in said
    assert "supernet.pt" in fault("choose", tmp_path / "other.json", *words)
    assert not (tmp_path / "net").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--latency", "1us", "0.4"], "latency: found at most 0.001 ms, but the least of the space is 0."),
        (["--latency", "1us", "2us"], "at most 0.001 ms, .*at most 0.002 ms, "),
        (["--latency", "1", "2", "--parameters-max", "1k", "2k", "3k"], "found 2 of latency, 3 of parameters"),
        (["--boundary", "--parameters-max", "1k", "2k"], "--boundary: found 2 limits of a kind"),
        (["--boundary", "--parameters-max", "1k"], "parameters: found at most 1,000, but the least"),
        (["--boundary", "--method", "greedy", "--data", "digits"], "--data with --boundary; --method with"),
        (["--boundary", "weight"], "cost: found 'weight', expected one of latency"),
        (["--number", "3"], "--number without --boundary"),
        (["--data", "digits"], "weights to write, and no --out"),
        (["--fine-tune", "--out", "net"], "supernet.pt: found no supernet, "),
        (["--energy-max", "1mJ"], "energy: the latency table has none: "),
        (["--epochs", "3"], "--epochs, an option of training, and no --out"),
        (["--boundary", "--lr", "0.1"], "--lr with --boundary"),
        (["--data", "digits", "--out", "net"], "supernet.pt: found no supernet, expected one there or at --weights"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(fault, folder, words, told):
    assert re.search(told, fault("choose", folder, *words))


@pytest.mark.parametrize("words", ["--latency 1", "--energy-max 1mJ", "--boundary latency", "--boundary energy"])
def test_a_limit_of_latency_without_a_table_says_which_option_brings_one(fault, folder, words):
    said = fault("choose", folder / "accuracy.json", *words.split())
    assert "found no table of latencies, expected one: --table FILE" in said and words.split()[0] in said


def test_a_limit_of_infinity_is_none(run, folder):
    assert run("choose", folder, "--latency", "inf") == run("choose", folder)


def test_choosing_takes_no_torch(folder):
    """Importing it takes longer than all the rest."""
    words = ["choose", str(folder), "--latency", "0.3"]
    code = f"import sys; from caffe_zoo.cli import main; main({words!r}); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True).returncode == 0


def test_a_table_that_lacks_parts_says_how_they_are_added(fault, folder, tmp_path):
    table = LatencyTable.load(folder / "latency.json")
    table.entries.popitem()
    table.save(tmp_path / "latency.json")
    said = fault("choose", folder, "--table", tmp_path / "latency.json", "--latency", "1")
    assert f"dongfeng profile measure --space {CODE}" in said


def test_what_is_chosen_begins_a_search(run, folder, tmp_path):
    pytest.importorskip("sklearn")
    run("choose", folder, "--latency", "0.25", "0.3", "--out", tmp_path / "nets")
    known = read_known(tmp_path / "nets" / "chosen.csv")
    words = ["--space", CODE, "--table", folder / "latency.json", "--trials", "1", "--epochs", "1", "--margin", "0"]
    printed = run(
        "search", "--data", "digits", *words, "--known", tmp_path / "nets" / "chosen.csv", "--out", tmp_path / "run"
    )
    assert len(known) == 2 and all(one.architecture in printed for one in known)


def commands_of_the_page():
    page = (ROOT / "docs" / "ponas.md").read_text("utf-8")
    fenced = "\n".join(re.findall(r"```sh\n(.*?)```", page, re.DOTALL))
    return [shlex.split(line, comments=True)[1:] for line in fenced.splitlines() if line.startswith("dongfeng choose")]


@pytest.mark.parametrize("words", commands_of_the_page(), ids=" ".join)
def test_commands_of_the_page_are_commands(words):
    assert _parser("choose").parse_args(words).accuracies


def test_the_pages_python_runs(folder, monkeypatch, capsys):
    page = (ROOT / "docs" / "ponas.md").read_text("utf-8")
    (code,) = [code for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "choose(" in code]
    monkeypatch.chdir(folder)
    exec(code, {})  # noqa: S102
    assert capsys.readouterr().out.count("m8_i8e1") > 2


def test_choosing_for_a_target_gives_networks_that_it_takes_in_its_words(run, folder, tmp_path):
    target = own_target(tmp_path, [("Convolution", "kernel_h <= 3"), ("ReLU", "not in_place")])
    words = ["choose", folder, "--target", target, "--out", tmp_path / "net"]
    printed = run(*words)
    assert "target board (BVLC Caffe 1.0, " in printed and "networks are left" in printed
    ((_, code),) = rows_of(printed)
    # Larger is better, and the largest kernel is not taken.
    assert parse_architecture(code) in cut_space(SPACE, target).space and "k5" not in code
    assert "k5" in rows_of(run("choose", folder))[0][1]
    report = json.loads((tmp_path / "net/board.json").read_text())
    assert report["taken"] and report["network"] == code and report["files"]["caffemodel"] is None
    assert check_target(read_prototxt(tmp_path / "net/board.prototxt"), read_target(target)).passed
