"""Tables of accuracies: what they add up, their files, and what is no table."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prototxt_gen.errors import FormatError
from search.strategies.accuracy_table import AccuracyTable, Row, added, unadded

ROWS = (Row("res2.1", ("e3", "e6"), (0.5, 0.75)), Row("res2.2", ("e3", "k5e3", "e6q"), (0.8, 0.7, 0.6)))


def table(**changes):
    return AccuracyTable(
        **({"space": "a space", "rows": ROWS, "best": 0.8, "provenance": {"data": "glyphs"}} | changes)
    )


SOME_POWERS = (-3.0, -2.0, -0.5, -1e-9, 0.0, 1e-9, 0.5, 1.0)


@pytest.mark.parametrize(
    ("power", "first", "expected"),
    [
        (1.0, 0.25, 0.2 + 0.25 + 0.1),
        # Errors are multiplied, by 0.5 / 0.25 and by 0.3 / 0.2.
        (0.0, 0.2 * math.log(2), 0.2 * 2 * 1.5),
        # Reciprocals of errors: 1 / 0.25 - 1 / 0.5 = 2 less, and 1 / 0.2 - 1 / 0.3.
        (-1.0, 0.2**2 * 2, 1 / (1 / 0.2 - 2 - (1 / 0.2 - 1 / 0.3))),
    ],
)
def test_losses_add_up_over_the_rows(power, first, expected):
    made = table(power=power)
    assert made.losses[0] == pytest.approx([first, 0])
    told = made.expected(made.loss(np.array([[1, 0], [0, 1]])))
    assert told == pytest.approx([0.8, max(0.0, 1 - expected)])


@given(st.sampled_from(SOME_POWERS), st.floats(0.5, 0.99), st.floats(0, 1e-4))
def test_a_small_loss_is_by_how_much_less_accurate_the_best_network_becomes(power, best, loss):
    assert table(power=power, best=best).expected(np.array([loss]))[0] == pytest.approx(best - loss, abs=3e-6)


@given(st.sampled_from(SOME_POWERS), st.lists(st.floats(1e-4, 1), min_size=1))
def test_what_adds_up_is_turned_back_into_errors(power, errors):
    assert unadded(added(np.array(errors), power), power) == pytest.approx(errors, rel=1e-6)


def test_what_no_power_of_an_error_is_has_the_error_at_that_end():
    assert unadded(np.array([1.0, 2.0]), -1.0).tolist() == [math.inf, math.inf]
    assert unadded(np.array([-2.0]), 1.0).tolist() == [0.0]


def test_a_saved_table_is_the_same(tmp_path):
    table(power=-1.5).save(tmp_path / "table.json")
    assert AccuracyTable.load(tmp_path / "table.json") == table(power=-1.5)


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
        ({"power": 2}, "power: found 2.0, expected -10 to 1"),
        ({"power": "log"}, "found 'log', expected a number"),
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
