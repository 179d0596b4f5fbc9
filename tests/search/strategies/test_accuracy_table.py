"""Tables of accuracies: what they add up, their files, and what is no table."""

import json
import math

import numpy as np
import pytest

from prototxt_gen.errors import FormatError
from search.strategies.accuracy_table import AccuracyTable, Row

ROWS = (Row("res2.1", ("e3", "e6"), (0.5, 0.75)), Row("res2.2", ("e3", "k5e3", "e6q"), (0.8, 0.7, 0.6)))


def table(**changes):
    return AccuracyTable(
        **({"space": "a space", "rows": ROWS, "best": 0.8, "provenance": {"data": "glyphs"}} | changes)
    )


@pytest.mark.parametrize(
    ("scale", "first", "expected"),
    [("accuracy", 0.25, [0.8, 0.45]), ("log error", math.log(2), [0.8, 1 - 0.2 * 2 * 1.5])],
)
def test_losses_add_up_over_the_rows(scale, first, expected):
    made = table(scale=scale)
    assert made.losses[0] == pytest.approx([first, 0])
    assert made.expected(made.loss(np.array([[1, 0], [0, 1]]))) == pytest.approx(expected)


def test_a_saved_table_is_the_same(tmp_path):
    table(scale="log error").save(tmp_path / "table.json")
    assert AccuracyTable.load(tmp_path / "table.json") == table(scale="log error")


def test_the_file_is_plain_json(tmp_path):
    table().save(tmp_path / "table.json")
    document = json.loads((tmp_path / "table.json").read_text())
    assert document["rows"][0] == {"layer": "res2.1", "accuracies": {"e3": 0.5, "e6": 0.75}}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": "dongfeng boundary 2"}, "format: found 'dongfeng boundary 2'"),
        ({"rows": []}, "rows: found none"),
        ({"rows": [{"layer": "x", "accuracies": {"e3": 1.5}}]}, "row x: found accuracy 1.5"),
        ({"rows": [{"layer": "x", "accuracies": {"e3": "0.5"}}]}, "found '0.5', expected a number"),
        ({"rows": [{"layer": "x"}]}, "KeyError: 'accuracies'"),
        ({"best": float("nan")}, "expected a number"),
        ({"best": 2}, "best: found 2"),
        ({"scale": "points"}, "accuracy, log error"),
        ({"rows": 5}, "TypeError"),
    ],
)
def test_other_files_are_refused_by_name(change, told, tmp_path):
    path = tmp_path / "table.json"
    path.write_text(json.dumps(json.loads(table().text()) | change))
    with pytest.raises(FormatError, match=f"table.json: .*{told}"):
        AccuracyTable.load(path)


@pytest.mark.parametrize("text", ["", "[1, 2]", '{"format": ', "[" * 100_000])
def test_what_is_no_json_table_is_refused(text):
    with pytest.raises(FormatError, match=r"made\.json"):
        AccuracyTable.parse(text, "made.json")
