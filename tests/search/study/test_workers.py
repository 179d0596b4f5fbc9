"""Several workers on one study: each candidate is trained once, whoever dies and whatever breaks."""

import sys
import time
from collections import Counter

import optuna
import pytest

from search.study import heartbeat
from search.study.storage import join_study
from search.study.trainings import TRAINED, TRAINING
from tests.search.study import quick

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the workers are forked")


def check(storage, log, killed):
    """Every candidate was trained, once and for all, but for those whose worker was killed in it."""
    ended = quick.lines(log, "ended")
    assert Counter(ended) == Counter(quick.ALL)
    assert len(quick.lines(log, "begun")) == len(quick.ALL) + killed
    study = join_study(storage)
    rows = study.read().rows
    study.close()
    assert Counter(row.architecture for row in rows if row.state == TRAINED) == Counter(quick.ALL)
    assert {row.run for row in rows} == {0} and sum(row.deaths for row in rows) == killed


def check_optuna(address, killed):
    """What optuna-dashboard shows is what the study has."""
    shown = quick.shown(address, "COMPLETE")
    assert {trial.user_attrs["architecture"] for trial in shown} == quick.ALL and len(shown) == len(quick.ALL)
    assert all(
        trial.values
        == [pytest.approx(quick.table().predict(trial.user_attrs["architecture"], (1, 3, 16, 16))), trial.values[1]]
        for trial in shown
    )
    assert quick.shown(address, "RUNNING") == []
    assert [trial.user_attrs["fault"] for trial in quick.shown(address, "FAIL")] == (
        ["given back: its worker died"] * killed
    )
    study = optuna.load_study(study_name="search", storage=quick.as_optuna_has_it(address))
    assert [direction.name for direction in study.directions] == ["MINIMIZE", "MAXIMIZE"]
    assert study.user_attrs["format"] == "dongfeng study 2" and study.user_attrs["settings"]["trainer"] == "quick"
    # The dashboard's own picture of a study with two objectives.
    assert {trial.user_attrs["architecture"] for trial in study.best_trials} <= quick.ALL


def test_workers_of_one_folder(tmp_path):
    """With SQLite. Two are killed in training: the system says so, nobody waits for a grace period."""
    folder, log = tmp_path / "run", tmp_path / "log"
    storage = folder / "study.db"
    quick.begun_in(storage, folder, quick.Quick(log))
    study = join_study(storage)
    study.asked = {"trials": None}
    study.close()
    workers = quick.several(storage, [folder] * 4, log, dying=(1, 3), grace=600)
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, -9, 0, -9]
    check(storage, log, killed=2)
    check_optuna(storage, killed=2)
    assert list((folder / ".workers").iterdir()) == []


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def on_many_machines(postgres, tmp_path, grace, meanwhile):
    """With PostgreSQL, a folder each, so that only silence tells that two were killed. Connections are cut once."""
    log, storage = tmp_path / "log", postgres.anew()
    quick.begun_in(storage, tmp_path / "first", quick.Quick(log))
    study = join_study(storage)
    study.asked = {"trials": None}
    folders = [tmp_path / f"machine{place}" for place in range(4)]
    workers = quick.several(storage, folders, log, dying=(1, 3), grace=grace)
    while len(quick.lines(log, "ended")) < 5:
        assert any(worker.is_alive() for worker in workers)
        time.sleep(0.02)
    assert postgres.cut() > 0
    for place in (1, 3):
        workers[place].join()
    meanwhile(study, {mark.name for place in (1, 3) for mark in (folders[place] / ".workers").iterdir()})
    study.close()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, -9, 0, -9]
    check(storage, log, killed=2)
    check_optuna(storage, killed=2)


def test_workers_of_many_machines(postgres, tmp_path, monkeypatch):
    """The grace period is over for one more alone, whose clock is set forward: so no load makes a worker late."""
    monkeypatch.setattr(heartbeat, "_BEATS", 12_000)

    def find_the_silent(study, killed):
        clock = Clock()
        watch = heartbeat.Watch(tmp_path / "another", "another", clock)
        before = study.read().rows
        assert watch.look(before) == []
        clock.now = 601.0
        beats = {row.worker: row.beat for row in before}
        while True:
            rows = study.read().rows
            living = [row for row in rows if row.state == TRAINING and row.worker not in killed]
            if all(row.beat != beats.get(row.worker) for row in living):
                break
            time.sleep(0.02)
        assert {row.worker for row in watch.look(rows)} == killed
        assert watch.give_back(study, rows) == 2

    on_many_machines(postgres, tmp_path, 600, find_the_silent)


@pytest.mark.slow
def test_workers_of_many_machines_find_the_silent_themselves(postgres, tmp_path):
    on_many_machines(postgres, tmp_path, 30, lambda study, killed: None)
