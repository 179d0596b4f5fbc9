"""Two tables side by side as text and as a picture."""

import sys

import pytest
from PIL import Image

from prototxt_gen.errors import NotInstalledError
from search.latency import Entry, LatencyTable
from search.latency.comparing import compare_tables
from search.report.comparison import comparison_text, draw_comparison


def table(target, **times):
    return LatencyTable(target, {key: Entry(ms, (ms, ms), 1, key) for key, ms in times.items()})


TWO = compare_tables(
    table({"engine": "torch", "threads": 1}, a=1.0, b=2.0, c=4.0, d=1.0, f=0.0),
    table({"engine": "torch", "threads": 2}, a=0.6, b=1.0, c=1.0, e=9.0, f=1.0),
)


def test_text_of_two_targets():
    assert comparison_text(TWO, ("A", "B"), 2).splitlines() == [
        "target   A  B",
        "threads  1  2",
        "",
        "3 common parts",
        "median ratio 0.500 (B / A); of it, half of the parts are within 0.750 to 1.100, all within 0.500 to 1.200; "
        "Kendall's tau 0.816",
        "",
        "furthest from the median ratio:",
        "  part  A, ms  B, ms  ratio  of median",
        "  c         4      1  0.250      0.500",
        "  a         1    0.6  0.600      1.200",
        "only in A: 1 (d)",
        "only in B: 1 (e)",
        "without a time in one of them: 1 (f)",
    ]


def test_text_of_one_target_measured_twice():
    once = table({"engine": "torch"}, a=1.0, b=2.0)
    again = table({"engine": "torch"}, a=1.02, b=2.0)
    lines = comparison_text(compare_tables(once, again), ("A", "B")).splitlines()
    assert lines[0] == "both were measured on one target"
    assert "measured twice, a part's times are 0.99 % apart in the median, 1.98 % at most" in lines
    assert "all, furthest from it first:" in lines


def test_a_long_list_of_parts_is_cut():
    many = table({}, **{f"p{index}": 1.0 for index in range(9)})
    text = comparison_text(compare_tables(many, table({}, p0=1.0)), ("A", "B"))
    assert "only in A: 8 (p1, p2, p3, p4, p5, p6, and 2 more)" in text


def test_a_picture_is_written(tmp_path):
    pytest.importorskip("matplotlib")
    draw_comparison(TWO, tmp_path / "compare.png", ("A", "B"))
    assert Image.open(tmp_path / "compare.png").size == (1050, 1050)


def test_without_matplotlib_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(NotInstalledError, match=r"needs matplotlib, .*pip install 'dongfeng\[plot\]'"):
        draw_comparison(TWO, tmp_path / "compare.png", ("A", "B"))
