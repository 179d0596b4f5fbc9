"""A table of accuracies as a heat map: what its cells say, as CSV, as a picture."""

from __future__ import annotations

import csv

import pytest
from PIL import Image

from prototxt_gen.errors import ArchitectureError
from search.report.heat_map import DOTS, draw_heat_map, heat_map
from search.report.page import page
from search.spaces.ponas import PonasLayer, PonasSpace, candidates_of
from search.strategies.accuracy_table import AccuracyTable, named_rows

SPACE = PonasSpace(
    (PonasLayer(8, 1, candidates_of((1, 3), (3,), (False,))), PonasLayer(8, 2, candidates_of((3,), (3, 5), (False,)))),
    (8,),
    classes=3,
    input_shape=(1, 3, 8, 8),
    head=None,
)
CODES = [["e1", "e3"], ["e3", "k5e3"]]
ENTRIES = [[0.70, 0.75], [0.80, 0.60]]


def table(power=1.0, **provenance) -> AccuracyTable:
    return AccuracyTable(str(SPACE), named_rows(["one", "two"], CODES, ENTRIES), 0.8, power, provenance)


NETWORKS = [(SPACE.of_choices([1, 0]), 2.0), (SPACE.of_choices([0, 0]), 1.0)]


@pytest.mark.parametrize(
    ("power", "words"),
    [
        (1.0, [["5.0", "0.0"], ["0.0", "20.0"]]),
        # 30 % of errors are 20 % more than 25 %, 40 % are twice as many as 20 %.
        (0.0, [["20", "0"], ["0", "100"]]),
    ],
)
def test_what_each_candidate_loses(power, words):
    found = heat_map(table(power), NETWORKS)
    assert [[cell.words for cell in cells] for cells in found.layers.values()] == words
    shares = [[cell.share for cell in cells] for cells in found.layers.values()]
    assert shares[1][1] == 1.0 and shares[0][1] == shares[1][0] == 0.0
    assert found.columns == ("e1", "e3", "k5e3")


def test_what_was_kept_and_which_networks_have_it():
    """Networks come fastest first."""
    found = heat_map(table(kept=[0, 1]), NETWORKS)
    assert found.networks == ("1 ms", "2 ms")
    assert [(cell.kept, cell.networks) for cell in found.layers["one"]] == [(True, (0,)), (False, (1,))]
    assert [(cell.kept, cell.networks) for cell in found.layers["two"]] == [(False, (0, 1)), (True, ())]
    lines = list(csv.DictReader(found.csv().splitlines()))
    assert lines[0] == {
        "layer": "one", "candidate": "e1", "accuracy": "0.700000", "loss": "0.050000", "kept": "1", "networks": "1"
    }  # fmt: skip
    assert [line["networks"] for line in lines] == ["1", "1", "2", "0"]


def test_a_network_of_another_space_is_refused():
    with pytest.raises(ArchitectureError):
        heat_map(table(), [(PonasSpace().of_choices([0] * 19), 1.0)])


def test_the_picture_has_a_row_for_each_layer_and_colours_for_losses(tmp_path):
    pytest.importorskip("matplotlib")
    networks = [(SPACE.of_choices([number % 2, 0]), 1.0 + number) for number in range(DOTS + 3)]
    draw_heat_map(heat_map(table(kept=[0, 1]), networks), tmp_path / "map.png")
    with Image.open(tmp_path / "map.png") as image:
        seen = {colour for _, colour in image.convert("RGB").getcolors(1 << 20)}
    assert {(0xD9, 0x58, 0x3F), (0xF4, 0xF7, 0xF9)} <= seen, "the largest loss, and none"
    assert (0x1B, 0x6C, 0xA8) in seen and (0xD4, 0x50, 0x87) in seen, "the fastest network and the slowest"


def test_the_page_has_it():
    found = page("a", "b", [], [], {}, {}, heat=heat_map(table(kept=[0, 1]), NETWORKS).document())
    assert '"networks": ["1 ms", "2 ms"]' in found
