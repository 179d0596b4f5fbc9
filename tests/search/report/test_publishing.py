"""A search's report: read from its study while it runs and after, without a change of it."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from caffe_zoo.cli import main
from prototxt_gen import parse_architecture
from prototxt_gen.errors import FormatError
from search.report.boundary import write_report
from search.report.publishing import COURSE, DECISIONS_CSV, LAYERS_CSV, PAGE, PICTURE, TABLE, measure_of, publish
from search.report.reading import Reading, provenance, read_search
from search.spaces import DecoderSpace
from search.study.following import Follower
from search.study.storage import Claim, StoredStudy, join_study
from search.study.trainings import Key
from tests.search.report.made_up_tiered import SPACE as TIERED_SPACE
from tests.search.report.made_up_tiered import write_search
from tests.search.report.test_page import data_of
from tests.search.study.small_search import SPACE, search_in


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("searched") / "run"
    return folder, search_in(folder, trials=4, strategy="uniform", margin=0.0)


def test_what_is_read_is_what_the_search_found(searched):
    folder, search = searched
    reading = read_search(folder)
    assert reading.search.counts() == search.counts()
    assert [row.code for row in reading.rows if row.boundary] == [
        row.code for row in reading.rows if row.code in {str(one.architecture) for one in search.boundary()}
    ]
    trained = {str(one.architecture): one for one in search.trained()}
    assert [row.code for row in reading.rows] == list(trained)
    for row in reading.rows:
        assert (row.latency_ms, row.accuracy) == (trained[row.code].latency, trained[row.code].accuracy)
        assert all((folder / path).is_file() for _, path in row.files)
        assert bool(row.files) or not row.boundary
    times = [row.seconds for row in reading.rows]
    assert times == sorted(times) and 0 < times[0] < times[-1] < 600
    assert reading.pruned[-1] == search.counts()["pruned"]
    assert reading.pruned == sorted(reading.pruned)


def test_the_command_writes_page_table_and_picture(searched, capsys):
    folder, _ = searched
    before = (folder / "study.db").read_bytes()
    assert main(["report", str(folder)]) == 0
    assert capsys.readouterr().out.split() == [str(folder / name) for name in (PAGE, TABLE, PICTURE)]
    assert (folder / "study.db").read_bytes() == before
    rows = data_of((folder / PAGE).read_text())["candidates"]
    with (folder / TABLE).open(newline="") as file:
        assert [line["code"] for line in csv.DictReader(file)] == [row["code"] for row in rows]
    assert (folder / PICTURE).read_bytes().startswith(b"\x89PNG")


class Begun(NamedTuple):
    """A search in which one more training has begun, of the candidate `waiting`; and how it was read before."""

    folder: Path
    study: StoredStudy
    before: Reading
    waiting: str
    claim: Claim


@pytest.fixture
def begun(searched, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(searched[0], folder)
    study = join_study(folder / "study.db")
    before = read_search(folder)
    waiting = next(one for one in map(str, before.search.space) if one not in {row.code for row in before.rows})
    claim = study.claim(Key(waiting, 0), study.read(), grace=60)
    assert claim is not None
    return Begun(folder, study, before, waiting, claim)


def test_a_search_that_runs_can_be_looked_at(begun):
    folder = begun.folder
    begun.study.close()
    assert read_search(folder).running == 1
    publish(folder)
    assert "1 in training" in (folder / PAGE).read_text()


def test_the_page_says_of_the_boundary_what_boundary_json_does(tmp_path):
    search = search_in(tmp_path, trials=5, strategy="additive", margin=None, seeds=2)
    write_report(search, tmp_path, None, sources={})
    publish(tmp_path)
    page = data_of((tmp_path / PAGE).read_text())
    rows = {row["code"]: row for row in page["candidates"] if row["boundary"]}
    networks = json.loads((tmp_path / "boundary.json").read_text())["networks"]
    assert sorted(rows) == sorted(network["code"] for network in networks)
    for network in networks:
        row = rows[network["code"]]
        assert row["accuracy"] == pytest.approx(network["accuracy"], rel=1e-12)
        assert row["expected"] == pytest.approx(network["expected"], rel=1e-9)
        assert row["spread"] == pytest.approx(network["spread"], rel=1e-9)
        # One whose weights were removed while another beat it, and that came back, was trained once more.
        assert row["runs"] == len(network["runs"]) >= 2
        assert row["latency_ms"] == pytest.approx(network["latency_ms"]["predicted"], abs=1e-6)


def test_where_a_search_comes_from_is_said_in_words(tmp_path):
    search_in(tmp_path, trials=2, limits={"memory": (0, 1e7), "parameters": (2, 1e6)}, interval=(0.0, 1e3))
    said = provenance(read_search(tmp_path))
    assert said["memory"] == "at most 10,000,000 bytes"
    assert said["parameters"] == "2 to 1,000,000"
    assert sorted(said["left out"].split(", ")) == ["0 by latency", "0 by memory", "0 by parameters"]
    assert said["latency"] == "at most 1000 ms"
    assert said["strategy"] == "partial order pruning"
    assert said["runs of each candidate"] == "1"
    assert "" not in said.values()
    # A measured table tells each round's drift; a page that says it is hundreds of lines long.
    assert max(map(len, said.values())) < 300


def test_a_failed_training_says_why(begun):
    folder, study, _, waiting, claim = begun
    assert study.fail(claim, "the loss is nan", "log")
    study.close()
    assert [(row.code, row.fault) for row in read_search(folder).rows if row.fault] == [(waiting, "the loss is nan")]


def test_the_networks_of_decoders_are_judged_by_mean_iou():
    space = DecoderSpace(parse_architecture("s4-8_b8_b16_c4"), channels=((4, 8), (4, 8)), classes=4)
    assert measure_of(space) == "mean IoU"
    assert measure_of(SPACE) == "accuracy"


def test_a_folder_without_a_study_is_refused(tmp_path, capsys):
    with pytest.raises(FormatError, match="found no study"):
        publish(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert main(["report", str(tmp_path)]) == 2
    assert re.fullmatch(r"dongfeng report: .*study\.db: found no study.*\n", capsys.readouterr().err)


def test_a_training_that_was_ended_early_counts_as_the_search_counts_it(begun):
    folder, study, before, waiting, claim = begun
    assert study.finish(claim, 1.0, 0.25, None, early=True)
    follower = Follower(lambda: before.question.search(before.search.table), study)
    follower.update()
    study.close()
    reading = read_search(folder)
    assert reading.search.counts() == follower.search.counts()
    assert [row.code for row in reading.rows if row.ended_early] == [waiting]
    assert reading.rows[-1].accuracy == 0.25
    assert len(reading.pruned) == len(before.pruned) + 1


def test_tiered_pruning_is_shown_while_it_searches_and_behind_its_networks(searched, tmp_path):
    """Before there is a study, its page has the searches alone."""
    folder = tmp_path / "run"
    own = write_search(folder, 0.5)
    files = {own / name for name in (COURSE, DECISIONS_CSV, LAYERS_CSV)}
    written, missing = publish(folder)
    assert set(written) == {folder / PAGE, *files} and "nothing was trained yet" in missing
    told = data_of((folder / PAGE).read_text())
    assert told["candidates"] == [] and [one["name"] for one in told["tiered"]] == ["0.5 ms"]
    assert dict(told["provenance"])["searched space"] == str(TIERED_SPACE)
    assert dict(told["provenance"])["goals"] == "0.5 ms"
    assert all((folder / path).is_file() for _, path in told["tiered"][0]["files"])
    shutil.copy(searched[0] / "study.db", folder)
    written, missing = publish(folder)
    assert set(written) == {folder / name for name in (PAGE, TABLE, PICTURE)} | files and missing is None
    told = data_of((folder / PAGE).read_text())
    assert len(told["candidates"]) == 4 and len(told["tiered"]) == 1


def test_tiered_pruning_that_warms_up_has_no_picture(tmp_path):
    own = write_search(tmp_path, 0.5, decisions=0, done=False)
    assert own / COURSE not in publish(tmp_path).paths
    assert data_of((tmp_path / PAGE).read_text())["tiered"][0]["steps"] == []
