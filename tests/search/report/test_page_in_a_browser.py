"""The page of a search in headless Chromium: it draws, says no error, hovers and zooms, fits a phone and the dark."""

from __future__ import annotations

import csv
import os
import shutil
from pathlib import Path

import pytest

from search.report.page import Row, page
from search.report.tiered_history import tiered_courses
from tests.search.report.made_up_run import FAILED, made_up_rows
from tests.search.report.made_up_tiered import SPACE as TIERED
from tests.search.report.made_up_tiered import write_search

playwright = pytest.importorskip("playwright.sync_api", reason="playwright (extra `dev`) drives the browser")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the PATH")

ROWS = made_up_rows()
BOUNDARY = sorted((row for row in ROWS if row.boundary), key=lambda row: row.latency_ms)


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        # In a container, as root, Chromium has no sandbox of its own.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    text = page("runs/made up", "no device", ROWS, list(range(0, 87, 3)), {"trained": "29"}, {"seed": "1"})
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def open_page(browser, written):
    """Opens the page in a window; at the end no error was said and nothing else was asked for."""
    said: list[str] = []
    asked: list[str] = []
    made = []

    def opened(path=written, **window):
        context = browser.new_context(**({"viewport": {"width": 1200, "height": 900}} | window))
        made.append(context)
        shown = context.new_page()
        shown.on("console", lambda message: said.append(message.text))
        shown.on("pageerror", lambda error: said.append(str(error)))
        shown.on("request", lambda request: asked.append(request.url))
        shown.goto(path.as_uri())
        return shown

    yield opened
    for context in made:
        context.close()
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


def test_every_training_is_a_dot_and_the_boundary_is_marked(open_page):
    shown = open_page()
    assert shown.locator("#boundary .dot").count() == len(ROWS) - 1
    codes = shown.locator("#boundary .dot.boundary").evaluate_all("dots => dots.map(dot => dot.dataset.code)")
    assert codes == [row.code for row in BOUNDARY]
    assert shown.locator("tbody tr").count() == len(ROWS)
    assert "failed" in shown.locator("tbody").inner_text()
    assert shown.locator("#pruned path, #volume path").count() == 3


def test_hovering_says_what_a_network_is(open_page):
    shown = open_page()
    assert shown.locator("#tip").is_hidden()
    shown.locator(".dot.boundary").nth(1).hover()
    words = shown.locator("#tip").inner_text()
    assert BOUNDARY[1].code in words
    assert f"{BOUNDARY[1].accuracy:.2%}".replace("%", " %") in words
    assert shown.locator("#tip svg rect").count() == sum(len(stage["widths"]) for stage in BOUNDARY[1].stages)
    shown.mouse.move(5, 5)
    assert shown.locator("#tip").is_hidden()


def test_the_keyboard_reaches_the_boundary(open_page):
    shown = open_page()
    # One stop of the tabulator; from there the arrows lead along the boundary, and Enter marks a network's row.
    shown.get_by_role("slider").focus()
    shown.keyboard.press("Tab")
    for key, row in (
        ("", BOUNDARY[0]),
        ("ArrowRight", BOUNDARY[1]),
        ("End", BOUNDARY[-1]),
        ("ArrowLeft", BOUNDARY[-2]),
    ):
        if key:
            shown.keyboard.press(key)
        assert row.code in shown.locator("#tip").inner_text()
    shown.keyboard.press("Enter")
    assert BOUNDARY[-2].code in shown.locator("tr.chosen").inner_text()
    shown.keyboard.press("ArrowRight")
    assert BOUNDARY[-1].code in shown.locator("#tip").inner_text()
    shown.keyboard.press("Tab")
    assert shown.evaluate("document.activeElement.closest('#boundary')") is None


def test_everything_that_can_be_used_has_a_name(open_page):
    shown = open_page()
    unnamed = """() => [...document.querySelectorAll("button, input, a, [role=button], table, svg[role]")].filter(one =>
        !(one.textContent || one.getAttribute("aria-label") || (one.labels && one.labels.length))).length"""
    assert shown.evaluate(unnamed) == 0
    assert shown.get_by_role("columnheader").count() == shown.locator("th[scope=col]").count() > 5
    assert shown.get_by_role("table", name="All networks of the search").count() == 1


