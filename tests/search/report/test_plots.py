"""The picture: drawn from what any strategy tells, and from nothing else."""

import sys

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from PIL import Image

from prototxt_gen.architectures import parse_backbone
from prototxt_gen.errors import NotInstalledError
from search.latency import LatencyTable
from search.report.plots import draw_boundary
from search.spaces import parse_space
from search.strategies.strategy import Trained


def test_a_search_has_its_picture(finished):
    assert (finished.folder / "boundary.png").read_bytes().startswith(b"\x89PNG")


class Told:
    """A strategy that has only what the reports read, one training of which failed."""

    name = "made up"
    space = parse_space("s4-8_b1-2_w8-16_c10_i3x16x16")
    table = LatencyTable({"engine": "made up"})

    def trained(self):
        codes = ["s4-8_b8_c10", "s4-8_b16_c10", "s4-8_b8x2_c10", "s4-8_b8-16_c10"]
        told = zip(codes, (1.0, 2.0, 1.5, 3.0), (0.9, 0.95, 0.1, 0.94), strict=True)
        return [Trained(parse_backbone(code), latency, accuracy) for code, latency, accuracy in told]

    def boundary(self):
        return self.trained()[:2]

    def counts(self):
        return {"space": 5, "in_interval": 5, "trained": 4, "pruned": 1}

    def latencies(self):
        return {"trained": np.array([1.0, 2.0, 1.5, 3.0]), "pruned": np.array([4.0]), "open": np.array([])}


def test_any_strategy_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    draw_boundary(Told(), tmp_path / "boundary.png")
    assert Image.open(tmp_path / "boundary.png").size == (1350, 975)


def test_bars_are_the_spread_of_several_runs_and_estimates_are_said_to_be(tmp_path, monkeypatch):
    class Repeated(Told):
        def trained(self):
            return [network._replace(runs=2 if network.latency < 2 else 1) for network in super().trained()]

        def runs_of(self, architecture):
            return [0.9 - 0.003, 0.9 + 0.003]

        def counts(self):
            return super().counts() | {"in_interval": 1000, "pruned": 996, "pruned_error": 5}

    seen = []
    figure = pytest.importorskip("matplotlib.figure").Figure
    saved = figure.savefig
    monkeypatch.setattr(figure, "savefig", lambda self, *args, **more: [seen.append(self), saved(self, *args, **more)])
    draw_boundary(Repeated(), tmp_path / "boundary.png", "mean IoU")
    (drawn,) = seen
    top, bottom = drawn.axes
    (bars,) = [one for one in top.collections if isinstance(one, LineCollection) and len(one.get_segments()[0]) == 2][
        :1
    ]
    # Of two runs that lie 0.6 points apart; of those further down, nothing but that they are there.
    assert [segment[:, 1].tolist() for segment in bars.get_segments()] == [
        pytest.approx([90 - 0.3 * 2**0.5, 90 + 0.3 * 2**0.5])
    ]
    assert top.get_ylabel() == "held-out mean IoU, %"
    assert "estimated" in bottom.get_ylabel()
    assert "about 996 pruned" in drawn.get_suptitle()


def test_without_matplotlib_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(NotInstalledError, match=r"needs matplotlib, .*pip install 'dongfeng\[plot\]'"):
        draw_boundary(Told(), tmp_path / "boundary.png")
