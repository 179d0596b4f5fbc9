"""Who uses a folder: many workers, or one process of an older version; and which of them died."""

import os
import subprocess
import sys

import pytest

from prototxt_gen.errors import FileError
from search.study.lock import alive, beginning, has_died, held

fcntl = pytest.importorskip("fcntl")


def test_searches_share_a_folder(small, tmp_path):
    with held(tmp_path):
        small.search_in(tmp_path, trials=1)


def test_a_folder_that_an_older_version_uses_is_left_to_it(small, tmp_path):
    """It has the same file for itself."""
    handle = os.open(tmp_path / ".lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        with pytest.raises(FileError, match="another search is running"):
            small.search_in(tmp_path)
    finally:
        os.close(handle)
    with held(tmp_path):
        handle = os.open(tmp_path / ".lock", os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(handle)


def test_one_begins_while_the_others_wait(tmp_path):
    with beginning(tmp_path):
        handle = os.open(tmp_path / ".beginning", os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(handle)
    with beginning(tmp_path):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="the process is forked")
def test_a_worker_that_was_killed_is_known_to_be_dead(tmp_path):
    ready, wait = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        with alive(tmp_path, "child"):
            os.write(ready[1], b"x")
            os.read(wait[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    assert not has_died(tmp_path, "child") and not has_died(tmp_path, "nobody")
    os.kill(child, 9)
    os.waitpid(child, 0)
    assert has_died(tmp_path, "child")


def test_the_mark_of_another_machine_says_nothing(tmp_path):
    (tmp_path / ".workers").mkdir()
    (tmp_path / ".workers" / "other").write_text("another machine")
    assert not has_died(tmp_path, "other")


def test_nothing_is_imported_for_it():
    code = "import sys, search.study.lock; assert not {'torch', 'optuna', 'sqlalchemy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