def test_what_sets_a_network_apart_is_seen_and_said(open_page, tmp_path):
    codes = [row.code for row in ROWS if row.accuracy is not None][:5]
    rows = [
        Row(1, codes[0], 1.0, 0.80, boundary=True),
        Row(2, codes[1], 2.0, 0.90, boundary=True, source="a paper"),
        Row(3, codes[2], 3.0, 0.85, ended_early=True),
        Row(4, codes[3], 3.5, 0.10),
        Row(5, codes[4], 4.0, None, fault="the loss is nan"),
    ]
    path = tmp_path / "kinds.html"
    path.write_text(page("runs/x", "", rows, [], {}, {}), encoding="utf-8")
    shown = open_page(path)
    kinds = shown.locator("#boundary .dot").evaluate_all("dots => dots.map(dot => dot.classList[1])")
    assert sorted(kinds) == ["early", "known", "low", "trained"]
    for words in ("known before the search", "ended early", "further down"):
        assert words in shown.locator("#key").inner_text()
    for words in ("known: a paper", "ended early", "failed: the loss is nan"):
        assert words in shown.locator("tbody").inner_text()
    # The one that went wrong does not squeeze the others together: it is drawn inside, at the lower edge.
    low, paper = (shown.locator(place).bounding_box() for place in ("#boundary .low", "#boundary"))
    assert paper["y"] < low["y"] and low["y"] + low["height"] < paper["y"] + paper["height"]


def test_one_result_is_drawn(open_page, tmp_path):
    path = tmp_path / "one.html"
    rows = [Row(1, ROWS[0].code, 1.0, 0.80, boundary=True)]
    path.write_text(page("runs/x", "", rows, [0], {}, {}), encoding="utf-8")
    shown = open_page(path)
    assert "1 of 1 result" in shown.locator("#number").inner_text()
    assert "NaN" not in shown.locator("main").inner_html()


def test_a_box_zooms_and_a_double_click_shows_all(open_page):
    shown = open_page()
    place = "() => document.querySelector('.dot.boundary').getAttribute('cx')"
    before = shown.evaluate(place)
    box = shown.locator("#boundary").bounding_box()
    shown.mouse.move(box["x"] + 200, box["y"] + 60)
    shown.mouse.down()
    shown.mouse.move(box["x"] + 500, box["y"] + 300, steps=4)
    shown.mouse.up()
    assert shown.evaluate(place) != before
    shown.locator("#boundary").dblclick(position={"x": 100, "y": 20})
    assert shown.evaluate(place) == before
    shown.get_by_role("button", name="Zoom in").click()
    assert shown.evaluate(place) != before
    shown.get_by_role("button", name="Show all").click()
    assert shown.evaluate(place) == before


def test_the_slider_goes_back_in_time(open_page):
    shown = open_page()
    shown.locator("#until").fill("5")
    trained = [row for row in ROWS if row.accuracy is not None][:5]
    assert shown.locator("#boundary .dot").count() == len(trained)
    best = [
        row
        for row in trained
        if not any(other.latency_ms <= row.latency_ms and other.accuracy > row.accuracy for other in trained)
    ]
    assert shown.locator("#boundary .dot.boundary").count() == len(best)


def test_the_course_can_be_seen_over_time(open_page):
    shown = open_page()
    ticks = "() => document.querySelector('#volume').textContent"
    over_results = shown.evaluate(ticks)
    assert "results" in over_results and "minutes" not in over_results
    shown.get_by_role("radio", name="minutes").check()
    over_time = shown.evaluate(ticks)
    assert "minutes" in over_time and "results" not in over_time
    # Its 30th network was trained after 3,000 seconds.
    assert "29 of 29 results (50 minutes)" in shown.locator("#number").inner_text()


def test_a_click_finds_the_row_and_titles_sort(open_page):
    shown = open_page()
    shown.locator(".dot.boundary").nth(2).click()
    assert BOUNDARY[2].code in shown.locator("tr.chosen").inner_text()
    for direction in ("ascending", "descending"):
        shown.get_by_role("button", name="accuracy", exact=True).click()
        assert shown.get_by_role("columnheader", name="accuracy").get_attribute("aria-sort") == direction
    # From the highest on; the one that failed has none, and stands at an end.
    codes = shown.locator("tbody code").all_inner_texts()
    trained = sorted((row for row in ROWS if row.accuracy is not None), key=lambda row: -row.accuracy)
    assert [code for code in codes if code != ROWS[FAILED - 1].code] == [row.code for row in trained]
    shown.get_by_label("only the boundary").check()
    assert shown.locator("tbody tr").count() == len(BOUNDARY)


