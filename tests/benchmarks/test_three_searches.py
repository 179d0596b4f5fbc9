"""The comparison of the three searches: its spaces, its clock, and one run of seconds from nothing to the table."""

from __future__ import annotations

import csv
import json
import random
import time
from pathlib import Path
from types import ModuleType

import pytest

from prototxt_gen import parse_architecture
from search import parse_space, run_search
from search.latency.predicting import space_parts
from tests.search.study import quick

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SPACE = "g4_if8x1-2_i16k3-5_t4.6_c10_i3x16x16"


@pytest.fixture
def three_searches(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import three_searches

    return three_searches


@pytest.mark.parametrize("name", [SPACE, "tiered-small"])
def test_all_networks_of_ponas_are_in_the_space_and_one_table_serves_both(three_searches, name):
    space = parse_space(name)
    ponas = three_searches.ponas_in(space)
    rng = random.Random(0)
    most = max(len(layer.candidates) for layer in ponas.layers)
    ends = [
        ponas.of_choices([number % len(ponas.layers[row].candidates) for row in ponas.rows]) for number in range(most)
    ]
    assert all(one in space for one in [*ends, *(ponas.sample(rng) for _ in range(20))])
    assert set(space_parts(ponas)) <= set(space_parts(space))
    assert [layer.width for layer in ponas.layers] == [layer.width for layer in space.layers]


def test_stages_of_ponas_share_the_epochs(three_searches):
    space = parse_space(SPACE)

    class Images:
        train = range(16000)

    plan = three_searches.Plan(space, three_searches.ponas_in(space), Images, None, [], 1.0, Path(), None)
    for epochs in (1.0, 3.3, 14.0):
        settings = three_searches.one_shot(plan, Images, epochs)
        whole = settings.schedule.epochs + settings.first_epochs + len(plan.ponas.rows) * settings.row_epochs
        assert whole == pytest.approx(epochs, abs=0.01)
        for goals in (1, 3):
            tiered = three_searches.tiered_settings(epochs, goals)
            whole = goals * tiered.schedule.epochs + tiered.warm_up
            assert whole == pytest.approx(max(goals + 0.1, epochs), abs=0.01)


def test_the_clock_goes_on_where_it_stopped(three_searches, tmp_path):
    path = tmp_path / "notes.json"
    notes = three_searches.Notes(path)
    with pytest.raises(ZeroDivisionError), notes.timed("x"):
        time.sleep(0.01)
        assert 1 / 0
    spent = json.loads(path.read_text())["x"]
    again = three_searches.Notes(path)
    with again.timed("x") as before:
        assert before == spent >= 0.01
    assert again.values["x"] >= spent
    assert again.once("made", lambda: 1) == three_searches.Notes(path).once("made", lambda: 2) == 1


@pytest.mark.slow
def test_from_nothing_to_the_table_and_nothing_twice(three_searches, tmp_path, monkeypatch, capsys):
    pytest.importorskip("sklearn")
    out = tmp_path / "run"
    arguments = [
        *("--space", SPACE, "--data", "digits", "--minutes", "0.01", "--goals", "2", "--epochs", "1", "--seeds", "1"),
        *("--threads", "1", "--processes", "1", "--knots", "3", "--engine", "torch", "--out", str(out)),
    ]
    # Nothing may depend on times that are measured: latencies are made up, and in so little time supernets have an
    # epoch. Partial order pruning has two trainings.
    monkeypatch.setattr(three_searches, "measured_table", made_up_table)
    monkeypatch.setattr(three_searches, "run_search", two_trainings)
    monkeypatch.setattr(three_searches, "TRIAL", 4)
    monkeypatch.setattr(three_searches, "DRAWN", 20)
    assert three_searches.main(arguments) == 0
    with (out / "three_searches.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    goals = json.loads((out / "three_searches.json").read_text())["goals"]
    assert len(goals) == 2 and goals[0] < goals[1]
    assert [(float(row["goal_ms"]), row["method"]) for row in rows] == [
        (goal, method) for goal in goals for method in three_searches.METHODS
    ]
    space, ponas = parse_space(SPACE), three_searches.ponas_in(parse_space(SPACE))
    for row in rows:
        if not row["code"]:
            assert row["method"] == three_searches.POP, "others search for the goal"
            continue
        network = parse_architecture(row["code"])
        assert network in (ponas if row["method"] == three_searches.PONAS else space)
        assert float(row["predicted_ms"]) <= float(row["goal_ms"]) + 1e-5
        assert 0 < float(row["accuracy_seed0"]) <= 1 and float(row["measured_ms"]) > 0
    trained = [row["code"] for row in rows if row["method"] == three_searches.POP]
    assert trained[-1], "of what it trains all is within the last goal"
    for folder in three_searches.FOLDERS.values():
        assert (out / folder / "report.html").is_file()
    # Called again it does nothing anew; with other settings it says what differs.
    before = {path: path.read_bytes() for path in out.glob("three_searches.*")}
    assert three_searches.main(arguments) == 0
    assert {path: path.read_bytes() for path in before} == before
    capsys.readouterr()
    assert three_searches.main([*arguments, "--minutes", "7"]) == 1
    assert "minutes: was 0.01, is 7.0" in capsys.readouterr().err


def made_up_table(space, engine, *_):
    return quick.table(space)


def two_trainings(*arguments, hours=None, trials=None, **options):
    return run_search(*arguments, trials=trials or 2, **options)
