"""Studies that earlier versions stored: today's code reads them and goes on with them."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import optuna
import pytest

from prototxt_gen.errors import FormatError
from search.study.storage import FORMAT, NAME, OBJECTIVES, join_study

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


def code_of_format(folder: Path) -> str:
    with closing(sqlite3.connect(folder / "study.db")) as database:
        ((stored,),) = database.execute("SELECT value_json FROM study_user_attributes WHERE key = 'format'")
    return json.loads(stored)


def test_there_is_one_of_this_format():
    assert FORMAT.replace(" ", "_") in {path.name for path in FIXTURES}


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda path: path.name)
def test_a_stored_study_is_read_and_gone_on_with(small, tmp_path, fixture):
    expected = stored(fixture, tmp_path)
    begun = len(expected["trained"])
    read = small.search_in(tmp_path, schedule=small.FIXTURE_SCHEDULE, trials=begun)
    assert [[str(one.architecture), one.latency, one.accuracy] for one in read.trained()] == expected["trained"]
    assert [str(one.architecture) for one in read.boundary()] == expected["boundary"]
    assert read.counts() == expected["counts"]
    assert code_of_format(tmp_path) == FORMAT
    # They were stored without names of the objectives, which optuna-dashboard shows.
    study = optuna.load_study(study_name=NAME, storage=f"sqlite:///{tmp_path / 'study.db'}")
    assert study.metric_names == OBJECTIVES
    # The training that was killed is begun anew.
    gone_on = small.search_in(tmp_path, schedule=small.FIXTURE_SCHEDULE, trials=begun + 1)
    assert gone_on.trained()[:begun] == read.trained()
    assert str(gone_on.trained()[begun].architecture) == expected["next"]
    assert [code for code, _ in small.trials_of(tmp_path, small.FAILED)] == [expected["next"]]
    assert small.trials_of(tmp_path, small.RUNNING) == []


FIRST = next(path for path in FIXTURES if path.name == "dongfeng_study_1")


def test_a_study_of_the_first_format_is_refused_as_it_is(small, tmp_path):
    """With other settings than it was begun with; and by a worker, which has no settings to bring."""
    stored(FIRST, tmp_path)
    before = (tmp_path / "study.db").read_bytes()
    with pytest.raises(FormatError, match=r"strategy: was uniform, is additive; .* `--strategy uniform --margin 0`"):
        small.search_in(tmp_path, schedule=small.FIXTURE_SCHEDULE, strategy="additive")
    with pytest.raises(
        FormatError,
        match=r"found 'dongfeng study 1', .* `dongfeng search` .* there, with `--strategy uniform --margin 0` among",
    ):
        join_study(tmp_path / "study.db")
    assert code_of_format(tmp_path) == "dongfeng study 1"
    assert len((tmp_path / "study.db").read_bytes()) == len(before)


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("DELETE FROM trial_user_attributes", "trial 0: architecture .*expected"),
        ("UPDATE trial_user_attributes SET value_json = '7'", "trial 0: architecture: found 7"),
        ("UPDATE trial_user_attributes SET value_json = '\"b8\"'", "trial 0: architecture .*b8.*expected"),
    ],
)
def test_what_was_spoilt_in_the_first_format_is_named(small, tmp_path, statement, named):
    stored(FIRST, tmp_path)
    with closing(sqlite3.connect(tmp_path / "study.db")) as database:
        database.execute(statement)
        database.commit()
    with pytest.raises(FormatError, match=rf"study\.db: {named}"):
        small.search_in(tmp_path, schedule=small.FIXTURE_SCHEDULE)
    assert code_of_format(tmp_path) == "dongfeng study 1"
