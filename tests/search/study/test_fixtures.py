"""Studies that earlier versions stored: today's code reads them and goes on with them."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

FIXTURES = sorted((Path(__file__).parent / "fixtures").iterdir())


def stored(fixture: Path, folder: Path) -> dict:
    """Lays out a fixture as the folder of a search; returns what is expected of it."""
    expected = json.loads((fixture / "expected.json").read_text("utf-8"))
    with closing(sqlite3.connect(folder / "study.db")) as database:
        database.executescript((fixture / "study.sql").read_text("utf-8"))
    (folder / "latency.json").write_bytes((fixture / "latency.json").read_bytes())
    for code in expected["boundary"]:
        # A search asks only that the weights are there.
        weights = folder / "networks" / code / "weights.caffemodel"
        weights.parent.mkdir(parents=True)
        weights.touch()
    return expected


def test_there_is_one_of_this_format():
    from search.study.storage import FORMAT

    assert FORMAT.replace(" ", "_") in {path.name for path in FIXTURES}


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda path: path.name)
def test_a_stored_study_is_read_and_gone_on_with(small, tmp_path, fixture):
    expected = stored(fixture, tmp_path)
    begun = len(expected["trained"])
    read = small.search_in(tmp_path, schedule=small.FIXTURE_SCHEDULE, trials=begun)
    assert [[str(one.architecture), one.latency, one.accuracy] for one in read.trained()] == expected["trained"]
    assert [str(one.architecture) for one in read.boundary()] == expected["boundary"]
    assert read.counts() == expected["counts"]
    # The training that was killed is begun anew.
    gone_on = small.search_in(tmp_path, schedule=small.FIXTURE_SCHEDULE, trials=begun + 1)
    assert gone_on.trained()[:begun] == read.trained()
    assert str(gone_on.trained()[begun].architecture) == expected["next"]
    assert [code for code, _ in small.trials_of(tmp_path, small.FAILED)] == [expected["next"]]
    assert small.trials_of(tmp_path, small.RUNNING) == []
