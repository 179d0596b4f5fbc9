"""Options of shared searches: what --known reads, and what SIGTERM does."""

import multiprocessing
import os
import signal
import sys
import time

import pytest

from caffe_zoo.cards import card
from caffe_zoo.commands.search.studies import known_results, stopped_by_term
from search.study.storage import join_study
from search.study.trainings import FREE
from tests.search.study import quick


def test_what_is_published_is_known(tmp_path):
    """Of the networks of the zoo, by their cards."""
    found = {one.source: one for one in known_results(["released"])}
    assert found["df1, as published"].accuracy == card("df1").results["top1"]
    assert found["df1, as published"].architecture == str(card("df1").architecture)
    (tmp_path / "own.csv").write_text(f"architecture,accuracy\n{card('df2').architecture},0.5\n")
    assert known_results([str(tmp_path / "own.csv")])[0].accuracy == 0.5


def searching(folder, log):
    with stopped_by_term():
        try:
            quick.search_in(folder, quick.Quick(log, seconds=600))
        except KeyboardInterrupt:
            os._exit(130)


@pytest.mark.skipif(sys.platform != "linux", reason="the search is forked")
def test_sigterm_gives_back_what_was_in_training(tmp_path):
    """As a cluster stops it: it sleeps in its first training."""
    folder, log = tmp_path / "run", tmp_path / "log"
    process = multiprocessing.get_context("fork").Process(target=searching, args=(folder, log))
    process.start()
    while not log.exists():
        assert process.is_alive()
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGTERM)
    process.join()
    assert process.exitcode == 130
    study = join_study(folder / "study.db")
    assert [(row.state, row.deaths) for row in study.read().rows] == [(FREE, 0)]
    study.close()
    assert list((folder / ".workers").iterdir()) == []
