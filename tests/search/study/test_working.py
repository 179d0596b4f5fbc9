"""Trainings that fail, workers that are stopped, disks that are full."""

import errno
import math
import sys

import pytest

from prototxt_gen.errors import FormatError, TrainingError
from search.study.storage import join_study
from search.study.trainings import FAILED, FREE, TRAINED
from search.study.working import FAILURES_IN_A_ROW
from tests.search.study import quick


def rows_of(folder) -> list:
    study = join_study(folder / "study.db")
    try:
        return study.read().rows
    finally:
        study.close()


class Failing(quick.Quick):
    """Fails in the trainings of these numbers, counted from 1."""

    def __init__(self, log, failing):
        super().__init__(log)
        self.failing = failing

    def __call__(self, net, seed, report):
        accuracy = super().__call__(net, seed, report)
        return self.failing[self.begun]() if self.begun in self.failing else accuracy


def raising(fault):
    def fail():
        raise fault

    return fail


@pytest.mark.parametrize(
    ("fails", "said"),
    [
        (raising(ValueError("no idea")), "ValueError: no idea"),
        (raising(MemoryError("CUDA out of memory.\nTried to allocate 2 GiB")), "MemoryError: CUDA out of memory."),
        (lambda: math.nan, "TrainingError: trainer quick: found accuracy nan, expected 0 to 1"),
        (lambda: 73.2, "TrainingError: trainer quick: found accuracy 73.2, expected 0 to 1"),
        (lambda: "good", "TrainingError: trainer quick: found 'good', expected an accuracy"),
    ],
)
def test_a_training_that_fails_is_entered_with_its_log_and_the_search_goes_on(tmp_path, fails, said):
    search = quick.search_in(tmp_path, Failing(tmp_path / "log", {2: fails}))
    failed = [row for row in rows_of(tmp_path) if row.state == FAILED]
    (code,) = [row.architecture for row in failed]
    assert failed[0].fault.startswith(said)
    assert len(search.trained()) == len(quick.ALL) - 1 and search.counts()["failed"] == 1
    log = (tmp_path / "failed" / f"{code}.run0.log").read_text()
    assert log.startswith("Traceback") and said.split(": ")[-1] in log
    (trial,) = quick.shown(tmp_path / "study.db", "FAIL")
    assert trial.user_attrs["architecture"] == code and trial.user_attrs["log"] == log
    # It is not trained again.
    quick.search_in(tmp_path, Failing(tmp_path / "log", {}))
    assert quick.lines(tmp_path / "log", "begun").count(code) == 1


def test_our_own_training_that_diverges_is_a_failed_one(small, tmp_path):
    schedule = small.Schedule(epochs=1, batch_size=16, base_lr=1e20)
    with pytest.raises(TrainingError, match=r"5 trainings in a row failed.*the training diverged"):
        small.search_in(tmp_path, schedule=schedule)


def test_many_failures_in_a_row_end_the_search_and_are_no_candidates_fault(tmp_path):
    log = tmp_path / "log"
    broken = Failing(log, {number: raising(RuntimeError("no driver")) for number in range(3, 100)})
    with pytest.raises(TrainingError, match=r"5 trainings in a row failed, which is no .*: RuntimeError: no driver; "):
        quick.search_in(tmp_path, broken)
    assert len(quick.lines(log, "begun")) == 2 + FAILURES_IN_A_ROW
    assert [row.state for row in rows_of(tmp_path)].count(FREE) == FAILURES_IN_A_ROW
    search = quick.search_in(tmp_path, quick.Quick(log))
    assert len(search.trained()) == len(quick.ALL) and "failed" not in search.counts()


def test_failures_that_are_not_in_a_row_do_not_end_it(tmp_path):
    failing = {number: raising(RuntimeError("now and then")) for number in range(1, 100) if number % 3}
    search = quick.search_in(tmp_path, Failing(tmp_path / "log", failing))
    assert len(search.trained()) + search.counts()["failed"] == len(quick.ALL)


@pytest.mark.parametrize(
    "fault",
    [OSError(errno.ENOSPC, "No space left on device"), FormatError("dog.png: cannot be read"), KeyboardInterrupt()],
)
def test_what_is_not_the_candidates_fault_ends_the_search_and_gives_it_back(tmp_path, fault):
    with pytest.raises(type(fault)):
        quick.search_in(tmp_path, Failing(tmp_path / "log", {2: raising(fault)}))
    first, second = rows_of(tmp_path)
    assert (first.state, second.state, second.deaths) == (TRAINED, FREE, 0)
    (trial,) = quick.shown(tmp_path / "study.db", "FAIL")
    assert trial.user_attrs["fault"] == "given back: its worker was stopped"
    assert len(quick.search_in(tmp_path, quick.Quick(tmp_path / "log")).trained()) == len(quick.ALL)


@pytest.mark.skipif(sys.platform != "linux", reason="no such limit")
def test_a_database_that_cannot_grow_ends_the_search_in_one_line(tmp_path):
    """As on a full disk: what was finished stays, and the same call goes on when there is room again."""
    import resource

    from prototxt_gen.errors import FileError

    quick.search_in(tmp_path, quick.Quick(tmp_path / "log"), trials=2)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(*given):
        # Files stay as large as they are; the log that follows needs more.
        resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "study.db").stat().st_size, before[1]))
        raise ValueError("long " * 8000)

    try:
        with pytest.raises(FileError, match=r"study\.db: the study cannot be read or written: .*disk"):
            quick.search_in(tmp_path, own(fill), trials=4)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [row.state for row in rows_of(tmp_path)].count(TRAINED) == 2
    assert len(quick.search_in(tmp_path, quick.Quick(tmp_path / "log")).trained()) == len(quick.ALL) - 1
    assert quick.shown(tmp_path / "study.db", "RUNNING") == []


def own(function):
    """A function as the trainer of the same study."""
    function.identity, function.classes = "quick", 3
    return function
