"""The history of a search by Tiered Pruning: what its charts are of, in words, as CSV; broken ones are refused."""

from __future__ import annotations

import csv
import json

import pytest

from prototxt_gen.errors import FormatError
from search.report.tiered_history import POINTS, spread, tiered_courses
from search.study.tiered import FOUND
from search.training.tiered import HISTORY
from search.training.tiered_history import read_history
from tests.search.report.made_up_tiered import DECISIONS, EVERY, write_search


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    write_search(folder, 0.5)
    return tiered_courses(folder)[0]


@pytest.fixture(scope="module")
def lines(course):
    return read_history(course.folder / HISTORY)[1]


def test_lists_are_as_long_as_what_they_are_of_was_there(course, lines):
    for number, layer in enumerate(course.layers):
        for key, block in enumerate(layer.blocks):
            there = [line["layers"][number]["candidates"].get(str(key)) for line in lines]
            left = [one for one in there if one is not None]
            assert (block.shares, block.smalls) == ([one["share"] for one in left], [one["small"] for one in left])
            assert there == left + [None] * (len(there) - len(left)), "none comes back"
            assert block.removed == (lines[len(left)]["step"] if len(left) < len(lines) else None)
        bypass = [line["layers"][number]["bypass"] for line in lines]
        assert layer.bypass == [one for one in bypass if one is not None]


def test_steps_of_decisions_are_those_of_its_events(course, lines):
    steps = {(event[0], event[1], event[2]): line["step"] for line in lines for event in line["events"]}
    assert {kind for kind, _, _ in steps} == {
        "moved", "narrowed", "frozen", "block removed", "layer removed"
    }, "each kind is met"  # fmt: skip
    for number, layer in enumerate(course.layers):
        assert layer.gone == steps.get(("layer removed", number, None))
        for key, block in enumerate(layer.blocks):
            if layer.most:
                assert block.frozen == steps.get(("frozen", number, key))
            if layer.gone is None:
                assert block.removed == steps.get(("block removed", number, key))


def test_what_is_left_is_the_network_found(course):
    first, second, third, fourth = course.layers
    assert first.words().startswith("f, inner width 32, decided at step ")
    assert second.words().startswith("f, inner width 4, decided at step ")
    assert course.found.architecture == "g8_f8h32-h4_k16k5_c5"
    assert third.words() == "left out" and third.bypass_words() == f"left out since step {third.gone}"
    assert [block.width for block in fourth.blocks] == ["", ""], "a convolution has no inner width"
    assert course.found.architecture in course.words()[-1] and "measured whole 0.505 ms" in course.words()[-1]
    assert course.progress == 1 and course.steps[-1] == EVERY * DECISIONS


def test_a_running_search_says_what_leads(tmp_path):
    write_search(tmp_path, 0.5, decisions=4, done=False)
    (course,) = tiered_courses(tmp_path)
    assert course.words()[0].startswith("10 % of the search is done, after 8 steps")
    assert course.layers[0].words().startswith("2 of 2 blocks left; f leads with 7")
    assert course.layers[2].bypass_words().startswith("left out with ")


def test_a_search_that_warms_up_has_decided_nothing(tmp_path):
    write_search(tmp_path, 0.5, decisions=0, done=False)
    (course,) = tiered_courses(tmp_path)
    assert "Nothing was decided yet" in course.words()[0]
    assert course.document()["steps"] == [] and course.progress == 0


def test_goals_ascend_and_other_folders_have_none(tmp_path):
    assert tiered_courses(tmp_path) == []
    for goal in (2.0, 0.5, 10.0):
        write_search(tmp_path, goal, decisions=1, done=False)
    assert [course.goal for course in tiered_courses(tmp_path)] == [0.5, 2.0, 10.0]


def test_the_tables_have_every_decision_and_what_is_there(course, lines):
    rows = list(csv.DictReader(course.csv().splitlines()))
    assert [(int(row["step"]), float(row["latency"]), int(row["parameters"])) for row in rows] == [
        (line["step"], line["latency"], line["parameters"]) for line in lines
    ]
    layers = list(csv.DictReader(course.layers_csv().splitlines()))
    there = sum(max(1, len(layer["candidates"])) for line in lines for layer in line["layers"])
    assert len(layers) == there
    frozen = {(row["layer"], row["candidate"], row["step"]) for row in layers if row["event"] == "frozen"}
    assert ("layer 1", "f", str(course.layers[0].blocks[1].frozen)) in frozen


def test_the_page_is_told_no_more_than_it_can_draw(course):
    assert spread(3) == [0, 1, 2] and spread(0) == []
    many = spread(10 * POINTS)
    assert len(many) == POINTS and (many[0], many[-1]) == (0, 10 * POINTS - 1)
    document = json.loads(json.dumps(course.document(), allow_nan=False))
    for layer in document["layers"]:
        assert all(len(block["shares"]) <= len(document["steps"]) for block in layer["blocks"])


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        (HISTORY, lambda text: text.replace("dongfeng tiered history", "other history"), "found no"),
        (HISTORY, lambda text: text.replace('"share"', '"part"'), "'share'"),
        (HISTORY, lambda text: text.replace("8x2-3_", "8x2-4_"), "not the space of these layers"),
        (FOUND, lambda text: text.replace('"predicted"', '"said"'), "'predicted'"),
    ],
)
def test_broken_files_are_named(tmp_path, name, change, words):
    path = write_search(tmp_path, 0.5) / name
    text = path.read_text()
    assert change(text) != text
    path.write_text(change(text))
    with pytest.raises(FormatError, match=words) as told:
        tiered_courses(tmp_path)
    assert str(path) in str(told.value)