def test_a_phone_shows_it_without_scrolling_sideways(open_page):
    shown = open_page(viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    assert shown.evaluate("document.documentElement.scrollWidth") == 390
    shown.locator(".dot.boundary").first.tap()
    box = shown.locator("#boundary").bounding_box()
    assert box["width"] <= 390
    assert box["height"] >= 200


def test_the_dark_is_dark_and_can_be_read(open_page):
    def lightness(shown, element, field):
        color = shown.evaluate(f"getComputedStyle(document.querySelector('{element}')).{field}")
        return sum(map(int, color[color.index("(") + 1 : -1].split(",")[:3])) / 3

    for scheme, is_dark in (("light", False), ("dark", True)):
        shown = open_page(color_scheme=scheme)
        paper, ink = lightness(shown, "body", "backgroundColor"), lightness(shown, "body", "color")
        assert (paper < 60) is is_dark
        assert abs(paper - ink) > 150


def test_the_table_and_the_picture_can_be_taken_away(open_page, tmp_path):
    shown = open_page()
    with shown.expect_download() as taken:
        shown.get_by_role("link", name="CSV").click()
    taken.value.save_as(tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open(newline="") as file:
        assert [line["code"] for line in csv.DictReader(file)] == [row.code for row in ROWS]
    with shown.expect_download() as taken:
        shown.get_by_role("button", name="PNG").click()
    taken.value.save_as(tmp_path / "picture.png")
    image = pytest.importorskip("PIL.Image").open(tmp_path / "picture.png")
    assert image.size == (2160, 940)
    assert len(image.convert("RGB").getcolors(1 << 20)) > 20


def test_a_page_of_nothing_trained_yet_opens(open_page, tmp_path):
    path = tmp_path / "empty.html"
    path.write_text(page("runs/x", "", [], [], {}, {}), encoding="utf-8")
    shown = open_page(path)
    assert "Nothing was trained yet" in shown.locator("main").inner_text()
    assert shown.locator("svg:visible, table:visible").count() == 0


@pytest.fixture(scope="module")
def tiered(tmp_path_factory) -> Path:
    """The page of two searches by Tiered Pruning: one is done, one has begun; nothing is trained."""
    folder = tmp_path_factory.mktemp("tiered")
    write_search(folder, 0.5)
    write_search(folder, 2.0, decisions=0, done=False)
    courses = [course.document() | {"files": [("history.csv", "x")]} for course in tiered_courses(folder)]
    (folder / "report.html").write_text(page("runs/x", "", [], [], {}, {}, tiered=courses), encoding="utf-8")
    return folder / "report.html"


def test_each_goal_of_tiered_pruning_has_its_charts(open_page, tiered):
    shown = open_page(tiered)
    assert shown.locator("#tiered h2").all_inner_texts() == ["Tiered Pruning for 0.5 ms", "Tiered Pruning for 2 ms"]
    assert "Nothing was decided yet" in shown.locator("#tiered-1").inner_text()
    assert shown.locator("#tiered-1 svg").count() == 0
    assert shown.locator("#tiered-0-latency path.curve, #tiered-0-latency path.goal").count() == 2
    assert shown.locator("#tiered-0-supernet path.curve").count() == 3, "no step was looked at for its memory"
    # Of several goals the layers are folded.
    assert shown.locator("#tiered-0 .layer:visible").count() == 0
    shown.get_by_text("Layer by layer").click()
    assert shown.locator("#tiered-0 .layer:visible").count() == len(TIERED.layers)
    charts = sum(1 + len(layer.candidates) for layer in TIERED.layers)
    assert shown.locator("#tiered-0 .cell").count() == charts
    assert shown.locator("#tiered-0 .cross").count() == 5, "two blocks of the layer left out, one of each other"
    assert "NaN" not in shown.locator("main").inner_html()


def test_words_say_what_the_charts_of_a_layer_do(open_page, tiered):
    shown = open_page(tiered)
    shown.get_by_text("Layer by layer").click()
    first, _, third, _ = shown.locator("#tiered-0 .layer").all_inner_texts()
    assert "f, inner width 32, decided at step" in first and "removed at step" in first
    assert "left out since step" in third


def test_a_phone_shows_the_layers_of_tiered_pruning(open_page, tiered):
    shown = open_page(tiered, viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    shown.get_by_text("Layer by layer").tap()
    assert shown.evaluate("document.documentElement.scrollWidth") == 390
    assert all(box["width"] > 130 for box in (one.bounding_box() for one in shown.locator(".cell").all()[:4]))
    # Turned, it is drawn anew, and what was unfolded stays so.
    shown.set_viewport_size({"width": 800, "height": 390})
    assert shown.locator("#tiered-0 .layer:visible").count() == len(TIERED.layers)
