"""dongfeng profile zoo: a small choice on a real engine, and faults in one line."""

import json

import pytest

from caffe_zoo.cli import main
from prototxt_gen import UnsupportedError

CHOICE = ["profile", "zoo", "--networks", "df-lite", "pl1a_seg", "--sizes", "64x64", "--threads", "1", "--rounds", "1"]


def test_a_small_choice_on_torch(tmp_path, capsys):
    assert main([*CHOICE, "--relative-to", "df-lite", "-o", str(tmp_path / "zoo.json")]) == 0
    printed = capsys.readouterr().out
    assert "milliseconds at 224x224, batch 1 (in parentheses: relative to df-lite)\n" in printed
    assert "frames per second at 64x64, batch 1\n" in printed
    assert "memory in MiB at 1024x1024, batch 1" in printed
    times = json.loads((tmp_path / "zoo.json").read_text())["times"]
    assert [(one["network"], one["ms"] > 0) for one in times] == [("df-lite", True), ("pl1a_seg", True)]


def test_a_stopped_run_goes_on_and_keeps_what_others_timed(tmp_path, run, fault, monkeypatch):
    from caffe_zoo import speeds

    path, timed = tmp_path / "zoo.json", []
    real = speeds._time_group

    def stop_after_the_first(engine, group, *more):
        timed.append([case.title for case in group])
        if len(timed) == 2:
            raise KeyboardInterrupt
        return real(engine, group, *more)

    monkeypatch.setattr(speeds, "_time_group", stop_after_the_first)
    assert f"{path}: stopped; the same command goes on" in run(*CHOICE, "-o", path, status=130)
    first = json.loads(path.read_text())["times"]
    assert [one["network"] for one in first] == ["df-lite"]
    run(*CHOICE, "-o", path)
    times = json.loads(path.read_text())["times"]
    assert times[0] == first[0] and [one["network"] for one in times] == ["df-lite", "pl1a_seg"]
    run("profile", "zoo", "--networks", "df-lite", "--threads", "1", "-o", path)
    assert json.loads(path.read_text())["times"] == times
    assert timed == [["df-lite at 224x224"], ["pl1a_seg at 64x64"], [], ["pl1a_seg at 64x64"], []]
    assert "precision: found float32, this run has bfloat16" in fault(*CHOICE, "--precision", "bfloat16", "-o", path)


def test_nothing_that_runs_is_an_error_after_the_rest(tmp_path, capsys, monkeypatch):
    from converters.engines.torch import TorchEngine

    def refuse(*_, **__):
        raise UnsupportedError("no room")

    monkeypatch.setattr(TorchEngine, "load", refuse)
    assert main([*CHOICE, "-o", str(tmp_path / "zoo.md")]) == 2
    printed = capsys.readouterr()
    assert "df-lite at 224x224: no room\n  pl1a_seg at 64x64: no room\n" in printed.out
    assert printed.err == "dongfeng profile zoo: engine torch: none of the networks ran\n"
    assert "- df-lite at 224x224: no room" in (tmp_path / "zoo.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--networks", "df9"], "no network 'df9' in the zoo"),
        (["--relative-to", "df9"], "no network 'df9' in the zoo"),
        (["-o", "zoo.txt"], "expected a name that ends in .json or .md"),
    ],
)
def test_faults_are_one_line(capsys, arguments, said):
    assert main(["profile", "zoo", *arguments]) == 2
    printed = capsys.readouterr()
    assert said in printed.err and printed.err.count("\n") == 1 and not printed.out
