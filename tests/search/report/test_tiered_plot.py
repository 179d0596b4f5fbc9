"""The picture of a search by Tiered Pruning: a row of charts for each layer, at any time of the search."""

from __future__ import annotations

import pytest
from PIL import Image

from search.report.tiered_history import tiered_courses
from search.report.tiered_plot import draw_tiered_course
from tests.search.report.made_up_tiered import DECISIONS, write_search


@pytest.mark.parametrize(("decisions", "done"), [(DECISIONS, True), (1, False)])
def test_a_search_is_drawn(tmp_path, decisions, done):
    pytest.importorskip("matplotlib")
    write_search(tmp_path, 0.5, decisions, done)
    (course,) = tiered_courses(tmp_path)
    draw_tiered_course(course, tmp_path / "course.png")
    with Image.open(tmp_path / "course.png") as image:
        seen = {colour for _, colour in image.convert("RGB").getcolors(1 << 20)}
        assert image.height > 600
    assert {(0x4D, 0x86, 0xB8), (0xC8, 0x44, 0x2F)} <= seen, "what is expected, and the goal"
