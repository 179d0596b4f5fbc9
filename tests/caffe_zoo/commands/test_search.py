"""The command that searches: what it prints, what it refuses, and where it stops."""

import argparse
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from caffe_zoo.commands.search import add_arguments, run
from prototxt_gen.errors import ArchitectureError, FormatError, NotInstalledError
from search import LatencyTable
from tests.search.own_targets import own_target

TINY = "s4-8_b1-2_b1-1_w8-16_c10_i3x16x16"


def command(*words: str) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return run(parser.parse_args(words))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    pytest.importorskip("sklearn")
    folder = tmp_path_factory.mktemp("finished") / "runs" / "digits"
    words = ["--data", "digits", "--out", str(folder), "--space", TINY, "--trials", "4", "--epochs", "2"]
    assert command(*words) == 0
    return folder, words


def test_the_same_command_again_trains_nothing_and_tells_the_same(finished, capsys):
    folder, words = finished
    before = json.loads((folder / "boundary.json").read_text())
    assert command(*words) == 0
    printed = capsys.readouterr().out
    after = json.loads((folder / "boundary.json").read_text())
    for network in (*before["networks"], *after["networks"]):
        network["latency_ms"].pop("measured")
    assert before == after
    for network in after["networks"]:
        assert f"{network['accuracy']:.2%}" in printed and network["code"] in printed
    counts = after["counts"]
    assert f"{counts['space']} architectures in the space" in printed
    assert f"{counts['trained']} trained, {counts['pruned']} pruned" in printed


def test_a_search_for_a_target_tells_the_cut_first_and_the_check_last(tmp_path, capsys):
    pytest.importorskip("sklearn")
    target = own_target(tmp_path, [("Convolution", "num_output <= 8")])
    words = ["--data", "digits", "--space", TINY, "--trials", "1", "--epochs", "1", "--out", str(tmp_path / "run")]
    assert command(*words, "--threads", "1", "--target", str(target)) == 0
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first.startswith("target board (") and first.endswith(
        ": 2 of 7 networks are left; 5 of 11 blocks are not taken"
    )
    assert last.startswith("target board: 1 of 1 networks are taken: networks/*/board.prototxt; with their weights, ")
    with pytest.raises(FormatError, match=r"target: was .*, is None"):
        command(*words, "--threads", "1")


def test_the_engine_that_measures_may_be_another(tmp_path, capsys):
    pytest.importorskip("sklearn")
    pytest.importorskip("onnxruntime")
    words = ["--data", "digits", "--space", TINY, "--trials", "1", "--epochs", "1", "--out", str(tmp_path / "run")]
    assert command(*words, "--engine", "onnxruntime", "--threads", "1") == 0
    assert "latency of onnxruntime, " in capsys.readouterr().out
    target = json.loads((tmp_path / "run" / "latency.json").read_text())["target"]
    assert (target["engine"], target["threads"]) == ("onnxruntime", 1)


def test_networks_are_limited_by_what_they_cost(tmp_path, capsys):
    pytest.importorskip("sklearn")
    words = ["--out", str(tmp_path / "run"), "--space", "s4_b1-2_b1-1_w8-100_c10_i3x16x16", "--epochs", "1"]
    limits = ["--multiply-adds-max", "2.3M", "--parameters-min", "3k", "--memory-max", "8KiB", "--trials", "2"]
    assert command(*words, *limits) == 0
    document = json.loads((tmp_path / "run" / "boundary.json").read_text())
    assert document["limits"] == {"multiply-adds": [0, 2_300_000], "parameters": [3000, None], "memory": [0, 8192]}
    assert (document["counts"]["in_interval"], document["counts"]["space"]) == (3, 7)
    for network in document["networks"]:
        assert network["peak_memory"] <= 8192 and network["parameters"] >= 3000
        assert network["multiply_adds"] <= 2_300_000
    assert "left out by latency 0, by multiply-adds 2, by parameters 1, by memory 3)" in capsys.readouterr().out
    with pytest.raises(ArchitectureError, match="memory: found at most 8 bytes, but the least of the space is"):
        command(*words, "--memory-max", "8")


def test_a_limit_as_a_share_of_a_network(finished, tmp_path, capsys):
    """Its parts are measured into the table once, so that the same command goes on with the same limit."""
    folder, _ = finished
    out = tmp_path / "run"
    out.mkdir()
    shutil.copy(folder / "latency.json", out)
    other = "s4-8_b32_b32_c10"
    words = ["--out", str(out), "--space", TINY, "--trials", "1", "--epochs", "1", "--latency", f"2000% of {other}"]
    assert command(*words) == 0
    first = capsys.readouterr().out
    table = LatencyTable.load(out / "latency.json")
    expected = table.predict(other, (1, 3, 16, 16))
    assert f"2000% of {other} = {20 * expected:.6g} ms" in first
    (line,) = (line for line in first.splitlines() if "can be met" in line)
    assert line.startswith(f"at most {20 * expected:.6g} ms: can be met: ") and " of 7 architectures" in line
    before = (out / "latency.json").read_bytes()
    assert command(*words) == 0
    assert line in capsys.readouterr().out and (out / "latency.json").read_bytes() == before


