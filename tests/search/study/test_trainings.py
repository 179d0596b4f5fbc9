"""Claims: one worker a training, made on what is so; in SQLite and in PostgreSQL."""

import threading
from collections import Counter

import pytest

from search.study.database import Database, address_of
from search.study.trainings import DEATHS, FAILED, FREE, TRAINED, TRAINING, Key, Known, Trainings

KEY = Key("s4-4_b4_b4_c3", 0)


@pytest.fixture(params=["sqlite", "postgresql"])
def opened(request, tmp_path):
    """Opens the same database again and again."""
    storage = tmp_path / "study.db" if request.param == "sqlite" else request.getfixturevalue("postgres").anew()
    databases = []

    def trainings() -> Trainings:
        databases.append(Database(address_of(storage)))
        Trainings.make_tables(databases[-1].engine)
        return Trainings(databases[-1].engine, 7)

    yield trainings
    for database in databases:
        database.close()


def states(trainings):
    return {(row.architecture, row.run): row.state for row in trainings.read()[1]}


def test_a_study_is_entered_once(opened):
    one, other = opened(), opened()
    assert one.begin("mine", "table") and not other.begin("theirs", "other")
    assert other.documents() == ("mine", "table")


def test_a_claim_on_what_is_no_longer_so_changes_nothing(opened):
    one, other = opened(), opened()
    one.begin("", "")
    revision, rows = one.read()
    assert rows == []
    assert one.claim(KEY, revision, "one", 9.0)
    assert not other.claim(KEY, revision, "other", 9.0)
    assert not other.claim(Key("another", 0), revision, "other", 9.0)
    revision, (row,) = other.read()
    assert (row.architecture, row.run, row.state, row.worker, row.grace) == (*KEY, TRAINING, "one", 9.0)
    assert other.claim(Key(KEY.architecture, 1), revision, "other", 9.0)


def test_of_many_claims_at_once_one_holds(opened):
    """Threads with a connection each take what is free, until nothing is; each training has one of them."""
    keys = [Key(f"network{number}", 0) for number in range(24)]
    opened().begin("", "")
    took, threads = Counter(), []

    def work(name, trainings):
        while True:
            revision, rows = trainings.read()
            taken = {(row.architecture, row.run) for row in rows}
            left = [key for key in keys if key not in taken]
            if not left:
                return
            if trainings.claim(left[0], revision, name, 1.0):
                took[left[0]] += 1

    for number in range(4):
        threads.append(threading.Thread(target=work, args=(f"worker{number}", opened())))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert took == Counter(keys)


def test_results_are_those_of_who_has_the_claim(opened):
    one, other = opened(), opened()
    one.begin("", "")
    one.claim(KEY, one.read()[0], "one", 9.0)
    assert not other.finish(KEY, "other", 1.0, 0.5, None)
    assert not other.fail(KEY, "other", "why")
    assert one.finish(KEY, "one", 1.0, 0.75, ".")
    # The answer was lost: done again, it comes to the same.
    assert one.finish(KEY, "one", 1.0, 0.75, ".")
    assert not one.fail(KEY, "one", "why")
    _, (row,) = other.read()
    assert (row.state, row.latency, row.accuracy, row.weights, row.place) == (TRAINED, 1.0, 0.75, ".", 1)


def test_what_is_given_back_is_free_once(opened):
    one, other = opened(), opened()
    one.begin("", "")
    one.claim(KEY, one.read()[0], "one", 9.0)
    _, (row,) = other.read()
    # It beats in between: it lives.
    assert one.beat("one")
    assert not other.give_back(row, died=True)
    _, (row,) = other.read()
    assert other.give_back(row, died=True) and not other.give_back(row, died=True)
    assert not one.beat("one") and not one.finish(KEY, "one", 1.0, 0.5, None)
    revision, (row,) = one.read()
    assert (row.state, row.deaths) == (FREE, 1)
    assert other.claim(KEY, revision, "other", 9.0) and other.finish(KEY, "other", 1.0, 0.5, None)


def test_a_training_that_kills_its_workers_fails(opened):
    trainings = opened()
    trainings.begin("", "")
    for number in range(DEATHS):
        assert states(trainings).get(KEY, FREE) == FREE
        trainings.claim(KEY, trainings.read()[0], f"worker{number}", 9.0)
        (row,) = trainings.read()[1]
        assert trainings.give_back(row, died=True)
    (row,) = trainings.read()[1]
    assert row.state == FAILED and f"{DEATHS} workers died of it" in row.fault


def test_a_worker_that_is_stopped_is_no_death(opened):
    trainings = opened()
    trainings.begin("", "")
    for _ in range(DEATHS + 1):
        assert trainings.claim(KEY, trainings.read()[0], "one", 9.0)
        trainings.give_back(trainings.read()[1][0], died=False)
    (row,) = trainings.read()[1]
    assert (row.state, row.deaths) == (FREE, 0)


def test_finished_trainings_stand_in_the_order_in_which_they_ended(opened):
    trainings = opened()
    trainings.begin("", "")
    for name in ("b", "a", "c"):
        trainings.claim(Key(name, 0), trainings.read()[0], name, 9.0)
    trainings.fail(Key("c", 0), "c", "why")
    trainings.finish(Key("a", 0), "a", 1.0, 0.5, None)
    assert [row.architecture for row in trainings.read()[1]] == ["c", "a", "b"]
    trainings.free([Key("c", 0), Key("a", 0)])
    assert states(trainings) == {("c", 0): FREE, ("a", 0): TRAINED, ("b", 0): TRAINING}


def test_known_results_are_entered_once(opened):
    trainings = opened()
    trainings.begin("", "")
    known = [Known("a", 1.0, 0.5, "paper"), Known("a", 1.0, 0.6, "csv"), Known("b", 2.0, 0.7, "csv")]
    assert trainings.know(known) == 3
    assert trainings.know([*known, Known("b", 2.0, 0.8, "csv")]) == 1
    found = {(row.architecture, row.run): (row.accuracy, row.source) for row in trainings.read()[1]}
    assert found == {
        ("a", -1): (0.5, "paper"),
        ("a", -2): (0.6, "csv"),
        ("b", -1): (0.7, "csv"),
        ("b", -2): (0.8, "csv"),
    }
