"""The study on disk: begun whole, of one format, gone on with under the same settings only."""

import json
import math
import random
from dataclasses import replace

import optuna
import pytest
import sqlalchemy

from prototxt_gen.errors import FileError, FormatError
from search.latency import LatencyTable
from search.latency.curves import Curve
from search.study.storage import FORMAT, NAME
from search.training.schedule import Schedule


@pytest.mark.parametrize("statement", [1, 26, 40])
def test_a_study_is_begun_whole_or_not_at_all(small, tmp_path, statement):
    executed = 0

    def stop(*arguments):
        nonlocal executed
        executed += 1
        if executed == statement:
            raise KeyboardInterrupt

    sqlalchemy.event.listen(sqlalchemy.engine.Engine, "before_cursor_execute", stop)
    try:
        with pytest.raises(KeyboardInterrupt):
            small.search_in(tmp_path, trials=1)
    finally:
        sqlalchemy.event.remove(sqlalchemy.engine.Engine, "before_cursor_execute", stop)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".beginning", ".lock", "latency.json"]
    small.search_in(tmp_path, trials=1)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        (lambda small: {"schedule": Schedule(epochs=2, batch_size=16, seed=6)}, "seed: was 5, is 6;"),
        (lambda small: {"interval": (0.0, 10.0)}, r"latency: was \[0.0, None\], is \[0.0, 10.0\]"),
        (lambda small: {"limits": {"parameters": 5000}}, r"limits: was None, is \{'parameters': \[0, 5000\]\}"),
        (lambda small: {"space": replace(small.SPACE, widths=(4, 8))}, "space: "),
        (lambda small: {"data": replace(small.made_up_data(), identity="others")}, "data: was made up, is others"),
    ],
)
def test_another_question_in_the_same_folder_is_refused(small, undisturbed, changes, named):
    before = small.trials_of(undisturbed, small.COMPLETE)
    with pytest.raises(FormatError, match=rf"study\.db: .*{named}"):
        small.search_in(undisturbed, **changes(small))
    assert small.trials_of(undisturbed, small.COMPLETE) == before


def test_limits_are_those_with_which_the_search_began(small, tmp_path):
    limits = {"parameters": (2000, 8000), "memory": (0.0, math.inf)}
    begun = small.search_in(tmp_path, trials=1, limits=limits)
    same = {"memory": (0, math.inf), "parameters": [2e3, 8e3]}
    gone_on = small.search_in(tmp_path, trials=2, limits=same)
    assert gone_on.trained()[:1] == begun.trained()
    assert 0 < gone_on.counts()["outside_parameters"] < gone_on.counts()["space"]
    for other in ({}, {"parameters": (2000, 8000)}, limits | {"parameters": 8000}):
        with pytest.raises(FormatError, match=r"study\.db: .*limits: was \{"):
            small.search_in(tmp_path, trials=2, limits=other)


def test_a_table_measured_anew_is_refused(small, undisturbed):
    path = undisturbed / "latency.json"
    kept = path.read_bytes()
    document = json.loads(kept)
    next(iter(document["entries"].values()))["ms"] = random.random()
    try:
        path.write_text(json.dumps(document))
        with pytest.raises(FormatError, match="latency table"):
            small.search_in(undisturbed)
    finally:
        path.write_bytes(kept)


def test_a_table_that_makes_other_predictions_of_the_same_times_is_refused(small, tmp_path):
    small.search_in(tmp_path, trials=1)
    path = tmp_path / "latency.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | {"call_ms": 1e-5}))
    with pytest.raises(FormatError, match="latency table"):
        small.search_in(tmp_path)


def test_a_table_with_a_curve_is_another(small, tmp_path):
    small.search_in(tmp_path, trials=1)
    table = LatencyTable.load(tmp_path / "latency.json")
    assert small.search_in(tmp_path, trials=1, engine=None, table=table).counts()["trained"] == 1
    table.curve = Curve((1.0, 2.0), (1.0, 3.0))
    with pytest.raises(FormatError, match="latency table"):
        small.search_in(tmp_path, trials=1, engine=None, table=table)


def test_a_table_that_knows_more_networks_is_the_same(small, tmp_path):
    begun = small.search_in(tmp_path, trials=1)
    path = tmp_path / "latency.json"
    document = json.loads(path.read_text())
    document["entries"]["another part"] = next(iter(document["entries"].values()))
    path.write_text(json.dumps(document))
    assert small.search_in(tmp_path, trials=1).trained() == begun.trained()


def altered(small, folder, change):
    """A folder with a search of one training, its study then changed."""
    small.search_in(folder, trials=1)
    storage = optuna.storages.RDBStorage(f"sqlite:///{folder / 'study.db'}")
    change(storage, storage.get_study_id_from_name(NAME))
    storage.remove_session()
    storage.engine.dispose()
    return (folder / "study.db").read_bytes()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (
            lambda storage, study: storage.set_study_user_attr(study, "format", "dongfeng study 3"),
            f"format: found 'dongfeng study 3', expected '{FORMAT}'",
        ),
        (lambda storage, study: storage.set_study_user_attr(study, "format", None), "format: found None"),
        (lambda storage, study: storage.set_study_user_attr(study, "settings", []), r"settings: found \[\]"),
        (lambda storage, study: storage.delete_study(study), f"found no study, expected one named '{NAME}'"),
    ],
)
def test_a_study_of_another_format_is_refused_by_name(small, tmp_path, change, named):
    before = altered(small, tmp_path, change)
    with pytest.raises(FormatError, match=rf"study\.db: {named}"):
        small.search_in(tmp_path)
    assert (tmp_path / "study.db").read_bytes() == before


def test_the_database_of_another_program_is_left_as_it_is(small, tmp_path):
    small.search_in(tmp_path, trials=1)
    (tmp_path / "study.db").unlink()
    url = f"sqlite:///{tmp_path / 'study.db'}"
    optuna.create_study(storage=url, study_name="theirs", directions=["minimize"])
    with pytest.raises(FormatError, match=r"study\.db: found studies named \['theirs'\], expected one named 'search'"):
        small.search_in(tmp_path)
    assert optuna.get_all_study_names(url) == ["theirs"]


def test_tables_of_another_version_of_optuna_are_named(small, tmp_path):
    def change(storage, study):
        with storage.engine.begin() as connection:
            connection.execute(sqlalchemy.text("UPDATE alembic_version SET version_num = 'v99.0.0'"))

    altered(small, tmp_path, change)
    with pytest.raises(FormatError, match=r"study\.db: .*optuna version"):
        small.search_in(tmp_path)


@pytest.mark.parametrize(
    ("statement", "fault", "named"),
    [
        ("UPDATE dongfeng_trainings SET architecture = ''", FormatError, "architecture .*expected"),
        ("UPDATE dongfeng_trainings SET architecture = 'b8'", FormatError, "architecture .*b8.*expected"),
        ("DROP TABLE dongfeng_trainings", FileError, "the study cannot be read or written: no such table"),
        ("UPDATE study_user_attributes SET value_json = ''", FileError, "the study cannot be read or written"),
    ],
)
def test_what_was_spoilt_is_named(small, tmp_path, statement, fault, named):
    def change(storage, study):
        with storage.engine.begin() as connection:
            connection.execute(sqlalchemy.text(statement))

    altered(small, tmp_path, change)
    with pytest.raises(fault, match=rf"study\.db: {named}"):
        small.search_in(tmp_path)
