"""The page of a search: what it is told, so that what it shows is right; see test_page_in_a_browser.py for the rest."""

from __future__ import annotations

import csv
import io
import json
import random
import re

import pytest

from prototxt_gen import parse_architecture
from search.report.page import Row, hypervolumes, page, stages_of, table_csv
from tests.search.report.made_up_run import FAILED, made_up_rows


def data_of(text: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S).group(1))


def made_page(rows, **changes) -> str:
    arguments = {"title": "runs/x", "subtitle": "", "pruned": [], "facts": {}, "provenance": {}}
    return page(rows=rows, **(arguments | changes))


def test_the_page_holds_every_candidate_and_asks_nothing_of_a_network():
    rows = made_up_rows()
    text = made_page(rows)
    assert [one["code"] for one in data_of(text)["candidates"]] == [row.code for row in rows]
    addresses = set(re.findall(r"""(?:https?:)?//[^\s"'`)]+""", text.replace(json.dumps(data_of(text)), "")))
    assert {address for address in addresses if re.match(r"(https?:)?//\w", address)} <= {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize("text", ["</script><b>", "<!--<script>", "\u2028", "&lt;", '"', "东风", "@DATA@"])
def test_no_text_breaks_the_page(text):
    found = made_page([], title=text, provenance={text: text})
    assert data_of(found)["title"] == text
    assert data_of(found)["provenance"] == [[text, text]]
    assert found.count("</script>") == made_page([]).count("</script>")


def test_a_page_of_nothing_trained_yet_can_be_made():
    assert data_of(made_page([]))["over"] == []


def test_numbers_that_are_none_are_refused():
    with pytest.raises(ValueError, match="not JSON compliant"):
        made_page([Row(1, "s8_b8_c2", float("nan"), 0.5)])


def test_hypervolumes_are_the_area_counted_in_small_squares():
    rng = random.Random(0)
    pairs = [(rng.randrange(1, 40), rng.randrange(20) / 100) for _ in range(12)]
    volumes, (slowest, least) = hypervolumes(pairs)
    for count, volume in enumerate(volumes, 1):
        squares = sum(
            any(latency <= across and accuracy * 100 >= up + 1 for latency, accuracy in pairs[:count])
            for across in range(int(slowest))
            for up in range(round(least * 100), 20)
        )
        assert volume == pytest.approx(squares)
    assert volumes == sorted(volumes)


@pytest.mark.parametrize(
    ("accuracies", "least"),
    [
        ([0.9], 0.9),
        ([0.8, 0.9], 0.8),
        ([0.8, 0.9, 0.7, 0.85], 0.8),  # the third is slower than better ones
        ([0.8, 0.9] + [0.7] * 20, 0.7),  # so are these, but they are too many to be accidents
        ([0.1, 0.9, 0.91], 0.1),  # on the boundary, as the fastest
    ],
)
def test_a_training_that_went_wrong_does_not_move_the_corner(accuracies, least):
    assert hypervolumes([(place + 1.0, accuracy) for place, accuracy in enumerate(accuracies)])[1][1] == least


def test_the_csv_says_what_the_rows_hold():
    rows = made_up_rows()
    found = list(csv.DictReader(io.StringIO(table_csv(rows))))
    assert [line["code"] for line in found] == [row.code for row in rows]
    assert [float(line["latency_ms"]) for line in found] == [row.latency_ms for row in rows]
    assert found[FAILED - 1]["accuracy"] == ""
    assert [line["boundary"] for line in found] == [str(int(row.boundary)) for row in rows]


@pytest.mark.parametrize(
    ("code", "stages"),
    [
        ("s32-64_b64x2_b128_c10", [("stem", [32, 64]), ("basic", [64, 64]), ("basic", [128])]),
        (
            "s32-64_b64_b128_b256_p128-512_d128-32-19_u8_c19",
            [
                ("stem", [32, 64]),
                *[("basic", [width]) for width in (64, 128, 256)],
                ("pyramid", [512]),
                ("decoder", [128, 32, 19]),
            ],
        ),
    ],
)
def test_an_architecture_is_drawn_stage_by_stage(code, stages):
    assert [(stage["name"], stage["widths"]) for stage in stages_of(parse_architecture(code))] == stages