def test_another_limit_is_refused_and_the_search_goes_on_with_its_own(finished, tmp_path):
    """Though the other one brings parts of another network into the table."""
    folder, words = finished
    out = tmp_path / "run"
    shutil.copytree(folder, out)
    words = [*words, "--out", str(out)]
    before = LatencyTable.load(out / "latency.json")
    with pytest.raises(FormatError, match="latency: was"):
        command(*words, "--latency", "2000% of s4-8_b32_b32_c10")
    after = LatencyTable.load(out / "latency.json")
    assert after.call_ms == before.call_ms and len(after.entries) > len(before.entries)
    assert {key: after.entries[key] for key in before.entries} == before.entries
    assert command(*words) == 0


def test_what_is_wrong_with_the_table_is_told(finished, tmp_path, capsys):
    folder, words = finished
    out = tmp_path / "run"
    shutil.copytree(folder, out)
    document = json.loads((out / "latency.json").read_text())
    document["origin"]["drift"] = {"longer": 0.5, "slow_rounds": [5, 8], "fast_rounds": [1, 4]}
    (out / "latency.json").write_text(json.dumps(document))
    assert command(*words, "--out", str(out)) == 0
    told = capsys.readouterr().err
    assert f"{out / 'latency.json'}: the machine changed its speed: parts took 50.0% longer in rounds 5 to 8" in told


def test_a_limit_that_no_network_meets_is_told_before_any_training(finished, tmp_path, capsys):
    folder, _ = finished
    out = tmp_path / "run"
    out.mkdir()
    shutil.copy(folder / "latency.json", out)
    with pytest.raises(ArchitectureError, match="at most 1e-05 ms: cannot be met: the fastest takes"):
        command("--out", str(out), "--space", TINY, "--latency", "10ns")
    assert not (out / "study.db").exists()


def test_a_folder_of_images(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for name, brightness in (("night", 40), ("day", 200)):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(20):
            pixels = rng.integers(brightness - 40, brightness + 40, (20, 24, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / name / f"{number}.png")
    space = "s4-8_b1-2_w8-16_c2_i3x16x16"
    words = ["--data", str(tmp_path / "images"), "--trials", "2", "--epochs", "16", "--space", space]
    assert command(*words, "--out", str(tmp_path / "run")) == 0
    document = json.loads((tmp_path / "run" / "boundary.json").read_text())
    assert document["classes"] == ["day", "night"]
    assert max(network["accuracy"] for network in document["networks"]) == 1.0
    (tmp_path / "images" / "day" / "7.png").write_bytes(b"broken")
    with pytest.raises(FormatError, match=r"day.7\.png: cannot be read as an image"):
        command(*words, "--out", str(tmp_path / "other"))


def test_without_matplotlib_all_but_the_picture_is_there(finished, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    words = ["--out", str(tmp_path / "run"), "--space", TINY, "--trials", "1", "--epochs", "1"]
    assert command(*words) == 0
    assert "pip install 'dongfeng[plot]'" in capsys.readouterr().err
    assert (tmp_path / "run" / "boundary.json").exists() and not (tmp_path / "run" / "boundary.png").exists()


def test_without_scikit_learn_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(NotInstalledError, match=r"pip install 'dongfeng\[digits\]'"):
        command("--out", str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_arguments_that_make_no_sense(tmp_path, capsys):
    out = ["--out", str(tmp_path / "run")]
    for words in (
        ["--trials", "0"],
        ["--trials", "x"],
        ["--latency-max", "-1"],
        ["--latency", "80% of"],
        ["--latency-min", "nan"],
        ["--threads", "0"],
        ["--multiply-adds-max", "5MB"],
        ["--parameters-max", "2.5"],
        ["--memory-max", "-1"],
        ["--memory-min", "20Mb/s"],
        ["--energy-max", "5"],
        ["--energy-min", "5MJ"],
    ):
        with pytest.raises(SystemExit):
            command(*out, *words)
        assert words[0] in capsys.readouterr().err
    with pytest.raises(ArchitectureError, match=r"the least, 2 .* above the most, 1"):
        command(*out, "--latency-min", "2", "--latency-max", "1ms")
    with pytest.raises(ArchitectureError, match="--latency 2 and --latency-max 1"):
        command(*out, "--latency", "2", "--latency-max", "1")
    with pytest.raises(ArchitectureError, match="space"):
        command(*out, "--space", "anything")
    assert not (tmp_path / "run").exists()


def test_help_waits_for_neither_torch_nor_optuna():
    code = (
        "import argparse, sys; from caffe_zoo.commands.search import add_arguments; "
        "add_arguments(argparse.ArgumentParser()); "
        "assert not {'torch', 'optuna'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit")
def test_a_full_disk_ends_in_one_line_and_leaves_nothing_half_written(finished, tmp_path):
    code = (
        "import resource, sys; from caffe_zoo.cli import main; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2); "
        "sys.exit(main(['search', '--out', sys.argv[2], '--space', sys.argv[3], '--trials', '1', '--epochs', '1']))"
    )
    for limit, named in ((200, "latency.json"), (20_000, "study.db")):
        if named == "study.db":
            # How large a table becomes depends on the time that measuring takes.
            shutil.copy(finished[0] / "latency.json", tmp_path / "run")
        words = [sys.executable, "-c", code, str(limit), str(tmp_path / "run"), TINY]
        ended = subprocess.run(words, capture_output=True, text=True, check=False)
        assert ended.returncode == 2, ended.stderr
        (line,) = [line for line in ended.stderr.splitlines() if line.startswith("dongfeng")]
        assert named in line
        assert not [path for path in (tmp_path / "run").rglob("*") if path.suffix == ".part"]
    json.loads((tmp_path / "run" / "latency.json").read_text())
