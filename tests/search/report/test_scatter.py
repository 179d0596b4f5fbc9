"""The picture of predicted against measured latency: what it shows and says."""

import sys

import pytest
from PIL import Image

from prototxt_gen.errors import NotInstalledError, UnsupportedError
from search.report.scatter import draw_scatter

TARGET = {"engine": "torch", "device": "AMD EPYC", "threads": 1, "precision": "float32", "batch": 1}
MEASURED, PREDICTED = [1.0, 2.0, 4.0], [1.02, 1.92, 4.8]


def test_a_picture_is_written(tmp_path):
    pytest.importorskip("matplotlib")
    draw_scatter(MEASURED, PREDICTED, tmp_path / "check.png", target=TARGET, labels=["a", "b", "c"])
    assert Image.open(tmp_path / "check.png").size == (1050, 1050)


def test_the_picture_says_how_far_predictions_are_off(tmp_path, monkeypatch):
    figure = pytest.importorskip("matplotlib.figure")
    drawn = []
    monkeypatch.setattr(figure.Figure, "savefig", lambda self, *_, **__: drawn.append(self))
    draw_scatter(MEASURED, PREDICTED, tmp_path / "check.png", target=TARGET, labels=["a", "b", "s32-64_b64_c10"])
    (axes,) = drawn[0].axes
    assert axes.get_title() == (
        "3 networks: mean error 8.67 %, worst +20.00 %, Kendall's tau 1.000\n"
        "torch, AMD EPYC, 1 thread, float32, batch 1"
    )
    assert [text.get_text() for text in axes.texts] == ["s32-64_b64_c10"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["within 10 %: 67 %", "within 5 %: 67 %"]
    inside, outside = (dots.get_offsets().tolist() for dots in axes.collections[-2:])
    assert (inside, outside) == ([[1.0, 1.02], [2.0, 1.92]], [[4.0, 4.8]])


def test_nothing_to_draw_is_refused_and_nothing_written(tmp_path):
    pytest.importorskip("matplotlib")
    with pytest.raises(UnsupportedError, match="0 predictions and 0 measurements"):
        draw_scatter([], [], tmp_path / "check.png", target=TARGET)
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(NotInstalledError, match=r"needs matplotlib, .*pip install 'dongfeng\[plot\]'"):
        draw_scatter(MEASURED, PREDICTED, tmp_path / "check.png", target=TARGET)
